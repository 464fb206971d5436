/** CRC-32C (Castagnoli) and the mask that TensorFlow's tables store it under (tensorflow/core/lib/hash/crc32c.h). */

/** Sixteen tables, so that sixteen bytes are taken at a time ("slicing", Kounavis and Berry, 2005). */
const tables: readonly Int32Array[] = makeTables();

function makeTables(): Int32Array[] {
  const first = Int32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
    return c;
  });
  const all = [first];
  for (let k = 1; k < 16; k++) {
    const last = all[k - 1];
    all.push(last.map((c) => (c >>> 8) ^ first[c & 0xff]));
  }
  return all;
}

/** Whether words lie in memory with their lowest byte first, as the loop below takes them. */
const lowestFirst = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** `c` after the bytes from `from` to `to`, one at a time. */
function single(bytes: Uint8Array, from: number, to: number, c: number): number {
  const [t0] = tables;
  for (let i = from; i < to; i++) c = (c >>> 8) ^ t0[(c ^ bytes[i]) & 0xff];
  return c;
}

/** The checksum of `bytes`, or of what `previous` was the checksum of followed by `bytes`. */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11, t12, t13, t14, t15] = tables;
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
      t15[w0 & 0xff] ^
      t14[(w0 >>> 8) & 0xff] ^
      t13[(w0 >>> 16) & 0xff] ^
      t12[w0 >>> 24] ^
      t11[w1 & 0xff] ^
      t10[(w1 >>> 8) & 0xff] ^
      t9[(w1 >>> 16) & 0xff] ^
      t8[w1 >>> 24] ^
      t7[w2 & 0xff] ^
      t6[(w2 >>> 8) & 0xff] ^
      t5[(w2 >>> 16) & 0xff] ^
      t4[w2 >>> 24] ^
      t3[w3 & 0xff] ^
      t2[(w3 >>> 8) & 0xff] ^
      t1[(w3 >>> 16) & 0xff] ^
      t0[w3 >>> 24];
  }
  return ~single(bytes, head + 16 * count, length, c) >>> 0;
}

/** As it is stored: a checksum of data that holds checksums would be weak. */
export const maskCrc = (crc: number): number => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
