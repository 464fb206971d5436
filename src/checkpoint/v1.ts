/**
 * V1 checkpoints: tables of TensorProto records written by TensorSliceWriter, in one file or several shards
 * (tensorflow/core/util/tensor_slice_writer.cc, saved_tensor_slice.proto). The record of the empty key describes all
 * tensors; a record says neither its type nor its shape.
 */
import type { Files } from "../platform/files.ts";
import { sameShape, sizeOf } from "../tensor.ts";
import { damaged, openByteFile } from "./bytes.ts";
import { type DType, dtypeOf, type TensorData } from "./dtypes.ts";
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
import { emptyKey, openTable, type Table } from "./sstable.ts";
import {
  missingTensor,
  type Opened,
  sortNames,
  type TensorEntry,
  type TensorValue,
  toFloat32,
  unreadable,
} from "./tensor.ts";
import { listedValues } from "./tensor-proto.ts";

/** SavedSliceMeta, with the shard that holds each slice. */
interface Meta {
  readonly shape: readonly number[];
  readonly dtype: number;
  readonly slices: { readonly slice: readonly Extent[]; readonly table: Table }[];
}

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

/** Opens a V1 checkpoint of one or more files. `shown` is the path that the user named. */
export async function openV1(paths: readonly string[], shown: string, files: Files): Promise<Opened> {
  const tables: Table[] = [];
  const close = async () => {
    for (const { file } of tables.splice(0)) await file.close();
  };
  const metas = new Map<string, Meta>();
  try {
    for (const path of paths) {
      const file = await openByteFile(path, files);
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
        if (f.number === 3) values = listedValues(bytesOf(f, what), dtype, count, what);
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
    if (!dtype.listed || (!dtype.decode && dtype.listed.kind !== "bytes"))
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
    aliases: new Map(),
    entry(name) {
      const meta = metas.get(name);
      return meta && describe(name, meta);
    },
    read,
    readFloat32: async (name) => toFloat32(shown, name, await read(name)),
    close,
  };
}
