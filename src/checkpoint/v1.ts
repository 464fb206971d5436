/**
 * V1 checkpoints: tables of TensorProto records written by TensorSliceWriter, in one file or several shards
 * (tensorflow/core/util/tensor_slice_writer.cc, saved_tensor_slice.proto). The record of the empty key describes all
 * tensors; a record says neither its type nor its shape.
 */
import { sameShape, sizeOf } from "../tensor.ts";
import { Cursor, damaged, openByteFile } from "./bytes.ts";
import { type DType, dtypeOf, type TensorData } from "./dtypes.ts";
import { sliceKey } from "./ordered-code.ts";
import {
  bytesOf,
  checkVersion,
  type Extent,
  type Field,
  fieldsOf,
  int64,
  tensorShape,
  tensorSlice,
  text,
} from "./proto.ts";
import { checkCover, joinSlices, resolveSlice, sliceSize } from "./slices.ts";
import { openTable, type Table } from "./sstable.ts";
import {
  type Checkpoint,
  missingTensor,
  sortNames,
  type TensorEntry,
  type TensorValue,
  toFloat32,
  unreadable,
} from "./tensor.ts";

/** SavedSliceMeta, with the shard that holds each slice. */
interface Meta {
  readonly shape: readonly number[];
  readonly dtype: number;
  readonly slices: { readonly slice: readonly Extent[]; readonly table: Table }[];
}

const emptyKey = Buffer.alloc(0);

function parseMeta(record: Uint8Array, table: Table, into: Map<string, Meta>): void {
  const what = `the description in ${table.file.path}`;
  for (const saved of fieldsOf(record, what)) {
    if (saved.number !== 1) continue;
    for (const field of fieldsOf(bytesOf(saved, what), what)) {
      if (field.number === 2) checkVersion(bytesOf(field, what), what);
      else if (field.number === 1) parseTensorMeta(bytesOf(field, what), what, table, into);
    }
  }
}

function parseTensorMeta(message: Uint8Array, what: string, table: Table, into: Map<string, Meta>): void {
  let name = "";
  let shape: readonly number[] = [];
  let dtype = 0;
  const slices: (readonly Extent[])[] = [];
  for (const f of fieldsOf(message, what)) {
    if (f.number === 1) name = text(bytesOf(f, what), what);
    else if (f.number === 2) shape = tensorShape(bytesOf(f, what), what);
    else if (f.number === 3) dtype = int64(f, what);
    else if (f.number === 4) slices.push(tensorSlice(bytesOf(f, what), what));
  }
  let known = into.get(name);
  if (!known) {
    known = { shape, dtype, slices: [] };
    into.set(name, known);
  } else if (known.dtype !== dtype || !sameShape(known.shape, shape)) {
    throw damaged(what, `the shards describe ${name} differently`);
  }
  for (const slice of slices) known.slices.push({ slice, table });
}

/** The values of a TensorProto, which must be exactly `count`. Packed, single and mixed fields are taken alike. */
function parseValues(message: Uint8Array, dtype: DType, count: number, what: string): TensorData {
  const { v1, width, decode } = dtype;
  if (!v1 || (!decode && v1.kind !== "bytes")) throw damaged(what, `a value of type ${dtype.name}`);
  const fail = (found: number | string) => damaged(what, `${found} values are stored where ${count} belong`);
  const fields = valuesOf(message, v1.field, what);
  if (v1.kind === "bytes") {
    const strings: Uint8Array[] = [];
    for (const field of fields) strings.push(new Uint8Array(bytesOf(field, what)));
    if (strings.length !== count) throw fail(strings.length);
    return strings;
  }
  // A value takes a byte at least, as a varint: room is made for what the record can hold, whatever it should hold.
  const room = Math.min(count, Math.floor(message.length / (v1.kind === "raw" ? width : 1)));
  const bytes = new Uint8Array(room * width);
  const view = new DataView(bytes.buffer);
  let found = 0;
  const put = (value: bigint) => {
    if (found < room) writeInteger(view, found * width, width, value);
    found++;
  };
  for (const field of fields) {
    if (v1.kind === "raw") {
      if (field.wire === "varint") throw damaged(what, "its values are of the wrong kind");
      const part = field.wire === "fixed32" ? fixed32Bytes(field.fixed32) : field.bytes;
      if (found * width + part.length <= bytes.length) bytes.set(part, found * width);
      found += part.length / width;
    } else if (field.wire === "varint") {
      put(field.varint);
    } else {
      const c = new Cursor(bytesOf(field, what), what);
      while (c.left > 0) put(c.varint64());
    }
  }
  if (found !== count || !decode) throw fail(found);
  return decode(bytes);
}

