/** A file read from front to back through a small window: memory stays flat however large the file is. */
import { closeSync, openSync, readSync } from "node:fs";
import { UsageError, UserError } from "../../errors.ts";

export interface ByteReader {
  /** How many bytes were taken. */
  readonly position: number;
  /** The next `length` bytes, for the caller to keep. @throws UserError at the end of the file. */
  take(length: number): Buffer;
  /** Up to `length` bytes that come next, which are not taken. */
  start(length: number): Buffer;
  /** The text up to the next newline, which is taken and left out; undefined at the end of the file. */
  line(): Buffer | undefined;
  close(): void;
}

const windowSize = 1 << 16;

/** @throws UsageError when `path` cannot be opened. */
export function openBytes(path: string): ByteReader {
  const file = openFile(path);
  let window: Buffer = Buffer.alloc(0);
  let at = 0;
  let position = 0;

  /** Makes at least `length` bytes ready, or all there are. */
  function fill(length: number): boolean {
    if (window.length - at >= length) return true;
    const parts = [window.subarray(at)];
    let ready = window.length - at;
    while (ready < length) {
      const chunk = Buffer.allocUnsafe(Math.min(Math.max(length - ready, windowSize), 1 << 24));
      const read = readSync(file, chunk);
      if (read === 0) break;
      parts.push(chunk.subarray(0, read));
      ready += read;
    }
    window = Buffer.concat(parts);
    at = 0;
    return ready >= length;
  }

  function advance(length: number): Buffer {
    const bytes = Buffer.from(window.subarray(at, at + length));
    at += length;
    position += length;
    return bytes;
  }

  return {
    get position() {
      return position;
    },
    take(length) {
      if (!fill(length)) {
        throw new UserError(`${path} ends in the middle: it was cut off.`, "Extract the features again.");
      }
      return advance(length);
    },
    start(length) {
      fill(length);
      return Buffer.from(window.subarray(at, at + length));
    },
    line() {
      for (let seen = 0; ; ) {
        const end = window.indexOf(0x0a, at + seen);
        if (end >= 0) {
          const line = advance(end - at);
          at++;
          position++;
          return line;
        }
        seen = window.length - at;
        // Twice as much each time, so that a long line is not copied over and over.
        fill(2 * seen + 1);
        if (window.length - at === seen) return seen === 0 ? undefined : advance(seen);
      }
    },
    close: () => closeSync(file),
  };
}

function openFile(path: string): number {
  try {
    const file = openSync(path, "r");
    try {
      readSync(file, Buffer.alloc(1), 0, 1, 0);
    } catch (error) {
      closeSync(file);
      throw error;
    }
    return file;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const reason =
      code === "ENOENT"
        ? "there is no such file"
        : code === "EISDIR"
          ? "that is a folder"
          : (error as Error).message;
    throw new UsageError(`Cannot read ${path}: ${reason}.`, undefined, { cause: error });
  }
}
