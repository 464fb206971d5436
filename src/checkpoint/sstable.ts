/**
 * The sorted table that both checkpoint formats are made of, a descendant of LevelDB's
 * (tensorflow/core/lib/io/{format,table,block}.cc). Blocks are read when they are needed and their checksums always
 * verified; keys are bytes.
 */

import { bytesOfHex, compare, concat, equals, viewOf } from "../bytes.ts";
import { CheckpointError } from "../errors.ts";
import type { ByteSource } from "../platform/files.ts";
import { Cursor, damaged } from "./bytes.ts";
import { crc32c, maskCrc } from "./crc32c.ts";
import { snappyDecompress } from "./snappy.ts";

export const footerSize = 48;
export const tableMagic = bytesOfHex("57fb808b247547db");
/** The key of the record that describes the others. */
export const emptyKey = new Uint8Array(0);
/** Type byte and checksum behind each block. */
const trailerSize = 5;

/** Keys share prefixes, so that few bytes can make many and long ones; real files hold well under a megabyte of names. */
const mostKeyBytes = 2 ** 26;

export interface Entry {
  readonly key: Uint8Array;
  /** A view into the block. */
  readonly value: Uint8Array;
}

export interface Table {
  readonly file: ByteSource;
  /** The value of a key; undefined when there is none. Reads one block. */
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** All entries in the order of their keys. */
  entries(): AsyncGenerator<Entry>;
}

interface Handle {
  readonly offset: number;
  readonly size: number;
}

interface IndexEntry extends Handle {
  /** At least the last key of its block, less than the first key of the next. */
  readonly separator: Uint8Array;
}

function readHandle(c: Cursor): Handle {
  return { offset: c.varint(), size: c.varint() };
}

async function readBlock(file: ByteSource, { offset, size }: Handle, what: string): Promise<Uint8Array> {
  if (offset < 0 || size < 0 || offset + size + trailerSize > file.size - footerSize) {
    throw damaged(what, `a block of ${size} bytes at ${offset} does not fit the file's ${file.size}`);
  }
  const stored = await file.read(offset, size + trailerSize);
  const checksum = viewOf(stored).getUint32(size + 1, true);
  if (maskCrc(crc32c(stored.subarray(0, size + 1))) !== checksum) {
    throw damaged(what, `the checksum of the block at ${offset} is wrong`);
  }
  const contents = stored.subarray(0, size);
  switch (stored[size]) {
    case 0:
      return contents;
    case 1:
      return snappyDecompress(contents, what);
    default:
      throw damaged(what, `the block at ${offset} is of the unknown kind ${stored[size]}`);
  }
}

/** The entries of a block: keys share prefixes with their predecessors, and restart offsets stand at the end. */
function* entriesOf(block: Uint8Array, what: string): Generator<Entry> {
  if (block.length < 4) throw damaged(what, "a block is too short");
  const restarts = viewOf(block).getUint32(block.length - 4, true);
  if (restarts > (block.length - 4) / 4) throw damaged(what, "a block has more restarts than it could hold");
  const c = new Cursor(block, what, 0, block.length - 4 * (restarts + 1));
  let key: Uint8Array = new Uint8Array(0);
  let first = true;
  let keyBytes = 0;
  while (c.left > 0) {
    const shared = c.varint32();
    const unshared = c.varint32();
    const length = c.varint32();
    if (shared > key.length) throw damaged(what, "a key shares more than its predecessor has");
    keyBytes += shared + unshared;
    if (keyBytes > mostKeyBytes) throw damaged(what, "its keys are longer than any names are");
    const next = concat([key.subarray(0, shared), c.slice(unshared)]);
    if (!first && compare(next, key) <= 0) throw damaged(what, "its keys are out of order");
    const value = c.slice(length);
    key = next;
    first = false;
    yield { key, value };
  }
}

/** Opens a table. @throws CheckpointError when the file is none or its index is damaged. */
export async function openTable(file: ByteSource): Promise<Table> {
  const what = file.path;
  if (file.size < footerSize) throw new CheckpointError(`${what} is empty or truncated: ${file.size} bytes.`);
  const footer = await file.read(file.size - footerSize, footerSize);
  if (!equals(footer.subarray(footerSize - 8), tableMagic)) {
    throw new CheckpointError(
      `${what} is no checkpoint table, or truncated: its last bytes are not the magic number.`,
    );
  }
  const c = new Cursor(footer, `the footer of ${what}`, 0, footerSize - 8);
  readHandle(c); // The meta index, which TensorFlow leaves empty.
  const index: IndexEntry[] = [];
  for (const { key, value } of entriesOf(
    await readBlock(file, readHandle(c), `the index of ${what}`),
    `the index of ${what}`,
  )) {
    index.push({ separator: key, ...readHandle(new Cursor(value, `the index of ${what}`)) });
  }

  let last: { readonly at: number; readonly entries: readonly Entry[] } | undefined;

  async function block(at: number): Promise<readonly Entry[]> {
    if (last?.at === at) return last.entries;
    last = undefined;
    const entries = [...entriesOf(await readBlock(file, index[at], what), what)];
    const [low, high] = [entries.at(0), entries.at(-1)];
    const inside =
      !low ||
      !high ||
      (compare(high.key, index[at].separator) <= 0 &&
        (at === 0 || compare(low.key, index[at - 1].separator) > 0));
    if (!inside) throw damaged(what, "its keys are out of order");
    // Small tensors share a block; a large one has a block of its own, which is not worth keeping.
    if (index[at].size <= 2 ** 20) last = { at, entries };
    return entries;
  }

  return {
    file,
    async get(key) {
      let low = 0;
      let high = index.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (compare(index[middle].separator, key) < 0) low = middle + 1;
        else high = middle;
      }
      if (low === index.length) return undefined;
      return (await block(low)).find((e) => equals(e.key, key))?.value;
    },
    async *entries() {
      let keyBytes = 0;
      for (const at of index.keys()) {
        for (const entry of await block(at)) {
          keyBytes += entry.key.length;
          if (keyBytes > mostKeyBytes) throw damaged(what, "its keys are longer than any names are");
          yield entry;
        }
      }
    },
  };
}
