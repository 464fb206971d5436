/**
 * Tables of addresses: Parquet, CSV, or an address a line, as img2dataset takes them. A plan does not copy them: each shard
 * has its rows by their numbers, and where the table is text the bytes that they take, so that a worker reads no more of it.
 */
import { OtherSettingsError, UsageError, UserError } from "../errors.ts";
import { locate, pathIn, type Storage } from "./storage/index.ts";

export interface TableColumns {
  readonly url: string;
  readonly caption?: string;
  readonly key?: string;
}

/** A table as a plan names it. */
export interface AddressTable extends TableColumns {
  readonly place: string;
  readonly format: "parquet" | "csv" | "lines";
  /** It is held against when a worker reads it: one that was changed has other rows. */
  readonly bytes: number;
  /** The names of a CSV's columns, in their order. */
  readonly header?: readonly string[];
}

/** The rows of one shard. */
export interface RowRange {
  readonly first: number;
  readonly count: number;
  /** Where they stand in a table of text. */
  readonly from?: number;
  readonly to?: number;
}

/** One image of a table. */
export interface AddressRow {
  readonly url: string;
  readonly key: string;
  readonly caption: string | null;
}

/** As much of a table is read at once. */
const piece = 4 * 2 ** 20;

/** How wide a row's number is when it is its key. */
const keyWidth = 9;

async function opened(place: string): Promise<{ storage: Storage; name: string; bytes: number }> {
  const { storage, name } = await locate(place);
  const there = await storage.find(name);
  if (!there)
    throw new UsageError(`There is no table ${place}.`, "Name a Parquet, CSV or text file with --list.");
  return { storage, name, bytes: there.bytes };
}

const bufferOf = ({ storage, name, bytes }: Awaited<ReturnType<typeof opened>>) => ({
  byteLength: bytes,
  async slice(start: number, end: number = bytes): Promise<ArrayBuffer> {
    const part = (await storage.read(name, start, end)) ?? Buffer.alloc(0);
    return Uint8Array.from(part).buffer;
  },
});

const mark = Buffer.from("\ufeff");

/**
 * Splits text of CSV, or of lines, into records. In CSV a quote that begins a cell opens one that may hold separators and ends
 * of lines; any other is a sign as others are. Gives the rest, too.
 */
function recordsIn(
  bytes: Buffer,
  format: AddressTable["format"],
  last: boolean,
): { readonly ends: number[]; readonly rest: number } {
  const ends: number[] = [];
  let quoted = false;
  let cell = bytes.subarray(0, mark.length).equals(mark) ? mark.length : 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (quoted) {
      if (byte !== 0x22) continue;
      if (bytes[i + 1] === 0x22) i++;
      else quoted = false;
    } else if (byte === 0x22 && i === cell && format === "csv") quoted = true;
    else if (byte === 0x2c) cell = i + 1;
    else if (byte === 0x0a) {
      cell = i + 1;
      ends.push(i + 1);
    }
  }
  if (last && (ends.at(-1) ?? 0) < bytes.length) ends.push(bytes.length);
  return { ends, rest: ends.at(-1) ?? 0 };
}

/** The cells of a record. */
export function cellsOf(record: string): string[] {
  const cells: string[] = [];
  // Each behind a comma, the first too.
  const text = `,${record.replace(/\r?\n$/, "")}`;
  for (const [, quoted, plain] of text.matchAll(/,(?:"((?:[^"]|"")*)"|([^,]*))/g)) {
    cells.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
  }
  return cells;
}

const isBlank = (bytes: Buffer) => bytes.every((b) => b === 0x0a || b === 0x0d || b === 0x20);

