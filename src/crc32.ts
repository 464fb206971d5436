/** The checksum of ZIP and PNG (ISO 3309, ITU-T V.42), on any platform. */

/** One table for each of four bytes that are taken at once. */
const tables = makeTables();

function makeTables(): readonly Uint32Array[] {
  const first = Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    return c;
  });
  const all = [first];
  for (let k = 1; k < 4; k++)
    all.push(first.map((_, n) => (all[k - 1][n] >>> 8) ^ first[all[k - 1][n] & 255]));
  return all;
}

/** The checksum of `bytes`, going on from `crc`, that of what lies before them. */
export function crc32(bytes: Uint8Array, crc = 0): number {
  const [t0, t1, t2, t3] = tables;
  let c = ~crc;
  let i = 0;
  for (const whole = bytes.length - 3; i < whole; i += 4) {
    c ^= bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    c = t3[c & 255] ^ t2[(c >>> 8) & 255] ^ t1[(c >>> 16) & 255] ^ t0[c >>> 24];
  }
  for (; i < bytes.length; i++) c = (c >>> 8) ^ t0[(c ^ bytes[i]) & 255];
  return ~c >>> 0;
}
