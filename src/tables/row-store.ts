/** Rows that come one at a time: gathered in memory, and where they outgrow it in a temporary file. */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { outputError } from "../node/atomic.ts";

/** Bytes of a block of rows that are read at once from a file. */
const blockBytes = 2 ** 25;

/** Bytes of rows that are held in memory: of what the machine has, as much as leaves room for what is done with them. */
export const rowMemory = (): number => Math.floor(totalmem() / 4);

/** Rows of `width` numbers: all in `data`, or read in blocks. */
export type StoredRows =
  | { readonly count: number; readonly width: number; readonly data: Float32Array }
  | {
      readonly count: number;
      readonly width: number;
      readonly blockRows: number;
      read(from: number, to: number): Promise<Float32Array>;
    };

export interface RowStore {
  add(row: Float32Array | Float64Array): void;
  /** What was gathered; nothing may be added after. */
  rows(): StoredRows;
  /** Removes the temporary file, if there is one; rows cannot be read from it then. */
  close(): void;
}

/**
 * Gathers rows of `width` numbers, some `expected` of them.
 * @param memory bytes beyond which they go into a file of the system's temporary folder
 * @throws OutputError where that cannot be written
 */
export function createRowStore(width: number, expected: number, memory = rowMemory()): RowStore {
  const most = Math.floor(memory / 4);
  let data = new Float32Array(Math.max(width, Math.min(width * expected, most)));
  let waiting = 0;
  let count = 0;
  let file: { readonly folder: string; readonly fd: number } | undefined;

  function spill(): void {
    try {
      if (!file) {
        const folder = mkdtempSync(join(tmpdir(), "slimfeatures-rows-"));
        file = { folder, fd: openSync(join(folder, "rows.f32"), "wx+") };
        // Where a file can be without a name, nothing is left of it however the process ends.
        if (process.platform !== "win32") rmSync(folder, { recursive: true });
      }
      const bytes = Buffer.from(data.buffer, data.byteOffset, 4 * waiting);
      for (let at = 0; at < bytes.length; )
        at += writeSync(file.fd, bytes, at, Math.min(blockBytes, bytes.length - at));
    } catch (error) {
      throw outputError(tmpdir(), error);
    }
    waiting = 0;
  }

  return {
    add(row) {
      if (waiting + width > data.length) {
        const larger = Math.min(2 * data.length, most);
        if (file || waiting + width > larger) {
          spill();
          if (data.length > Math.max(blockBytes / 4, width))
            data = new Float32Array(Math.max(blockBytes / 4, width));
        } else {
          const grown = new Float32Array(larger);
          grown.set(data.subarray(0, waiting));
          data = grown;
        }
      }
      data.set(row, waiting);
      waiting += width;
      count++;
    },
    rows() {
      if (!file) return { count, width, data: data.subarray(0, waiting) };
      spill();
      data = new Float32Array(0);
      const { fd } = file;
      return {
        count,
        width,
        blockRows: Math.max(1, Math.floor(blockBytes / (4 * width))),
        async read(from, to) {
          const block = new Float32Array((to - from) * width);
          const bytes = Buffer.from(block.buffer);
          for (let at = 0; at < bytes.length; ) {
            const got = readSync(fd, bytes, at, bytes.length - at, 4 * from * width + at);
            if (got === 0) throw new RangeError(`rows ${from} to ${to} are not there`);
            at += got;
          }
          return block;
        },
      };
    },
    close() {
      if (!file) return;
      closeSync(file.fd);
      rmSync(file.folder, { recursive: true, force: true });
      file = undefined;
    },
  };
}

/** Rows one after the other; each is good until the next is asked for. */
export async function* eachRow(rows: StoredRows): AsyncGenerator<Float32Array> {
  const { count, width } = rows;
  const most = "data" in rows ? count : rows.blockRows;
  for (let from = 0; from < count; from += most) {
    const to = Math.min(count, from + most);
    const block = "data" in rows ? rows.data : await rows.read(from, to);
    for (let i = 0; i < to - from; i++) yield block.subarray(i * width, (i + 1) * width);
  }
}
