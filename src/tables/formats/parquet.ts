/**
 * Parquet with the columns `path` and `feature`, a list of floats, which pandas, polars, DuckDB and Spark read as it is.
 * Row groups of a few megabytes keep memory flat. https://parquet.apache.org/docs/file-format/
 */

import type { SchemaElement } from "hyparquet";
import { sizeOf } from "../../tensor.ts";
import { numbersOf } from "../numbers.ts";
import { describeTable, descriptionKey, piecesOf, readDescription } from "./batches.ts";
import type { FeatureFormat, FeatureRow, TableFile, TextColumn } from "./table.ts";

export const parquet: FeatureFormat<TableFile> = {
  name: "parquet",
  description: "columns path and feature (a list of floats); for pandas, DuckDB, Spark",
  pathsBeside: false,
  inFolders: true,
  async write(table, file) {
    const { columns = [] } = table;
    const sheet = await openSheet(
      file,
      ["path", ...columns.map(({ name }) => name)],
      [
        { name: "feature", repetition_type: "REQUIRED", converted_type: "LIST", num_children: 1 },
        { name: "list", repetition_type: "REPEATED", num_children: 1 },
        { name: "element", type: "FLOAT", repetition_type: "REQUIRED" },
      ],
      describeTable(table),
    );
    for await (const { first, paths, bytes } of piecesOf(table)) {
      const width = bytes.length / paths.length;
      const feature = paths.map((_, i) =>
        Array.from(numbersOf(table, bytes.subarray(i * width, (i + 1) * width))),
      );
      await sheet.write([
        { name: "path", data: [...paths] },
        ...columns.map(({ name, values }) => ({ name, data: values.slice(first, first + paths.length) })),
        { name: "feature", data: feature },
      ]);
    }
    await sheet.finish();
  },
};

/** Writes columns of text alone, the first of which has no gaps. @throws OutputError */
export async function writeTexts(
  file: TableFile,
  columns: readonly TextColumn[],
  description?: string,
): Promise<void> {
  const sheet = await openSheet(
    file,
    columns.map(({ name }) => name),
    [],
    description,
  );
  await sheet.write(columns.map(({ name, values }) => ({ name, data: [...values] })));
  await sheet.finish();
}

interface Sheet {
  /** Writes a row group, a column each. */
  write(columns: { name: string; data: unknown[] }[]): Promise<void>;
  finish(): Promise<void>;
}

/** A Parquet file with columns of text, of which the first has no gaps, and others by their schema. @throws OutputError */
async function openSheet(
  file: TableFile,
  texts: readonly string[],
  others: readonly SchemaElement[],
  description: string | undefined,
): Promise<Sheet> {
  const { ByteWriter, ParquetWriter } = await import("hyparquet-writer");
  const writer = new ByteWriter();
  /** Takes what the library has written to its memory on to the file. */
  const flush = async () => {
    await file.append(writer.getBytes());
    writer.index = 0;
  };
  const sheet = new ParquetWriter({
    writer,
    schema: [
      { name: "root", num_children: texts.length + (others.length > 0 ? 1 : 0) },
      ...texts.map(
        (name, i): SchemaElement => ({
          name,
          type: "BYTE_ARRAY",
          converted_type: "UTF8",
          repetition_type: i === 0 ? "REQUIRED" : "OPTIONAL",
        }),
      ),
      ...others,
    ],
    ...(description !== undefined && { kvMetadata: [{ key: descriptionKey, value: description }] }),
  });
  return {
    async write(columnData) {
      sheet.write({ columnData, rowGroupSize: columnData[0].data.length });
      await flush();
    },
    async finish() {
      sheet.finish();
      await flush();
    },
  };
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
      if (name === null || feature === null || (Array.isArray(feature) && feature.includes(null)))
        throw new Error("a row of it has no path, or no feature: there is a null");
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
