/**
 * JPEG by TensorFlow's default method: libjpeg-turbo's fast integer transform with fancy upsampling
 * (tensorflow/core/lib/jpeg/jpeg_mem.cc), bit for bit. The header is read here, so that nothing that is too large or of
 * another kind comes to the native decoder.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { builtUrl, requireOwn } from "../bundle.mjs";
import { orientationOf } from "./exif.ts";
import type { Room } from "./machine.ts";

/** fast: as TensorFlow decodes by default. accurate: as Pillow does, and TensorFlow's INTEGER_ACCURATE. */
export const jpegMethods = ["fast", "accurate"] as const;
export type JpegMethod = (typeof jpegMethods)[number];

export interface JpegHeader {
  readonly width: number;
  readonly height: number;
  /** By `orientationOf`. */
  readonly orientation: number;
}

type Turbo = Pick<typeof import("@julusian/jpeg-turbo"), "decompressSync" | "FORMAT_RGB">;

/** The binaries of the package @julusian/jpeg-turbo, which are copied as the program is built. */
function loadTurbo(): Turbo | undefined {
  const { platform, arch } = process;
  const libc = platform === "linux" && existsSync("/etc/alpine-release") ? "-musl" : "";
  const binary = builtUrl(`jpeg-turbo/jpeg-turbo-${platform}-${arch}${libc}/node-napi-v7.node`);
  try {
    return requireOwn(fileURLToPath(binary)) as Turbo;
  } catch {
    return undefined;
  }
}

const turbo = loadTurbo();

/** Whether there is a fast decoder for this platform. */
export const hasFastJpeg = turbo !== undefined;

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
export function readJpegHeader(bytes: Buffer): JpegHeader | undefined {
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0xffd8) return undefined;
  let size: { width: number; height: number } | undefined;
  let kind = 0;
  for (let at = 2; at + 4 <= bytes.length; ) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at++;
      continue;
    }
    const length = bytes.readUInt16BE(at + 2);
    const segment = bytes.subarray(at + 4, at + 2 + length);
    if (length < 2 || segment.length !== length - 2) return undefined;
    if (marker === 0xda) {
      return size && (kind !== progressive || countScans(bytes, at) <= mostScans)
        ? { ...size, orientation: orientationOf(bytes) }
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

function countScans(bytes: Buffer, first: number): number {
  const scan = Buffer.from([0xff, 0xda]);
  let count = 0;
  for (let at = first; at >= 0 && count <= mostScans; at = bytes.indexOf(scan, at + 2)) count++;
  return count;
}

function readFrame(segment: Buffer): { width: number; height: number } | undefined {
  if (segment.length < 6) return undefined;
  const [precision, components] = [segment[0], segment[5]];
  const height = segment.readUInt16BE(1);
  const width = segment.readUInt16BE(3);
  if (segment.length !== 6 + 3 * components || precision !== 8) return undefined;
  if (width === 0 || height === 0 || 3 * width * height > mostBytes) return undefined;
  if (components === 1) return { width, height };
  const [first, second, third] = [segment[7], segment[10], segment[13]];
  const usual = components === 3 && samplings.includes(first) && second === 0x11 && third === 0x11;
  return usual ? { width, height } : undefined;
}

export interface FastPixels {
  /** RGB interleaved. */
  readonly data: Uint8Array;
  /** Whether libjpeg warned of something in the data, with which it went on to the end. */
  readonly doubtful: boolean;
}

/**
 * Decodes a file of which `readJpegHeader` gave the header into a room; undefined where libjpeg stopped before the last pixel. Only
 * where `hasFastJpeg`.
 */
export function decodeFastJpeg(
  bytes: Buffer,
  { width, height }: JpegHeader,
  room: Room,
): FastPixels | undefined {
  const decoder = turbo;
  if (!decoder) throw new Error("There is no fast JPEG decoder for this platform.");
  const into = (data: Uint8Array): boolean => {
    try {
      decoder.decompressSync(bytes, Buffer.from(data.buffer, data.byteOffset, data.length), {
        format: decoder.FORMAT_RGB,
      });
      return true;
    } catch {
      return false;
    }
  };
  const data = room(3 * width * height);
  if (into(data)) return { data, doubtful: false };
  // Warnings and errors come alike. After a warning every byte is written, whatever was there before.
  const again = new Uint8Array(data.length).fill(255);
  into(data.fill(0));
  into(again);
  return Buffer.compare(data, again) === 0 ? { data, doubtful: true } : undefined;
}
