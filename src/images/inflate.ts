/** Unpacks zlib's format (RFC 1950, RFC 1951) at once, which browsers do by streams only. */

interface Codes {
  /** How many codes have each length. */
  readonly counts: Uint16Array;
  /** Symbols in the order of their codes. */
  readonly symbols: Uint16Array;
  /** By the next nine bits: the symbol times 16 and the length of its code; 0 where that is longer. */
  readonly short: Uint16Array;
}

const shortBits = 9;
const mostBits = 15;

/** Huffman codes by the lengths of the symbols' codes. */
function codesOf(lengths: Uint8Array): Codes {
  const counts = new Uint16Array(mostBits + 1);
  for (const length of lengths) if (length > 0) counts[length]++;
  let left = 1;
  for (let length = 1; length <= mostBits; length++) {
    left = 2 * left - counts[length];
    if (left < 0) throw new Error("its compressed data have more codes than fit");
  }
  const starts = new Uint16Array(mostBits + 2);
  const next = new Uint16Array(mostBits + 2);
  for (let length = 1; length <= mostBits; length++) {
    starts[length + 1] = starts[length] + counts[length];
    next[length + 1] = (next[length] + counts[length]) << 1;
  }
  const symbols = new Uint16Array(starts[mostBits + 1]);
  const short = new Uint16Array(1 << shortBits);
  for (const [symbol, length] of lengths.entries()) {
    if (length === 0) continue;
    symbols[starts[length]++] = symbol;
    const code = next[length]++;
    if (length > shortBits) continue;
    // Bits come the last of a code first.
    let turned = 0;
    for (let bit = 0; bit < length; bit++) turned |= ((code >> bit) & 1) << (length - 1 - bit);
    for (let at = turned; at < 1 << shortBits; at += 1 << length) short[at] = (symbol << 4) | length;
  }
  return { counts, symbols, short };
}

/** Base values of the symbols of lengths and distances, each with so many more bits. */
const grown = (first: number, extra: readonly number[]): readonly (readonly [number, number])[] => {
  let base = first;
  return extra.map((bits) => {
    const here = [base, bits] as const;
    base += 2 ** bits;
    return here;
  });
};
const lengthSymbols = [
  ...grown(3, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5]),
  [258, 0] as const,
];
const distanceSymbols = grown(
  1,
  Array.from({ length: 30 }, (_, i) => Math.max(0, (i >> 1) - 1)),
);
const orderOfLengths = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

const fixed = Uint8Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8));
const fixedDistances = new Uint8Array(30).fill(5);

const cut = () => new Error("its compressed data end too early");

/**
 * What `bytes` hold, up to `most` bytes; what lies behind is passed over.
 * @throws Error, as a clause, where they are damaged, end too early, or hold more.
 */
export function inflate(bytes: Uint8Array, most: number): Uint8Array {
  if ((bytes[0] & 15) !== 8 || ((bytes[0] << 8) | bytes[1]) % 31 !== 0 || bytes[1] & 32)
    throw new Error("its compressed data are of no known kind");
  let out = new Uint8Array(Math.min(most, 4 * bytes.length + 64));
  let end = 0;
  let at = 2;
  let held = 0;
  let bits = 0;

  function need(count: number): void {
    while (bits < count) {
      if (at >= bytes.length) throw cut();
      held |= bytes[at++] << bits;
      bits += 8;
    }
  }

  function take(count: number): number {
    if (count === 0) return 0;
    need(count);
    const value = held & ((1 << count) - 1);
    held >>>= count;
    bits -= count;
    return value;
  }

  function symbol({ counts, symbols, short }: Codes): number {
    while (bits < shortBits && at < bytes.length) {
      held |= bytes[at++] << bits;
      bits += 8;
    }
    const quick = short[held & ((1 << shortBits) - 1)];
    const length = quick & 15;
    if (quick !== 0 && length <= bits) {
      held >>>= length;
      bits -= length;
      return quick >> 4;
    }
    let code = 0;
    let first = 0;
    let index = 0;
    for (let size = 1; size <= mostBits; size++) {
      code |= take(1);
      const count = counts[size];
      if (code - count < first) return symbols[index + (code - first)];
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw new Error("its compressed data have a code that means nothing");
  }

  function room(count: number): void {
    if (end + count > most) throw new Error("its compressed data hold more than they should");
    if (end + count <= out.length) return;
    const larger = new Uint8Array(Math.min(most, 2 * (end + count)));
    larger.set(out.subarray(0, end));
    out = larger;
  }

  function stored(): void {
    at -= bits >> 3;
    held = 0;
    bits = 0;
    if (at + 4 > bytes.length) throw cut();
    const length = bytes[at] | (bytes[at + 1] << 8);
    if ((length ^ 0xffff) !== (bytes[at + 2] | (bytes[at + 3] << 8)))
      throw new Error("its compressed data are damaged");
    at += 4;
    if (at + length > bytes.length) throw cut();
    room(length);
    out.set(bytes.subarray(at, at + length), end);
    at += length;
    end += length;
  }

  function packed(literals: Codes, distances: Codes): void {
    for (;;) {
      const found = symbol(literals);
      if (found < 256) {
        if (end === out.length || end === most) room(1);
        out[end++] = found;
        continue;
      }
      if (found === 256) return;
      const way = lengthSymbols[found - 257];
      if (!way) throw new Error("its compressed data are damaged");
      const length = way[0] + take(way[1]);
      const back = distanceSymbols[symbol(distances)];
      if (!back) throw new Error("its compressed data are damaged");
      const distance = back[0] + take(back[1]);
      if (distance > end) throw new Error("its compressed data are damaged");
      room(length);
      for (let i = 0; i < length; i++, end++) out[end] = out[end - distance];
    }
  }

  /** Codes that are themselves told by codes. */
  function dynamic(): readonly [Codes, Codes] {
    const literals = take(5) + 257;
    const distances = take(5) + 1;
    const told = take(4) + 4;
    const lengths = new Uint8Array(19);
    for (let i = 0; i < told; i++) lengths[orderOfLengths[i]] = take(3);
    const codes = codesOf(lengths);
    const all = new Uint8Array(literals + distances);
    for (let i = 0; i < all.length; ) {
      const found = symbol(codes);
      if (found < 16) {
        all[i++] = found;
        continue;
      }
      const value = found === 16 ? all[i - 1] : 0;
      const times = found === 16 ? 3 + take(2) : found === 17 ? 3 + take(3) : 11 + take(7);
      if ((found === 16 && i === 0) || i + times > all.length)
        throw new Error("its compressed data are damaged");
      all.fill(value, i, i + times);
      i += times;
    }
    return [codesOf(all.subarray(0, literals)), codesOf(all.subarray(literals))];
  }

  for (let last = 0; last === 0; ) {
    last = take(1);
    const kind = take(2);
    if (kind === 0) stored();
    else if (kind === 1) packed(codesOf(fixed), codesOf(fixedDistances));
    else if (kind === 2) packed(...dynamic());
    else throw new Error("its compressed data are damaged");
  }
  return out.subarray(0, end);
}
