/** V2 checkpoints, TensorFlow's TensorBundle: an index table and data shards (tensorflow/core/util/tensor_bundle). */
import { latin1, viewOf } from "../bytes.ts";
import { CheckpointError } from "../errors.ts";
import type { ByteSource, Files } from "../platform/files.ts";
import { sizeOf } from "../tensor.ts";
import { Cursor, damaged, openByteFile } from "./bytes.ts";
import { crc32c, maskCrc } from "./crc32c.ts";
import { dtypeOf, swapBytes, type TensorData } from "./dtypes.ts";
import { objectGraphKey, objectNames } from "./object-graph.ts";
import { sliceKey } from "./ordered-code.ts";
import {
  bytesOf,
  checkVersion,
  type Extent,
  fieldsOf,
  int64,
  tensorShape,
  tensorSlice,
  text,
} from "./proto.ts";
import { checkCover, joinSlices, resolveSlice, sliceSize } from "./slices.ts";
import { openTable } from "./sstable.ts";
import {
  missingTensor,
  type Opened,
  sortNames,
  type TensorEntry,
  type TensorValue,
  toFloat32,
  unreadable,
} from "./tensor.ts";

/** BundleHeaderProto. */
interface Header {
  readonly shards: number;
  readonly bigEndian: boolean;
}

/** BundleEntryProto. */
interface BundleEntry {
  readonly dtype: number;
  readonly shape: readonly number[];
  readonly shard: number;
  readonly offset: number;
  readonly size: number;
  readonly crc: number;
  readonly slices: readonly (readonly Extent[])[];
}

/** More shards than any training writes. */
const mostShards = 100_000;

function parseHeader(message: Uint8Array, what: string): Header {
  let shards = 0;
  let endianness = 0;
  for (const field of fieldsOf(message, what)) {
    if (field.number === 1) shards = int64(field, what);
    else if (field.number === 2) endianness = int64(field, what);
    else if (field.number === 3) checkVersion(bytesOf(field, what), what);
  }
  if (shards < 1 || shards > mostShards) throw damaged(what, `it announces ${shards} data files`);
  if (endianness !== 0 && endianness !== 1) throw damaged(what, `its byte order is ${endianness}`);
  return { shards, bigEndian: endianness === 1 };
}

function parseEntry(message: Uint8Array, what: string): BundleEntry {
  const slices: (readonly Extent[])[] = [];
  let entry: BundleEntry = { dtype: 0, shape: [], shard: 0, offset: 0, size: 0, crc: 0, slices };
  for (const field of fieldsOf(message, what)) {
    switch (field.number) {
      case 1:
        entry = { ...entry, dtype: int64(field, what) };
        break;
      case 2:
        entry = { ...entry, shape: tensorShape(bytesOf(field, what), what) };
        break;
      case 3:
        entry = { ...entry, shard: int64(field, what) };
        break;
      case 4:
        entry = { ...entry, offset: int64(field, what) };
        break;
      case 5:
        entry = { ...entry, size: int64(field, what) };
        break;
      case 6:
        if (field.wire !== "fixed32") throw damaged(what, "a checksum is of the wrong kind");
        entry = { ...entry, crc: field.fixed32 };
        break;
      case 7:
        slices.push(tensorSlice(bytesOf(field, what), what));
        break;
    }
  }
  return entry;
}

/**
 * Strings: all lengths as varints, a checksum of the lengths, then all bytes. The entry's checksum runs over the
 * lengths as fixed integers, the stored checksum and the bytes (ReadStringTensor in tensor_bundle.cc).
 */
function decodeStrings(bytes: Uint8Array, count: number, crc: number, what: string): Uint8Array[] {
  const c = new Cursor(bytes, what);
  if (count > bytes.length) throw damaged(what, `${count} strings do not fit ${bytes.length} bytes`);
  const lengths = Array.from({ length: count }, () => c.varint());
  let sum = 0;
  for (const length of lengths) {
    if (length < 0) throw damaged(what, "a string has a negative length");
    const fixed = new Uint8Array(length > 0xffffffff ? 8 : 4);
    if (fixed.length === 8) viewOf(fixed).setBigUint64(0, BigInt(length), true);
    else viewOf(fixed).setUint32(0, length, true);
    sum = crc32c(fixed, sum);
  }
  const stored = c.slice(4);
  if (viewOf(stored).getUint32(0, true) !== maskCrc(sum)) {
    throw damaged(what, "the checksum of its lengths is wrong");
  }
  const strings = lengths.map((length) => new Uint8Array(c.slice(length)));
  if (c.left > 0) throw damaged(what, `${c.left} bytes are left over`);
  sum = crc32c(stored, sum);
  for (const s of strings) sum = crc32c(s, sum);
  if (maskCrc(sum) !== crc) throw damaged(what, "its checksum is wrong");
  return strings;
}

const shardPath = (prefix: string, shard: number, shards: number): string => {
  const digits = (n: number) => String(n).padStart(5, "0");
  return `${prefix}.data-${digits(shard)}-of-${digits(shards)}`;
};

/**
 * Opens a V2 checkpoint. Data files are opened when a tensor in them is read, so one that is missing does no harm to
 * the others. `shown` is the path that the user named.
 */
