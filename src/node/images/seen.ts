/**
 * Which contents may be known, in memory that all threads share: a worker looks here instead of asking with a message. A bit
 * stands for all hashes that begin alike, so what has none is certainly new, and what has one must be asked about.
 */

const digits = 6;

export const newSeen = (): Int32Array<SharedArrayBuffer> =>
  new Int32Array(new SharedArrayBuffer(16 ** digits / 8));

const placeOf = (hash: string) => {
  const number = Number.parseInt(hash.slice(0, digits), 16);
  return { word: number >> 5, bit: 1 << (number & 31) };
};

export function addSeen(seen: Int32Array, hash: string): void {
  const { word, bit } = placeOf(hash);
  Atomics.or(seen, word, bit);
}

export function maybeSeen(seen: Int32Array, hash: string): boolean {
  const { word, bit } = placeOf(hash);
  return (Atomics.load(seen, word) & bit) !== 0;
}
