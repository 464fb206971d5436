/**
 * The coded data of a JPEG: bits and Huffman codes, as libjpeg-turbo reads them (jdhuff.c, jdhuff.h, jdmarker.c). What it does about
 * wrong data is done here as well: a wrong code counts as 0, and where data end too early zeros follow.
 */
import { ImageError } from "../errors.ts";

export interface Bits {
  readonly bytes: Uint8Array;
  /** The next byte to read. */
  at: number;
  /** The last `left` bits are those that come next. */
  buffer: number;
  left: number;
  /** The marker that ended the data, and is read next; 0 where there is none. */
  marker: number;
  /** Whether the data ended too early: what follows up to the next restart is left as it is. */
  spent: boolean;
  /** Whether anything was wrong, of which libjpeg-turbo would warn. */
  doubtful: boolean;
}

const endOfImage = 0xd9;
const firstRestart = 0xd0;
const firstFrame = 0xc0;

export const bitsOf = (bytes: Uint8Array, at: number): Bits => ({
  bytes,
  at,
  buffer: 0,
  left: 0,
  marker: 0,
  spent: false,
  doubtful: false,
});

/** Reads as many bytes as there is room for. A file that ends is one with an end of image. */
function fill(bits: Bits): void {
  const { bytes } = bits;
  while (bits.left <= 24 && bits.marker === 0) {
    if (bits.at >= bytes.length) {
      bits.marker = endOfImage;
      bits.doubtful = true;
      return;
    }
    const value = bytes[bits.at++];
    if (value === 0xff) {
      while (bytes[bits.at] === 0xff) bits.at++;
      if (bits.at >= bytes.length) continue;
      const next = bytes[bits.at++];
      if (next !== 0) {
        bits.marker = next;
        return;
      }
    }
    bits.buffer = (bits.buffer << 8) | value;
    bits.left += 8;
  }
}

/** Sees to it that there are so many bits, at most 25. */
function need(bits: Bits, count: number): void {
  if (bits.left >= count) return;
  fill(bits);
  if (bits.left >= count) return;
  bits.spent = true;
  bits.doubtful = true;
  bits.buffer <<= 25 - bits.left;
  bits.left = 25;
}

/** The next bits as a number, at most 16 of them. */
export function take(bits: Bits, count: number): number {
  if (bits.left < count) need(bits, count);
  bits.left -= count;
  return (bits.buffer >>> bits.left) & ((1 << count) - 1);
}

/** The next bits as a value with a sign (figure F.12 of T.81). */
export function takeSigned(bits: Bits, count: number): number {
  if (count === 0) return 0;
  const value = take(bits, count);
  return value < 1 << (count - 1) ? value - (1 << count) + 1 : value;
}

export interface Codes {
  /** By the next 8 bits: the length of the code in the upper byte, what it stands for in the lower; 0 for longer ones. */
  readonly short: Uint16Array;
  /** The largest code of each length, -1 where there is none; behind the longest one that ends every search. */
  readonly largest: Int32Array;
  /** What is added to a code of a length for its place among the values. */
  readonly offset: Int32Array;
  readonly values: Uint8Array;
}

/** The codes of a table: how many there are of each length from 1 to 16, and what they stand for. @throws ImageError */
export function codesOf(counts: Uint8Array, symbols: Uint8Array): Codes {
  const [short, largest, offset] = [new Uint16Array(256), new Int32Array(18), new Int32Array(18)];
  const values = new Uint8Array(256);
  values.set(symbols);
  let [code, place] = [0, 0];
  for (let length = 1; length <= 16; length++, code <<= 1) {
    const count = counts[length - 1];
    if (code + count > 1 << length) throw new ImageError("it has Huffman codes that are none");
    offset[length] = place - code;
    for (let i = 0; i < count; i++, code++, place++) {
      if (length > 8) continue;
      const first = code << (8 - length);
      short.fill((length << 8) | values[place], first, first + (1 << (8 - length)));
    }
    largest[length] = count > 0 ? code - 1 : -1;
  }
  largest[17] = 0xfffff;
  return { short, largest, offset, values };
}

function longSymbol(bits: Bits, { largest, offset, values }: Codes): number {
  let length = 1;
  let code = take(bits, 1);
  while (code > largest[length]) {
    code = (code << 1) | take(bits, 1);
    length++;
  }
  if (length <= 16) return values[(code + offset[length]) & 255];
  bits.doubtful = true;
  return 0;
}

/** What the next code stands for. */
export function symbol(bits: Bits, codes: Codes): number {
  if (bits.left < 16) fill(bits);
  if (bits.left >= 8) {
    const found = codes.short[(bits.buffer >>> (bits.left - 8)) & 255];
    if (found !== 0) {
      bits.left -= found >> 8;
      return found & 255;
    }
  }
  return longSymbol(bits, codes);
}

/** Finds the next marker from where the reader stands. */
export function nextMarker(bits: Bits): number {
  const { bytes } = bits;
  for (let skipped = 0; ; skipped++) {
    while (bits.at < bytes.length && bytes[bits.at] !== 0xff) {
      bits.at++;
      skipped++;
    }
    while (bits.at < bytes.length && bytes[bits.at] === 0xff) bits.at++;
    if (bits.at >= bytes.length) {
      bits.doubtful = true;
      return endOfImage;
    }
    const marker = bytes[bits.at++];
    if (marker === 0) continue;
    if (skipped > 0) bits.doubtful = true;
    return marker;
  }
}

/** Goes over a restart marker, the one of this number; where there is another, as `jpeg_resync_to_restart` does. */
export function restart(bits: Bits, number: number): void {
  bits.left = 0;
  if (bits.marker === 0) bits.marker = nextMarker(bits);
  if (bits.marker === firstRestart + number) bits.marker = 0;
  else {
    bits.doubtful = true;
    resync(bits, number);
  }
  if (bits.marker === 0) bits.spent = false;
}

function resync(bits: Bits, number: number): void {
  for (;;) {
    const ahead = (bits.marker - firstRestart - number) & 7;
    const isRestart = bits.marker >= firstRestart && bits.marker < firstRestart + 8;
    if (bits.marker >= firstFrame && (!isRestart || ahead === 1 || ahead === 2)) return;
    if (bits.marker >= firstFrame && ahead !== 6 && ahead !== 7) {
      bits.marker = 0;
      return;
    }
    bits.marker = nextMarker(bits);
  }
}
