/**
 * Parquet with the columns `path` and `feature`, a list of floats, which pandas, polars, DuckDB and Spark read as it is.
 * Row groups of a few megabytes keep memory flat. https://parquet.apache.org/docs/file-format/
 */

import { sizeOf } from "../../tensor.ts";
import { numbersOf } from "../numbers.ts";
import { describeTable, descriptionKey, piecesOf, readDescription } from "./batches.ts";
import type { FeatureFormat, FeatureRow, FeatureTable, TableFile } from "./table.ts";

/** A column of texts besides a table's own, a text a row. */
export interface TextColumn {
  readonly name: string;
  readonly values: readonly string[];
}

export const parquet: FeatureFormat<TableFile> = {
  name: "parquet",
  description: "columns path and feature (a list of floats); for pandas, DuckDB, Spark",
  pathsBeside: false,
  write: (table, file) => writeParquet(table, file),
};

/** Writes a table with more columns behind its own. @throws OutputError */
export async function writeParquet(
  table: FeatureTable,
  file: TableFile,
  more: readonly TextColumn[] = [],
): Promise<void> {
  const { ByteWriter, ParquetWriter } = await import("hyparquet-writer");
  const text = { type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "REQUIRED" } as const;
  const writer = new ByteWriter();
  /** Takes what the library has written to its memory on to the file. */
  const flush = async () => {
    await file.append(writer.getBytes());
    writer.index = 0;
  };
  const sheet = new ParquetWriter({
    writer,
    schema: [
      { name: "root", num_children: 2 + more.length },
      { name: "path", ...text },
      { name: "feature", repetition_type: "REQUIRED", converted_type: "LIST", num_children: 1 },
      { name: "list", repetition_type: "REPEATED", num_children: 1 },
      { name: "element", type: "FLOAT", repetition_type: "REQUIRED" },
      ...more.map(({ name }) => ({ name, ...text })),
    ],
    kvMetadata: [{ key: descriptionKey, value: describeTable(table) }],
  });
  let first = 0;
  for await (const { paths, bytes } of piecesOf(table)) {
    const width = bytes.length / paths.length;
    const feature = paths.map((_, i) =>
      Array.from(numbersOf(table, bytes.subarray(i * width, (i + 1) * width))),
    );
    const columnData = [
      { name: "path", data: [...paths] },
      { name: "feature", data: feature },
      ...more.map(({ name, values }) => ({ name, data: values.slice(first, first + paths.length) })),
    ];
    first += paths.length;
    sheet.write({ columnData, rowGroupSize: paths.length });
    await flush();
  }
  sheet.finish();
  await flush();
}

/** Writes a table of texts alone. @throws OutputError */
export async function writeTexts(file: TableFile, columns: readonly TextColumn[]): Promise<void> {
  const { parquetWriteBuffer } = await import("hyparquet-writer");
  const columnData = columns.map(({ name, values }) => ({
    name,
    data: [...values],
    type: "STRING" as const,
  }));
  await file.append(new Uint8Array(parquetWriteBuffer({ columnData })));
}

/** The rows of a Parquet file of ours, a row group at a time. @throws what the library throws, and errors in words */
export async function* readParquet(path: string): AsyncGenerator<FeatureRow> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import("hyparquet");
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  const about = readDescription(metadata.key_value_metadata?.find((k) => k.key === descriptionKey)?.value);
  let first = 0;
  for (const group of metadata.row_groups) {
    const last = first + Number(group.num_rows);
    const rows = await parquetReadObjects({ file, metadata, rowStart: first, rowEnd: last });
    for (const { path: name, feature } of rows as { path?: unknown; feature?: unknown }[]) {
      if (typeof name !== "string" || !isNumbers(feature))
        throw new Error("it has no columns path and feature");
      const shape = about.shape ?? [feature.length];
      if (sizeOf(shape) !== feature.length) throw new Error("its rows do not fit their shape");
      yield { path: name, shape, data: Float32Array.from(feature) };
    }
    first = last;
  }
}

const isNumbers = (list: unknown): list is number[] =>
  Array.isArray(list) && list.every((x) => typeof x === "number");
