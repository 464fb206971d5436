/**
 * A walk over the fields of messages that are too large to hold: graphs of up to 2 GB. Tags and lengths are read through a
 * window; what a field holds is told as a range of the file, and read by whoever wants it.
 */
import type { ByteSource } from "../platform/files.ts";
import { Cursor, damaged } from "./bytes.ts";

/** A part of a file. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export type RangeField =
  | { readonly number: number; readonly wire: "varint"; readonly varint: bigint }
  | { readonly number: number; readonly wire: "fixed" }
  | ({ readonly number: number; readonly wire: "bytes" } & Range);

export interface Ranges {
  readonly file: ByteSource;
  /** The fields of the message in `range`, in order. @throws CheckpointError when one is cut off or leads out of it. */
  fields(range: Range): AsyncGenerator<RangeField>;
  /** The bytes of a range. A short one comes out of the window, and is good until the next call. */
  bytes(range: Range): Promise<Uint8Array>;
}

const windowSize = 2 ** 16;
/** A tag of five bytes, and a length or number of ten. */
const longestHead = 16;

/** More fields than any graph has outside of its values. */
const mostFields = 2 ** 23;

export function rangesOf(file: ByteSource, what: string): Ranges {
  let window: Uint8Array = new Uint8Array(0);
  let start = 0;
  let count = 0;

  /** A cursor at `at` with the next `length` bytes before it, or what is left of the file. */
  async function cursorAt(at: number, length: number, to: number): Promise<Cursor> {
    const end = Math.min(at + length, to);
    if (at < start || end > start + window.length) {
      window = await file.read(at, Math.min(Math.max(windowSize, end - at), file.size - at));
      start = at;
    }
    return new Cursor(window, what, at - start, end - start);
  }

  return {
    file,
    async *fields({ from, to }) {
      for (let at = from; at < to; ) {
        if (++count > mostFields) throw damaged(what, `it has more than ${mostFields} fields`);
        const c = await cursorAt(at, longestHead, to);
        const origin = at - c.position;
        const tag = c.varint32();
        const number = Math.floor(tag / 8);
        if (number === 0) throw damaged(what, "a field is numbered 0");
        const head = () => origin + c.position;
        switch (tag % 8) {
          case 0: {
            const varint = c.varint64();
            at = head();
            yield { number, wire: "varint", varint };
            break;
          }
          case 2: {
            const length = c.varint();
            const begin = head();
            if (length < 0 || begin + length > to)
              throw damaged(what, `${length} bytes are announced at ${begin}, ${to - begin} are left`);
            at = begin + length;
            yield { number, wire: "bytes", from: begin, to: at };
            break;
          }
          case 1:
          case 5: {
            at = head() + (tag % 8 === 1 ? 8 : 4);
            if (at > to) throw damaged(what, `a number is cut off at ${to}`);
            yield { number, wire: "fixed" };
            break;
          }
          default:
            throw damaged(what, `field ${number} is of wire type ${tag % 8}`);
        }
      }
    },
    async bytes({ from, to }) {
      if (to - from > windowSize) return file.read(from, to - from);
      return (await cursorAt(from, to - from, to)).slice(to - from);
    },
  };
}
