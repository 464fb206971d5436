/** Reading bytes that come from strangers: every length is checked before it is used. */
import { CheckpointError } from "../errors.ts";
import type { ByteSource, Files } from "../platform/files.ts";

/** Damage found in a file or a part of one. */
export function damaged(what: string, how: string): CheckpointError {
  return new CheckpointError(
    `${what} is damaged: ${how}.`,
    "Compare its size and checksum with the publisher's, and download or copy it again.",
  );
}

/** A place in bytes that moves forward and never past the end. `what` names the bytes in errors. */
export class Cursor {
  readonly bytes: Uint8Array;
  readonly what: string;
  position: number;
  readonly end: number;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, what: string, position = 0, end = bytes.length) {
    this.bytes = bytes;
    this.what = what;
    this.position = position;
    this.end = end;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.end - this.position;
  }

  #take(length: number): number {
    if (!(length >= 0 && length <= this.left)) {
      throw damaged(this.what, `${length} bytes are announced at ${this.position}, ${this.left} are left`);
    }
    const at = this.position;
    this.position += length;
    return at;
  }

  byte(): number {
    return this.bytes[this.#take(1)];
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** A view of the next bytes; nothing is copied. */
  slice(length: number): Uint8Array {
    const at = this.#take(length);
    return this.bytes.subarray(at, at + length);
  }

  /** A varint of at most 64 bits, unsigned. */
  varint64(): bigint {
    let value = 0n;
    for (let i = 0n; i < 10n; i++) {
      const b = this.byte();
      value |= BigInt(b & 0x7f) << (7n * i);
      if (b < 0x80) {
        if (value >= 1n << 64n) break;
        return value;
      }
    }
    throw damaged(this.what, `a number at ${this.position} has more than 64 bits`);
  }

  /** A varint as a number; values of 2^63 and more are the negative int64 that they encode. */
  varint(): number {
    let value = 0;
    let scale = 1;
    const start = this.position;
    // Seven bytes hold 49 bits, which doubles add exactly; longer ones are rare.
    for (let i = 0; i < 7; i++) {
      const b = this.byte();
      value += (b & 0x7f) * scale;
      if (b < 0x80) return value;
      scale *= 128;
    }
    this.position = start;
    const long = BigInt.asIntN(64, this.varint64());
    const number = Number(long);
    if (!Number.isSafeInteger(number))
      throw damaged(this.what, `the number ${long} at ${start} is out of any range`);
    return number;
  }

  /** A varint that must fit 32 bits. */
  varint32(): number {
    const start = this.position;
    const value = this.varint();
    if (value < 0 || value > 0xffffffff || this.position - start > 5) {
      throw damaged(this.what, `a number at ${start} has more than 32 bits`);
    }
    return value;
  }
}

/**
 * Opens a regular file. Its reads give exactly the bytes that they are asked for.
 * @throws CheckpointError when it cannot be opened; and from reads, when it ends before.
 */
export async function openByteFile(path: string, files: Files): Promise<ByteSource> {
  const source = await files.open(path).catch((cause: unknown) => {
    const { code, message } = cause as { code?: string; message?: string };
    if (code === "ENOENT")
      throw new CheckpointError(`${path} is missing.`, "It belongs to the checkpoint; copy it too.", {
        cause,
      });
    if (code === "EISDIR") throw new CheckpointError(`${path} is not a regular file.`, undefined, { cause });
    throw new CheckpointError(`${path} cannot be opened (${code ?? message}).`, undefined, { cause });
  });
  const { size } = source;
  return {
    path,
    size,
    async read(offset, length) {
      if (!(offset >= 0 && length >= 0 && offset + length <= size)) {
        throw damaged(path, `bytes ${offset} to ${offset + length} are wanted of ${size}`);
      }
      const bytes = await source.read(offset, length);
      if (bytes.length < length) throw damaged(path, "it became shorter while it was read");
      return bytes;
    },
    stream: () => source.stream(),
    close: () => source.close(),
  };
}
