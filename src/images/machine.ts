/**
 * This thread's machine for resizing. A decoder may put an image's pixels into its memory, where the machine reads them in
 * place: they need neither a copy nor memory of their own for each image.
 */

import type { Room } from "../platform/decoder.ts";
import type { Fn } from "../wasm/code.ts";
import { encodeModule, mostPages, pageBytes } from "../wasm/module.ts";
import { blendRows, resizeRow, turnBytes } from "./bilinear-code.ts";

type Five = (a: number, b: number, c: number, d: number, e: number) => void;
type Six = (a: number, b: number, c: number, d: number, e: number, f: number) => void;

/** What is used of a WebAssembly.Memory, a type that TypeScript has together with a browser's only. */
interface Memory {
  readonly buffer: SharedArrayBuffer;
  grow(pages: number): number;
}

interface Machine {
  readonly memory: Memory;
  /** For so many channels. */
  readonly resizeRow: (channels: number) => Five;
  readonly blendRows: Six;
}

/** Pixels of more bytes have a memory of their own, and a memory that grew beyond twice as much is not kept. */
const mostKept = 2 ** 26;

let opened: Machine | undefined;
/** Bytes at the start of the memory that hold somebody's pixels. */
let lent = 0;

/** The machine, whose memory grows with the widest image. */
export function machine(): Machine {
  if (opened) return opened;
  const shared = new WebAssembly.Memory({ initial: 1, maximum: mostPages, shared: true });
  // A browser's own types do not tell that it is.
  const memory = shared as unknown as Memory;
  const made = (fn: Fn) => {
    const module = new WebAssembly.Module(encodeModule([fn]));
    return new WebAssembly.Instance(module, { env: { memory: shared } }).exports[fn.name];
  };
  const rows = new Map<number, Five>();
  opened = {
    memory,
    blendRows: made(blendRows) as Six,
    resizeRow(channels) {
      const known = rows.get(channels) ?? (made(resizeRow(channels)) as Five);
      rows.set(channels, known);
      return known;
    },
  };
  return opened;
}

function reach(memory: Memory, end: number): void {
  const lacking = Math.ceil((end - memory.buffer.byteLength) / pageBytes);
  if (lacking > 0) memory.grow(lacking);
}

/** Where pieces of so many bytes begin in the machine's memory, behind the pixels; each has room for whole turns. */
export function place(sizes: readonly number[]): number[] {
  const starts: number[] = [];
  let end = lent;
  for (const size of sizes) {
    starts.push(end);
    end += turnBytes * Math.ceil(size / turnBytes);
  }
  reach(machine().memory, end);
  return starts;
}

/** Memory of their own. */
export const ownRoom: Room = (bytes) => new Uint8Array(bytes);

/**
 * What `work` gives, lent a room in the machine's memory; its pixels are no longer there afterwards. Pixels that are too
 * many, and those of whoever comes while it is lent, have memory of their own.
 */
export async function withRoom<T>(work: (room: Room) => Promise<T>): Promise<T> {
  let mine = false;
  try {
    return await work((bytes) => {
      if (lent > 0 || bytes > mostKept) return ownRoom(bytes);
      mine = true;
      lent = turnBytes * Math.ceil(bytes / turnBytes);
      const { memory } = machine();
      reach(memory, lent);
      return new Uint8Array(memory.buffer, 0, bytes);
    });
  } finally {
    if (mine) lent = 0;
    if (lent === 0 && opened && opened.memory.buffer.byteLength > 2 * mostKept) opened = undefined;
  }
}
