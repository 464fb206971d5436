/**
 * An Arrow IPC file (Feather v2): `path` as text and `feature` as fixed-size lists, in record batches of a few megabytes.
 * https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format
 */
import { readFile } from "node:fs/promises";
import type { DataType, Field, FixedSizeList } from "apache-arrow";
import { UserError } from "../../errors.ts";
import { sizeOf } from "../../tensor.ts";
import { numbersOf } from "../numbers.ts";
import { describeTable, descriptionKey, piecesOf, readDescription } from "./batches.ts";
import type { FeatureFormat, FeatureRow, FeatureTable } from "./table.ts";

export const arrow: FeatureFormat = {
  name: "arrow",
  description: "an Arrow file (Feather v2) with path and feature",
  pathsBeside: false,
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

/** The rows of an Arrow file of ours. @throws UserError */
export async function* readArrow(path: string): AsyncGenerator<FeatureRow> {
  const { tableFromIPC } = await import("apache-arrow");
  let table: ReturnType<typeof tableFromIPC>;
  try {
    const bytes = await readFile(path);
    if (bytes.subarray(-6).toString("latin1") !== "ARROW1") throw new Error("its end is missing");
    table = tableFromIPC(bytes);
  } catch (cause) {
    throw new UserError(
      `${path} is no features file: ${(cause as Error).message}.`,
      "It may have been cut off.",
      { cause },
    );
  }
  const { shape, storedAs, scale } = readDescription(table.schema.metadata.get(descriptionKey));
  const paths = table.getChild("path");
  if (!paths) throw new UserError(`${path} has no column path.`);
  let row = 0;
  for (const batch of table.batches) {
    const feature = batch.getChild("feature")?.data[0];
    const values = feature?.children[0]?.values as Float32Array | Uint16Array | Int8Array | undefined;
    if (!feature || !values) throw new UserError(`${path} has no column feature.`);
    // The library pads its buffers, so the width is not to be had from their length.
    const width = (feature.type as FixedSizeList).listSize;
    for (let i = 0; i < batch.numRows; i++) {
      const part = values.subarray(i * width, (i + 1) * width);
      const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
      const dtype = storedAs === "float16" || storedAs === "int8" ? storedAs : "float32";
      yield {
        path: String(paths.get(row++)),
        shape: shape ?? [width],
        data: numbersOf({ dtype, scale }, bytes),
      };
    }
  }
}
