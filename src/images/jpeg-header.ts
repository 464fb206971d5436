/**
 * The header of JPEGs that a fast decoder takes, read here so that nothing that is too large or of another kind comes to
 * native code.
 */
import { viewOf } from "../bytes.ts";
import { orientationOfJpeg } from "./exif.ts";

export interface JpegHeader {
  readonly width: number;
  readonly height: number;
  /** By `orientationOf`. */
  readonly orientation: number;
}

/** Baseline, extended and progressive; the rest is arithmetic, lossless or hierarchical. */
const frames: readonly number[] = [0xc0, 0xc1, 0xc2];
/** Sampling of the first component, height in the lower half; the others have 1 x 1. Others are for libvips. */
const samplings: readonly number[] = [0x11, 0x12, 0x21, 0x22];
const progressive = 0xc2;
/** As libvips: a file of more scans takes its time out of proportion to its size. */
const mostScans = 100;
/** The native decoder counts bytes in 32 bits. */
const mostBytes = 2 ** 31 - 1;

/**
 * The header of a JPEG that the fast decoder takes: 8 bits, grey or three components, Huffman codes, the usual sampling,
 * no byte out of place. Undefined for any other file.
 */
export function readJpegHeader(bytes: Uint8Array): JpegHeader | undefined {
  if (bytes.length < 4 || bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined;
  const view = viewOf(bytes);
  let size: { width: number; height: number } | undefined;
  let kind = 0;
  for (let at = 2; at + 4 <= bytes.length; ) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at++;
      continue;
    }
    const length = view.getUint16(at + 2);
    const segment = bytes.subarray(at + 4, at + 2 + length);
    if (length < 2 || segment.length !== length - 2) return undefined;
    if (marker === 0xda) {
      return size && (kind !== progressive || countScans(bytes, at) <= mostScans)
        ? { ...size, orientation: orientationOfJpeg(bytes) }
        : undefined;
    }
    if (frames.includes(marker)) {
      if (size) return undefined;
      kind = marker;
      size = readFrame(segment);
      if (!size) return undefined;
    } else if (!isPlain(marker)) return undefined;
    at += 2 + length;
  }
  return undefined;
}

/** Tables, restart intervals, applications' and comments' segments. */
const isPlain = (marker: number) =>
  marker === 0xc4 || marker === 0xdb || marker === 0xdd || marker === 0xfe || (marker & 0xf0) === 0xe0;

function countScans(bytes: Uint8Array, first: number): number {
  let count = 0;
  for (let at = first; at >= 0 && count <= mostScans; at = bytes.indexOf(0xff, at + 1))
    if (bytes[at + 1] === 0xda) count++;
  return count;
}

function readFrame(segment: Uint8Array): { width: number; height: number } | undefined {
  if (segment.length < 6) return undefined;
  const [precision, components] = [segment[0], segment[5]];
  const height = (segment[1] << 8) | segment[2];
  const width = (segment[3] << 8) | segment[4];
  if (segment.length !== 6 + 3 * components || precision !== 8) return undefined;
  if (width === 0 || height === 0 || 3 * width * height > mostBytes) return undefined;
  if (components === 1) return { width, height };
  const [first, second, third] = [segment[7], segment[10], segment[13]];
  const usual = components === 3 && samplings.includes(first) && second === 0x11 && third === 0x11;
  return usual ? { width, height } : undefined;
}
