/**
 * Headers of tar archives: ustar, GNU and pax, as bytes. What is wrong with them is the caller's to say, in the words of
 * its own files. https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
 */

import { bytesOfUtf8, concat, latin1 } from "./bytes.ts";

/** Headers are of this size, and contents are padded to a multiple of it. */
export const tarBlock = 512;

/** Headers that say something of the next member are not longer than any name needs. */
export const mostExtended = 2 ** 20;

export interface TarHeader {
  readonly name: Uint8Array;
  /** Where a link leads. */
  readonly link: Uint8Array;
  /** In bytes; NaN where the field holds no number. */
  readonly size: number;
  /**
   * "0" and "7" are files, "1" a further name of an earlier file, "2" a symbolic link, "3" and "4" devices, "6" a pipe; "L" a
   * long name, "K" a long link, "x" and "g" pax records of the next member and of all.
   */
  readonly type: string;
  /** The sum over the header's bytes, and the one that it states. */
  readonly sum: number;
  readonly statedSum: number;
}

/** The type of GNU's old sparse files, behind whose header there may be more of it. */
export const sparseType = "S";

/** A field's bytes up to the first zero. */
export function untilZero(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/** Octal digits, or GNU's base 256 where the top bit is set. NaN for anything else. */
function numberIn(field: Uint8Array): number {
  if (field[0] & 0x80) return field.subarray(1).reduce((n, b) => n * 256 + b, field[0] & 0x7f);
  const digits = latin1(untilZero(field)).trim();
  return digits === "" ? 0 : /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}

const slash = bytesOfUtf8("/");

/** A header from its block. */
export function readTarHeader(header: Uint8Array): TarHeader {
  const ustar = latin1(header, 257, 262) === "ustar" && header[263] === 0x30;
  const prefix = ustar ? untilZero(header.subarray(345, 500)) : new Uint8Array(0);
  const own = untilZero(header.subarray(0, 100));
  return {
    name: prefix.length > 0 ? concat([prefix, slash, own]) : own,
    link: untilZero(header.subarray(157, 257)),
    size: numberIn(header.subarray(124, 136)),
    type: header[156] === 0 ? "0" : String.fromCharCode(header[156]),
    // The field of the sum itself counts as spaces.
    sum: header.reduce((n, b, i) => n + (i >= 148 && i < 156 ? 0x20 : b), 0),
    statedSum: numberIn(header.subarray(148, 156)),
  };
}

/** What a pax header says of the next member. */
export interface PaxRecords {
  name?: Uint8Array;
  link?: Uint8Array;
  size?: number;
  /** The member's data are a map and the pieces that are no holes. */
  sparse?: true;
}

/** The records ("length key=value\n") of a pax header; undefined where they are damaged. */
export function readPax(bytes: Uint8Array): PaxRecords | undefined {
  const found: PaxRecords = {};
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    if (space < 0) return undefined;
    const length = Number(latin1(bytes, at, space));
    if (!Number.isInteger(length) || length <= space - at || at + length > bytes.length) return undefined;
    const record = bytes.subarray(space + 1, at + length - 1);
    const equals = record.indexOf(0x3d);
    const value = record.subarray(equals + 1);
    const key = latin1(record, 0, Math.max(equals, 0));
    if (key === "path") found.name = value;
    if (key === "linkpath") found.link = value;
    if (key === "size") found.size = Number(latin1(value));
    if (key.startsWith("GNU.sparse.")) found.sparse = true;
    at += length;
  }
  return found;
}

/** Whether a member can be of this size. */
export const isTarSize = (size: number): boolean => Number.isSafeInteger(size) && size >= 0;
