/**
 * An Arrow IPC file (Feather v2): `path` as text and `feature` as fixed-size lists, in record batches of a few megabytes.
 * https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format
 */
import { readFile } from "node:fs/promises";
import type { DataType, Field, FixedSizeList, RecordBatch } from "apache-arrow";
import { sizeOf } from "../../tensor.ts";
import { numbersOf } from "../numbers.ts";
import { type Description, describeTable, descriptionKey, piecesOf, readDescription } from "./batches.ts";
import type { FeatureFormat, FeatureRow, FeatureTable } from "./table.ts";

export const arrow: FeatureFormat = {
  name: "arrow",
  description: "an Arrow file (Feather v2) with path and feature",
  pathsBeside: false,
  inFolders: true,
  async write(table, file) {
    const { AsyncByteQueue, RecordBatchFileWriter } = await import("apache-arrow");
    // The library's own queue takes all that it is given: each batch is on the disk before the next is asked for.
    const queue = new AsyncByteQueue();
    let ready: Uint8Array[] = [];
    queue.write = (bytes) => {
      ready.push(bytes as Uint8Array);
    };
    const flush = async () => {
      for (const bytes of ready) await file.append(bytes);
      ready = [];
    };
    const writer = new RecordBatchFileWriter();
    writer.reset(queue);
    for await (const batch of batchesOf(table)) {
      writer.write(batch);
      await flush();
    }
    writer.finish();
    await flush();
  },
};

async function* batchesOf(table: FeatureTable) {
  const arrow = await import("apache-arrow");
  const { dtype, shape } = table;
  const width = sizeOf(shape);
  const number: DataType =
    dtype === "float32" ? new arrow.Float32() : dtype === "float16" ? new arrow.Float16() : new arrow.Int8();
  const list = new arrow.FixedSizeList(width, new arrow.Field("item", number, false));
  const fields: Field[] = [
    new arrow.Field<DataType>("path", new arrow.Utf8(), false),
    new arrow.Field<DataType>("feature", list, false),
  ];
  const schema = new arrow.Schema(fields, new Map([[descriptionKey, describeTable(table)]]));
  const typed = (bytes: Uint8Array) => {
    const { buffer } = new Uint8Array(bytes);
    if (dtype === "float32") return new Float32Array(buffer);
    return dtype === "float16" ? new Uint16Array(buffer) : new Int8Array(buffer);
  };
  for await (const { paths, bytes } of piecesOf(table)) {
    const numbers = arrow.makeData({ type: number, data: typed(bytes) } as never);
    const feature = arrow.makeData({
      type: list,
      length: paths.length,
      nullCount: 0,
      child: numbers,
    } as never);
    const [path] = arrow.vectorFromArray([...paths], new arrow.Utf8()).data;
    const columns = arrow.makeData({
      type: new arrow.Struct(schema.fields),
      length: paths.length,
      nullCount: 0,
      children: [path, feature],
    });
    yield new arrow.RecordBatch(schema, columns);
  }
}

/** The numbers of a batch, or why they are none of ours. */
function numbersOfBatch(batch: RecordBatch, { storedAs }: Description) {
  const feature = batch.getChild("feature")?.data[0];
  const paths = batch.getChild("path");
  const values: unknown = feature?.children[0]?.values;
  // The library pads its buffers, so the width is not to be had from their length.
  const width: unknown = (feature?.type as FixedSizeList | undefined)?.listSize;
  const dtype = storedAs === "float16" || storedAs === "int8" ? storedAs : "float32";
  const array = { float32: Float32Array, float16: Uint16Array, int8: Int8Array }[dtype];
  if (!paths || !(values instanceof array)) throw new Error("it has no columns path and feature");
  // Where a value is null, other bytes stand in its place.
  if ([paths, feature, feature?.children[0]].some((column) => column && column.nullCount > 0))
    throw new Error("a row of it has no path, or no feature: there is a null");
  if (!Number.isSafeInteger(width) || Number(width) < 1) throw new Error("its rows hold no numbers");
  if (paths.length !== batch.numRows || values.length < batch.numRows * Number(width))
    throw new Error("its numbers are not all there");
  return { dtype, paths, values, width: Number(width), rows: batch.numRows } as const;
}

/** The rows of an Arrow file of ours. @throws what the library throws, and errors in words */
export async function* readArrow(path: string): AsyncGenerator<FeatureRow> {
  const { tableFromIPC } = await import("apache-arrow");
  const bytes = await readFile(path);
  if (bytes.subarray(-6).toString("latin1") !== "ARROW1") throw new Error("its end is missing");
  const table = tableFromIPC(bytes);
  const about = readDescription(table.schema.metadata.get(descriptionKey));
  for (const batch of table.batches) {
    const { dtype, paths, values, width, rows } = numbersOfBatch(batch, about);
    const shape = about.shape ?? [width];
    if (sizeOf(shape) !== width) throw new Error("its rows do not fit their shape");
    for (let i = 0; i < rows; i++) {
      const part = values.subarray(i * width, (i + 1) * width);
      const own = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
      yield { path: String(paths.get(i)), shape, data: numbersOf({ dtype, scale: about.scale }, own) };
    }
  }
}
