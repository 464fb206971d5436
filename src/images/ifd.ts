/**
 * The first directory of a TIFF file, which is what EXIF blocks are too. TIFF 6.0, section 2, and BigTIFF:
 * https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf, https://libtiff.gitlab.io/libtiff/specification/bigtiff.html
 */

import { latin1, viewOf } from "../bytes.ts";

/** A field of a directory. */
export interface Field {
  /** Its type by TIFF's number, such as 3 for numbers of two bytes. */
  readonly type: number;
  readonly count: number;
  readonly bytes: Uint8Array;
  /** Its first numbers, at most `mostNumbers`; none where it holds text or bytes without a meaning. */
  readonly numbers: readonly number[];
}

/** The fields by their tags. */
export type Directory = ReadonlyMap<number, Field>;

/** Pictures have fewer channels. */
const mostNumbers = 64;

type Read = (bytes: DataView, at: number, little: boolean) => number;

const byte: Read = (b, at) => b.getUint8(at);
const short: Read = (b, at, little) => b.getUint16(at, little);
const word: Read = (b, at, little) => b.getUint32(at, little);
const sword: Read = (b, at, little) => b.getInt32(at, little);
const long: Read = (b, at, little) => Number(b.getBigUint64(at, little));
const slong: Read = (b, at, little) => Number(b.getBigInt64(at, little));
const ratio =
  (part: Read): Read =>
  (b, at, little) =>
    part(b, at, little) / part(b, at + 4, little);

/** Bytes of a value, and how it is read where it is a number, by TIFF's types. */
const types: Readonly<Record<number, readonly [width: number, read?: Read]>> = {
  1: [1, byte],
  2: [1],
  3: [2, short],
  4: [4, word],
  5: [8, ratio(word)],
  6: [1, (b, at) => b.getInt8(at)],
  7: [1],
  8: [2, (b, at, little) => b.getInt16(at, little)],
  9: [4, sword],
  10: [8, ratio(sword)],
  11: [4, (b, at, little) => b.getFloat32(at, little)],
  12: [8, (b, at, little) => b.getFloat64(at, little)],
  13: [4, word],
  16: [8, long],
  17: [8, slong],
  18: [8, long],
};

/** How classic TIFF and BigTIFF lay out a directory: where it is told, widths of offsets, and of the number of its fields. */
const layouts = {
  classic: { at: 4, offset: word, width: 4, counted: 2, count: short },
  big: { at: 8, offset: long, width: 8, counted: 8, count: long },
} as const;

/**
 * The first directory of `bytes`, as far as it is there: it ends before a field whose value is not. Of two fields of one
 * tag the first counts. Undefined where the bytes begin as no TIFF does.
 */
export function readDirectory(bytes: Uint8Array): Directory | undefined {
  const start = latin1(bytes, 0, 4);
  const little = start === "II*\0" || start === "II+\0";
  if (!little && start !== "MM\0*" && start !== "MM\0+") return undefined;
  const { at, offset, width, counted, count } = layouts[start.includes("+") ? "big" : "classic"];
  const view = viewOf(bytes);
  const fields = new Map<number, Field>();
  const there = (from: number, length: number) => from >= 0 && from + length <= bytes.length;
  if (!there(at, width)) return fields;
  const directory = offset(view, at, little);
  if (!there(directory, counted)) return fields;
  const entries = count(view, directory, little);
  const size = 4 + 2 * width;
  for (let i = 0; i < entries; i++) {
    const entry = directory + counted + size * i;
    if (!there(entry, size)) break;
    const tag = short(view, entry, little);
    const type = short(view, entry + 2, little);
    const values = offset(view, entry + 4, little);
    const [each, read] = types[type] ?? [];
    if (each === undefined) continue;
    const place = entry + 4 + width;
    const from = each * values <= width ? place : offset(view, place, little);
    if (!there(from, each * values)) break;
    if (fields.has(tag)) continue;
    const own = bytes.subarray(from, from + each * values);
    const numbers = read
      ? Array.from({ length: Math.min(values, mostNumbers) }, (_, k) => read(view, from + each * k, little))
      : [];
    fields.set(tag, { type, count: values, bytes: own, numbers });
  }
  return fields;
}
