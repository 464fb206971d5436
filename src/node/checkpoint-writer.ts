/** Writes V2 checkpoints that TensorFlow reads (BundleWriter in tensor_bundle.cc, TableBuilder in lib/io). */
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { compare, equals, utf8 } from "../bytes.ts";
import { crc32c, maskCrc } from "../checkpoint/crc32c.ts";
import { dtypeForArray, type TensorData } from "../checkpoint/dtypes.ts";
import { tableMagic } from "../checkpoint/sstable.ts";
import { OutputError } from "../errors.ts";
import { sizeOf } from "../tensor.ts";

export interface WritableTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** float32, float64, int32, int64 or uint8 values, or strings as their bytes. */
  readonly data: TensorData;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

const number = (field: number, value: number) =>
  value === 0 ? Buffer.alloc(0) : Buffer.concat([varint(field * 8), varint(value)]);
const message = (field: number, bytes: Buffer) =>
  Buffer.concat([varint(field * 8 + 2), varint(bytes.length), bytes]);

/** As BlockBuilder does: a key in full at every sixteenth entry, so that a reader can start there. */
const restartInterval = 16;
const blockSize = 2 ** 18;

type Pair = readonly [key: Uint8Array, value: Uint8Array];

function buildBlock(pairs: readonly Pair[], interval: number): Buffer {
  const parts: Buffer[] = [];
  const restarts: number[] = [];
  let length = 0;
  let previous: Uint8Array = Buffer.alloc(0);
  pairs.forEach(([key, value], i) => {
    let shared = 0;
    if (i % interval === 0) restarts.push(length);
    else while (shared < Math.min(previous.length, key.length) && previous[shared] === key[shared]) shared++;
    const entry = Buffer.concat([
      varint(shared),
      varint(key.length - shared),
      varint(value.length),
      key.subarray(shared),
      value,
    ]);
    parts.push(entry);
    length += entry.length;
    previous = key;
  });
  if (restarts.length === 0) restarts.push(0);
  return Buffer.concat([...parts, ...restarts.map(u32), u32(restarts.length)]);
}

/** A whole table of sorted pairs, uncompressed. */
export function buildTable(pairs: readonly Pair[]): Buffer {
  const parts: Buffer[] = [];
  let offset = 0;
  const add = (block: Buffer): Buffer => {
    const typed = Buffer.concat([block, Buffer.from([0])]);
    parts.push(typed, u32(maskCrc(crc32c(typed))));
    const handle = Buffer.concat([varint(offset), varint(block.length)]);
    offset += typed.length + 4;
    return handle;
  };
  const index: Pair[] = [];
  let open: Pair[] = [];
  let size = 0;
  const close = () => {
    const last = open.at(-1);
    if (last) index.push([last[0], add(buildBlock(open, restartInterval))]);
    open = [];
    size = 0;
  };
  for (const pair of pairs) {
    open.push(pair);
    size += pair[0].length + pair[1].length + 10;
    if (size >= blockSize) close();
  }
  close();
  const metaHandle = add(buildBlock([], restartInterval));
  const indexHandle = add(buildBlock(index, 1));
  const handles = Buffer.concat([metaHandle, indexHandle]);
  return Buffer.concat([...parts, handles, Buffer.alloc(40 - handles.length), tableMagic]);
}

/** The stored bytes of a tensor and their checksum. */
function store(data: TensorData): { bytes: Buffer; crc: number } {
  if (!Array.isArray(data)) {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    return { bytes, crc: crc32c(bytes) };
  }
  const lengthSum = maskCrc(data.reduce((crc, s) => crc32c(u32(s.length), crc), 0));
  let crc = data.reduce((sum, s) => crc32c(u32(s.length), sum), 0);
  crc = crc32c(u32(lengthSum), crc);
  for (const s of data) crc = crc32c(s, crc);
  return { bytes: Buffer.concat([...data.map((s) => varint(s.length)), u32(lengthSum), ...data]), crc };
}

/**
 * Writes `prefix`.index and `prefix`.data-00000-of-00001, each under another name first, so that a run that is stopped
 * leaves no half of a checkpoint.
 * @throws OutputError when a file cannot be written.
 */
export async function writeCheckpoint(
  prefix: string,
  tensors: Iterable<WritableTensor> | AsyncIterable<WritableTensor>,
): Promise<void> {
  const paths = { data: `${prefix}.data-00000-of-00001`, index: `${prefix}.index` };
  const unfinished = (path: string) => `${path}.unfinished`;
  const pairs: Pair[] = [];
  let file: FileHandle | undefined;
  try {
    file = await open(unfinished(paths.data), "w");
    let offset = 0;
    for await (const { name, shape, data } of tensors) {
      if (data.length !== sizeOf(shape))
        throw new Error(`${name}: ${data.length} values for a shape of ${shape.join("x")}`);
      const { bytes, crc } = store(data);
      const dims = Buffer.concat(shape.map((d) => message(2, number(1, d))));
      const entry = Buffer.concat([
        number(1, dtypeForArray(data).number),
        message(2, dims),
        number(4, offset),
        number(5, bytes.length),
        Buffer.from([6 * 8 + 5]),
        u32(maskCrc(crc)),
      ]);
      pairs.push([Buffer.from(name, "utf8"), entry]);
      await writeAll(file, bytes);
      offset += bytes.length;
    }
    await file.sync();
    await file.close();
    file = undefined;

    pairs.sort((a, b) => compare(a[0], b[0]));
    const twice = pairs.find(([key], i) => i > 0 && equals(key, pairs[i - 1][0]));
    if (twice) throw new Error(`two tensors are called ${utf8(twice[0])}`);
    const header = Buffer.concat([number(1, 1), message(3, number(1, 1))]);
    file = await open(unfinished(paths.index), "w");
    await writeAll(file, buildTable([[Buffer.alloc(0), header], ...pairs]));
    await file.sync();
    await file.close();
    file = undefined;

    await rename(unfinished(paths.data), paths.data);
    await rename(unfinished(paths.index), paths.index);
  } catch (error) {
    await file?.close().catch(() => {});
    for (const path of Object.values(paths)) await rm(unfinished(path), { force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new OutputError(`The checkpoint ${prefix} cannot be written (${code}).`, undefined, {
      cause: error,
    });
  }
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  const most = 2 ** 30;
  for (let at = 0; at < bytes.length; ) {
    at += (await file.write(bytes, at, Math.min(bytes.length - at, most))).bytesWritten;
  }
}
