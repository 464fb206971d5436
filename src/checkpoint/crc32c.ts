/** CRC-32C (Castagnoli) and the mask that TensorFlow's tables store it under (tensorflow/core/lib/hash/crc32c.h). */

/**
 * Sixteen tables of 256, so that sixteen bytes are taken at a time ("slicing", Kounavis and Berry, 2005): table k at 256 k
 * is for a byte that k bytes follow. They are one array, since sixteen take twice as long.
 */
const table: Int32Array = makeTable();

function makeTable(): Int32Array {
  const made = new Int32Array(16 * 256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
    made[n] = c;
  }
  for (let n = 256; n < made.length; n++) {
    const c = made[n - 256];
    made[n] = (c >>> 8) ^ made[c & 0xff];
  }
  return made;
}

/** Whether words lie in memory with their lowest byte first, as the loop below takes them. */
const lowestFirst = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** `c` after the bytes from `from` to `to`, one at a time. */
function single(bytes: Uint8Array, from: number, to: number, c: number): number {
  for (let i = from; i < to; i++) c = (c >>> 8) ^ table[(c ^ bytes[i]) & 0xff];
  return c;
}

/** The checksum of `bytes`, or of what `previous` was the checksum of followed by `bytes`. */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  const { length, byteOffset } = bytes;
  // Words must lie at multiples of four.
  const head = Math.min(length, -byteOffset & 3);
  let c = single(bytes, 0, head, ~previous);
  const count = lowestFirst ? (length - head) >>> 4 : 0;
  const words = new Int32Array(bytes.buffer, count > 0 ? byteOffset + head : 0, 4 * count);
  for (let i = 0; i < words.length; i += 4) {
    const w0 = c ^ words[i];
    const w1 = words[i + 1];
    const w2 = words[i + 2];
    const w3 = words[i + 3];
    c =
      table[0xf00 + (w0 & 0xff)] ^
      table[0xe00 + ((w0 >>> 8) & 0xff)] ^
      table[0xd00 + ((w0 >>> 16) & 0xff)] ^
      table[0xc00 + (w0 >>> 24)] ^
      table[0xb00 + (w1 & 0xff)] ^
      table[0xa00 + ((w1 >>> 8) & 0xff)] ^
      table[0x900 + ((w1 >>> 16) & 0xff)] ^
      table[0x800 + (w1 >>> 24)] ^
      table[0x700 + (w2 & 0xff)] ^
      table[0x600 + ((w2 >>> 8) & 0xff)] ^
      table[0x500 + ((w2 >>> 16) & 0xff)] ^
      table[0x400 + (w2 >>> 24)] ^
      table[0x300 + (w3 & 0xff)] ^
      table[0x200 + ((w3 >>> 8) & 0xff)] ^
      table[0x100 + ((w3 >>> 16) & 0xff)] ^
      table[w3 >>> 24];
  }
  return ~single(bytes, head + 16 * count, length, c) >>> 0;
}

/** As it is stored: a checksum of data that holds checksums would be weak. */
export const maskCrc = (crc: number): number => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