export async function openV2(
  prefix: string,
  indexPath: string,
  shown: string,
  files: Files,
): Promise<Opened> {
  const indexFile = await openByteFile(indexPath, files);
  const entries = new Map<string, BundleEntry>();
  const parts = new Map<string, BundleEntry>();
  let header: Header | undefined;
  try {
    const table = await openTable(indexFile);
    for await (const { key, value } of table.entries()) {
      if (key.length === 0) {
        header = parseHeader(value, `the header of ${indexPath}`);
      } else if (key[0] === 0) {
        // A slice of a partitioned variable; the entry of the full name lists them.
        parts.set(latin1(key), parseEntry(value, `a slice in ${indexPath}`));
      } else {
        const name = text(key, indexPath);
        entries.set(name, parseEntry(value, `the entry of ${name} in ${indexPath}`));
      }
    }
  } finally {
    await indexFile.close();
  }
  if (!header) throw damaged(indexPath, "it has no header");
  const { shards, bigEndian } = header;
  const opened = new Map<number, Promise<ByteSource>>();

  function shardFile(shard: number, what: string): Promise<ByteSource> {
    if (shard < 0 || shard >= shards) throw damaged(what, `it lies in data file ${shard} of ${shards}`);
    let file = opened.get(shard);
    if (!file) {
      file = openShard(shard);
      opened.set(shard, file);
      file.catch(() => opened.delete(shard));
    }
    return file;
  }

  /** Every tensor has a checksum, so that data under another name is told from others where its size is right. */
  async function openShard(shard: number): Promise<ByteSource> {
    const path = shardPath(prefix, shard, shards);
    if (await files.stat(path)) return openByteFile(path, files);
    let size = 0;
    for (const entry of [...entries.values(), ...parts.values()])
      if (entry.shard === shard) size = Math.max(size, entry.offset + entry.size);
    const alike: string[] = [];
    const folder = files.dirname(path);
    for (const { name } of await files.list(folder).catch(() => [])) {
      const other = files.join(folder, name);
      const found = await files.stat(other);
      if (found?.kind === "file" && found.size === size && other !== indexPath) alike.push(other);
    }
    return openByteFile(alike.length === 1 ? alike[0] : path, files);
  }

  async function readStored(entry: BundleEntry, described: TensorEntry, what: string): Promise<TensorData> {
    const dtype = dtypeOf(entry.dtype);
    const count = sizeOf(entry.shape);
    if (!dtype.decode && dtype.name !== "string") throw unreadable(shown, described);
    if (dtype.width > 0 && entry.size !== count * dtype.width) {
      throw damaged(what, `${entry.size} bytes are stored for ${count} values of ${dtype.name}`);
    }
    const file = await shardFile(entry.shard, what);
    if (entry.offset < 0 || entry.size < 0 || entry.offset + entry.size > file.size) {
      throw damaged(
        what,
        `its bytes ${entry.offset} to ${entry.offset + entry.size} lie past the end of ${file.path} (${file.size} bytes)`,
      );
    }
    const bytes = await file.read(entry.offset, entry.size);
    if (!dtype.decode) return decodeStrings(bytes, count, entry.crc, what);
    if (maskCrc(crc32c(bytes)) !== entry.crc) throw damaged(what, "its checksum is wrong");
    if (bigEndian) swapBytes(bytes, dtype.unit);
    return dtype.decode(bytes);
  }

  async function readEntry(name: string, entry: BundleEntry): Promise<TensorValue> {
    const what = `the tensor ${name} in ${shown}`;
    const described = describe(name, entry);
    const { dtype, shape } = described;
    if (entry.slices.length === 0) return { dtype, shape, data: await readStored(entry, described, what) };
    const found = entry.slices.map((slice) => {
      const part = parts.get(latin1(sliceKey(name, slice)));
      if (!part) throw damaged(what, "one of its slices is missing");
      const resolved = resolveSlice(slice, shape, what);
      if (part.dtype !== entry.dtype || sizeOf(part.shape) !== sliceSize(resolved)) {
        throw damaged(what, "one of its slices is of another type or size");
      }
      return { part, resolved };
    });
    const slices = found.map((f) => f.resolved);
    checkCover(slices, shape, what);
    // Slices of one tensor lie beside each other: those that share bytes would make a tensor of any size from a small file.
    const shardNumbers = [...new Set(found.map((f) => f.part.shard))];
    let room = 0;
    for (const shard of shardNumbers) room += (await shardFile(shard, what)).size;
    if (found.reduce((n, { part }) => n + part.size, 0) > room)
      throw damaged(what, "its slices hold more bytes than their files");
    const data = await joinSlices(shape, slices, what, (i) => readStored(found[i].part, described, what));
    return { dtype, shape, data };
  }

  function describe(name: string, entry: BundleEntry): TensorEntry {
    const { name: dtype, width } = dtypeOf(entry.dtype);
    return { name, dtype, shape: entry.shape, bytes: width > 0 ? width * sizeOf(entry.shape) : entry.size };
  }

  async function read(name: string): Promise<TensorValue> {
    const entry = entries.get(aliases.get(name) ?? name);
    if (!entry) throw missingTensor(shown, name);
    return readEntry(aliases.get(name) ?? name, entry);
  }

  const close = async () => {
    const settled = await Promise.allSettled(opened.values());
    for (const file of settled) if (file.status === "fulfilled") await file.value.close();
    opened.clear();
  };

  let aliases: ReadonlyMap<string, string> = new Map();
  if (entries.has(objectGraphKey)) {
    try {
      aliases = objectNames(await read(objectGraphKey), (key) => entries.has(key));
    } catch (error) {
      // Without the graph the tensors still stand under their keys.
      if (!(error instanceof CheckpointError)) throw error;
    }
  }

  return {
    path: shown,
    format: "V2",
    names: sortNames(entries.keys()),
    aliases,
    entry(name) {
      const key = aliases.get(name) ?? name;
      const entry = entries.get(key);
      return entry && describe(key, entry);
    },
    read,
    readFloat32: async (name) => toFloat32(shown, name, await read(name)),
    close,
  };
}