function* valuesOf(message: Uint8Array, number: number, what: string): Generator<Field> {
  for (const field of fieldsOf(message, what)) if (field.number === number) yield field;
}

function fixed32Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** The low bytes of a number: negative ones came sign-extended to 64 bits. */
function writeInteger(view: DataView, at: number, width: number, value: bigint): void {
  if (width === 8) view.setBigUint64(at, value, true);
  else if (width === 4) view.setUint32(at, Number(value & 0xffffffffn), true);
  else if (width === 2) view.setUint16(at, Number(value & 0xffffn), true);
  else view.setUint8(at, Number(value & 0xffn));
}

/** Opens a V1 checkpoint of one or more files. `shown` is the path that the user named. */
export async function openV1(paths: readonly string[], shown: string): Promise<Omit<Checkpoint, "identify">> {
  const tables: Table[] = [];
  const close = async () => {
    for (const { file } of tables.splice(0)) await file.close();
  };
  const metas = new Map<string, Meta>();
  try {
    for (const path of paths) {
      const file = await openByteFile(path);
      const table = await openTable(file).catch(async (error: unknown) => {
        await file.close();
        throw error;
      });
      tables.push(table);
      const record = await table.get(emptyKey);
      if (!record) throw damaged(path, "it has no description of its tensors");
      parseMeta(record, table, metas);
    }
  } catch (error) {
    await close();
    throw error;
  }
  // An element takes a byte at least, and a compressed block holds at most 22 times its size.
  const mostElements = 22 * tables.reduce((n, t) => n + t.file.size, 0);

  function describe(name: string, { shape, dtype }: Meta): TensorEntry {
    const { name: dtypeName, width } = dtypeOf(dtype);
    return { name, dtype: dtypeName, shape, bytes: width * sizeOf(shape) };
  }

  async function readSlice(
    name: string,
    table: Table,
    slice: readonly Extent[],
    dtype: DType,
    count: number,
  ) {
    const what = `the tensor ${name} in ${shown}`;
    const record = await table.get(sliceKey(name, slice));
    if (!record) throw damaged(what, "it is described but not stored");
    let values: TensorData | undefined;
    for (const saved of fieldsOf(record, what)) {
      if (saved.number !== 2) continue;
      for (const f of fieldsOf(bytesOf(saved, what), what)) {
        if (f.number === 1 && text(bytesOf(f, what), what) !== name)
          throw damaged(what, "its record names another tensor");
        if (f.number === 3) values = parseValues(bytesOf(f, what), dtype, count, what);
      }
    }
    if (!values) throw damaged(what, "its record holds no values");
    return values;
  }

  async function read(name: string): Promise<TensorValue> {
    const meta = metas.get(name);
    if (!meta) throw missingTensor(shown, name);
    const what = `the tensor ${name} in ${shown}`;
    const dtype = dtypeOf(meta.dtype);
    const { shape } = meta;
    if (!dtype.v1 || (!dtype.decode && dtype.v1.kind !== "bytes"))
      throw unreadable(shown, describe(name, meta));
    if (sizeOf(shape) > mostElements) throw damaged(what, `${sizeOf(shape)} values do not fit its file`);
    const slices = meta.slices.map(({ slice }) => resolveSlice(slice, shape, what));
    checkCover(slices, shape, what);
    const data = await joinSlices(shape, slices, what, (i) =>
      readSlice(name, meta.slices[i].table, meta.slices[i].slice, dtype, sliceSize(slices[i])),
    );
    return { dtype: dtype.name, shape, data };
  }

  return {
    path: shown,
    format: "V1",
    names: sortNames(metas.keys()),
    entry(name) {
      const meta = metas.get(name);
      return meta && describe(name, meta);
    },
    read,
    readFloat32: async (name) => toFloat32(shown, name, await read(name)),
    close,
  };
}