/** Whether a record is passed over: a blank one, and among lines a note, as in lists of files. */
const isNone = (record: Buffer, format: AddressTable["format"]) =>
  isBlank(record) || (format === "lines" && /^\s*#/.test(record.toString("utf8", 0, 256)));

/** Where the records of a table of text end that are some, with where each begins. */
async function* recordsOf(
  file: Awaited<ReturnType<typeof opened>>,
  format: AddressTable["format"],
  from = 0,
  to = file.bytes,
): AsyncGenerator<{ readonly from: number; readonly to: number; readonly text: Buffer }> {
  let rest = Buffer.alloc(0);
  let start = from;
  for (let at = from; at < to; at += piece) {
    const end = Math.min(to, at + piece);
    const bytes = Buffer.concat([rest, (await file.storage.read(file.name, at, end)) ?? Buffer.alloc(0)]);
    const { ends, rest: taken } = recordsIn(bytes, format, end === to);
    let begin = 0;
    for (const stop of ends) {
      const text = bytes.subarray(begin, stop);
      if (!isNone(text, format)) yield { from: start + begin, to: start + stop, text };
      begin = stop;
    }
    rest = bytes.subarray(taken);
    start += taken;
    if (rest.length > 16 * piece)
      throw new UserError(`${file.name} has a record of more than ${16 * piece} bytes.`);
  }
}

/** Whether a text begins with an address that is fetched. */
export const startsAsAddress = (text: Uint8Array): boolean =>
  /^\s*(https?|s3):\/\//i.test(Buffer.from(text).toString("utf8", 0, 1024));

/** Whether a list is a table of addresses by its name. */
export const isTableName = (place: string): boolean => /\.(parquet|csv)$/i.test(pathIn(place));

function columnsThere(names: readonly string[], { url, caption, key }: TableColumns, place: string): void {
  for (const name of [url, caption, key]) {
    if (name === undefined || names.includes(name)) continue;
    throw new UsageError(
      `${place} has no column ${name}.`,
      `It has ${names.join(", ")}: name the one of the addresses with --url-column.`,
    );
  }
}

/** How a table is divided into shards of `perShard` rows. @throws UsageError where it lacks a column that is named */
export async function divideTable(
  place: string,
  columns: TableColumns,
  perShard: number,
): Promise<{ readonly table: AddressTable; readonly ranges: readonly RowRange[] }> {
  const file = await opened(place);
  const { bytes } = file;
  if (/\.parquet$/i.test(pathIn(place))) {
    const { parquetMetadataAsync, parquetSchema } = await import("hyparquet");
    const metadata = await parquetMetadataAsync(bufferOf(file)).catch((cause: unknown) => {
      throw new UsageError(`${place} is no Parquet file.`, undefined, { cause });
    });
    columnsThere(
      parquetSchema(metadata).children.map((c) => c.element.name),
      columns,
      place,
    );
    const rows = Number(metadata.num_rows);
    const ranges = Array.from({ length: Math.ceil(rows / perShard) }, (_, i) => ({
      first: i * perShard,
      count: Math.min(perShard, rows - i * perShard),
    }));
    return { table: { place, format: "parquet", bytes, ...columns }, ranges };
  }
  const format = /\.csv$/i.test(pathIn(place)) ? "csv" : "lines";
  const { caption, key } = columns;
  if (format === "lines" && (caption ?? key) !== undefined) {
    throw new UsageError(
      `${place} is a list of addresses, and has no column ${caption ?? key}.`,
      "Captions and keys are columns of a Parquet or CSV file.",
    );
  }
  let header: string[] | undefined;
  const ranges: { first: number; count: number; from: number; to: number }[] = [];
  let rows = 0;
  for await (const { from, to, text } of recordsOf(file, format)) {
    if (format === "lines" && rows === 0 && !startsAsAddress(text)) {
      throw new UsageError(
        `The first line of ${place} is no address.`,
        "Name a Parquet or CSV file, or a text with an address (https://, s3://) in each line.",
      );
    }
    if (format === "csv" && header === undefined) {
      header = cellsOf(text.toString("utf8").replace(/^\ufeff/, ""));
      columnsThere(header, columns, place);
      continue;
    }
    if (rows % perShard === 0) ranges.push({ first: rows, count: 0, from, to });
    const range = ranges[ranges.length - 1];
    range.count++;
    range.to = to;
    rows++;
  }
  return { table: { place, format, bytes, ...columns, ...(header && { header }) }, ranges };
}

const textOf = (value: unknown): string | null =>
  value === undefined || value === null || value === "" ? null : String(value);

/** The rows of a shard. @throws OtherSettingsError where the table was changed since it was planned */
export async function readRows(table: AddressTable, range: RowRange): Promise<AddressRow[]> {
  const file = await opened(table.place);
  if (file.bytes !== table.bytes) {
    throw new OtherSettingsError(
      `${table.place} has ${file.bytes} bytes, and had ${table.bytes} when this was planned.`,
      "Plan again, into another folder: rows have other numbers now.",
    );
  }
  const row = (number: number, cell: (name: string | undefined) => unknown): AddressRow => ({
    url: textOf(cell(table.url)) ?? "",
    caption: textOf(cell(table.caption)),
    key: textOf(cell(table.key)) ?? String(number).padStart(keyWidth, "0"),
  });
  if (table.format === "parquet") {
    const { parquetReadObjects } = await import("hyparquet");
    const rows = (await parquetReadObjects({
      file: bufferOf(file),
      columns: [table.url, table.caption, table.key].filter((c) => c !== undefined),
      rowStart: range.first,
      rowEnd: range.first + range.count,
    })) as Record<string, unknown>[];
    return rows.map((values, i) => row(range.first + i, (name) => name && values[name]));
  }
  const rows: AddressRow[] = [];
  for await (const { text } of recordsOf(file, table.format, range.from, range.to)) {
    const line = text.toString("utf8").replace(/\r?\n$/, "");
    const cells = table.header ? cellsOf(line) : [];
    rows.push(
      row(range.first + rows.length, (name) =>
        table.header
          ? name && cells[table.header.indexOf(name)]
          : name === table.url
            ? line.trim()
            : undefined,
      ),
    );
  }
  return rows;
}
