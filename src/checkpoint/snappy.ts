/** Snappy's raw format (github.com/google/snappy, format_description.txt). */
import { Cursor, damaged } from "./bytes.ts";

/** A copy of 64 bytes takes 3, so no valid stream expands more than this; a larger claim is a bomb. */
const mostExpansion = 22;

/** @throws CheckpointError when the stream is damaged or claims more than it could hold. */
export function snappyDecompress(bytes: Uint8Array, what: string): Uint8Array {
  const c = new Cursor(bytes, what);
  const length = c.varint32();
  if (length > mostExpansion * bytes.length + 64) {
    throw damaged(what, `${bytes.length} compressed bytes claim to hold ${length}`);
  }
  const out = new Uint8Array(length);
  let at = 0;
  const room = (n: number) => {
    if (n > length - at) throw damaged(what, "it unpacks to more than it announces");
  };
  const little = (n: number) => {
    let value = 0;
    for (let i = 0; i < n; i++) value += c.byte() * 256 ** i;
    return value;
  };
  while (c.left > 0) {
    const tag = c.byte();
    if ((tag & 3) === 0) {
      const short = tag >> 2;
      const n = (short < 60 ? short : little(short - 59)) + 1;
      room(n);
      out.set(c.slice(n), at);
      at += n;
      continue;
    }
    let n: number;
    let offset: number;
    if ((tag & 3) === 1) {
      n = ((tag >> 2) & 7) + 4;
      offset = ((tag >> 5) << 8) | c.byte();
    } else {
      n = (tag >> 2) + 1;
      offset = little((tag & 3) === 2 ? 2 : 4);
    }
    if (offset === 0 || offset > at) throw damaged(what, "a copy begins before the start");
    room(n);
    // A copy may overlap what it writes, so it runs byte by byte.
    for (let i = 0; i < n; i++, at++) out[at] = out[at - offset];
  }
  if (at !== length) throw damaged(what, `it unpacks to ${at} bytes and announces ${length}`);
  return out;
}
