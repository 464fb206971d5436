/**
 * Lists of files as people and programs write them: a name a line, columns of which one names the files, Windows'
 * separators, addresses of files. What a line means is asked of the disk: a file of exactly that name comes first, and
 * another reading is taken only where there is a file by it.
 */
import { statSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { UsageError } from "../../errors.ts";
import { hasImageName } from "../../images/other-kinds.ts";
import { asUtf8 } from "../../text.ts";
import { type ImageInput, type ListOptions, matcher, nameOf, sorted } from "./inputs.ts";

/** How the images of a list are ordered: sorted by name, each once, or as the list has them. */
export const listOrders = ["name", "list"] as const;
export type ListOrder = (typeof listOrders)[number];

export interface NamedFiles {
  readonly inputs: ImageInput[];
  /** A sentence on how the list was read, where that was not line by line as it stands. */
  readonly note?: string;
}

/** A line's bytes, one a character: names need not be UTF-8, and what separates them is ASCII. */
type Line = string;

const pathOf = (name: Line, dir: string | undefined): Buffer => {
  const bytes = Buffer.from(name, "latin1");
  return dir === undefined || isAbsolute(name) ? bytes : Buffer.concat([Buffer.from(join(dir, "/")), bytes]);
};

/** Folders are often called as the labels are. */
function isFile(path: Buffer): boolean {
  if (path.length > longest) return false;
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  } catch {
    return false;
  }
}

const textOf = (line: Line): string => nameOf(Buffer.from(line, "latin1"));

/** As much of a line as a sentence can hold. */
const quoted = (line: Line) => (line.length > 200 ? `${textOf(line.slice(0, 200))} ...` : textOf(line));

/** How a cell of a list may spell a file's name, as it stands first; each with what is said of it. */
const spellings: readonly (readonly [said: string, spell: (cell: Line) => Line | undefined])[] = [
  ["", (cell) => cell],
  ["", (cell) => bare(cell)],
  ["file:// addresses read as paths", (cell) => ofAddress(cell)],
  ["backslashes read as slashes", (cell) => withSlashes(cell)],
  ["names read as Windows-1252", (cell) => recoded(cell, "windows-1252", (text) => text)],
  ["accents composed as on the disk", (cell) => recoded(cell, "utf-8", (text) => text.normalize("NFC"))],
  ["accents composed as on the disk", (cell) => recoded(cell, "utf-8", (text) => text.normalize("NFD"))],
];

/** Without the blanks and the quotes around it. */
const bare = (cell: Line): Line => cell.trim().replace(/^"(.*)"$/, "$1");

function ofAddress(cell: Line): Line | undefined {
  const path = /^file:\/\/(?:localhost)?(\/.*)$/i.exec(bare(cell))?.[1];
  return path?.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
}

const withSlashes = (cell: Line): Line | undefined =>
  cell.includes("\\") ? bare(cell).replaceAll("\\", "/") : undefined;

function recoded(cell: Line, encoding: string, change: (text: string) => string): Line | undefined {
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(Buffer.from(cell, "latin1"));
    return Buffer.from(change(text)).toString("latin1");
  } catch {
    return undefined;
  }
}

/** The cells of a line of CSV; quotes hold separators, and a quote where it is doubled. */
const csv = (separator: string) => (line: Line) => {
  const cells: Line[] = [];
  for (let at = 0; at <= line.length; at++) {
    const whole = /^"(?:[^"]|"")*"/.exec(line.slice(at))?.[0] ?? "";
    const found = line.indexOf(separator, at + whole.length);
    const end = found < 0 ? line.length : found;
    const cell = line.slice(at, end);
    cells.push(cell === whole ? whole.slice(1, -1).replaceAll('""', '"') : cell);
    at = end;
  }
  return cells;
};

interface Layout {
  readonly what: string;
  readonly columns?: true;
  readonly cells: (line: Line) => readonly Line[];
}

/** How a line may be divided into cells; the first is the usual way. */
const layouts: readonly Layout[] = [
  { what: "", cells: (line) => [line] },
  { what: "columns between tabs", columns: true, cells: (line) => line.split("\t") },
  { what: "columns between commas", columns: true, cells: csv(",") },
  { what: "columns between semicolons", columns: true, cells: csv(";") },
  { what: "columns between blanks", columns: true, cells: (line) => line.trim().split(/\s+/) },
  // Names may hold blanks, too.
  { what: "names with labels behind them", cells: (line) => [beforeLabels(line)] },
];

/** Up to the first ending of an image that a blank follows. */
function beforeLabels(line: Line): Line {
  for (const { index } of line.slice(0, longest).matchAll(/(?<=\.\w{1,5})\s/g))
    if (hasImageName(line.slice(0, index))) return line.slice(0, index);
  return line;
}

/** As many lines, and columns of them, tell the layout of a list. */
const enough = 200;
const mostColumns = 16;
/** No system has longer paths. */
const longest = 2 ** 15;

/** The file that a cell means, and what is to be said of how it spells it. */
function meantBy(
  cell: Line,
  isThere: (name: Line) => boolean,
): { readonly name: Line; readonly how: string } | undefined {
  if (cell.length > longest) return undefined;
  for (const [how, spell] of spellings) {
    const name = spell(cell);
    if (name && isThere(name)) return { name, how };
  }
  return undefined;
}

/** The lines of a list, or its names between zero bytes; what stands between these is exactly a name. */
function linesOf(list: Uint8Array): { lines: Line[]; exact: boolean; encoding?: string } {
  const wide = (list[0] === 0xff && list[1] === 0xfe) || (list[0] === 0xfe && list[1] === 0xff);
  const bytes = asUtf8(list);
  if (bytes === undefined) {
    throw new UsageError("The list begins as UTF-16 does, and is damaged.", "Save it again, as UTF-8.");
  }
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  if (!wide && text.includes("\0")) {
    // Names are longer than the three bytes on average that this leaves them.
    if (/\n\0|\0\n/.test(text) && 4 * (text.split("\0").length - 1) >= text.length) {
      throw new UsageError(
        "The list looks like UTF-16 without a byte order mark.",
        "Save it as UTF-8; or, where names are separated by zero bytes, leave out the newlines.",
      );
    }
    return { lines: text.split("\0").filter((name) => name !== ""), exact: true };
  }
  const lines = text.split("\n").map((line) => line.replace(/\r$/, ""));
  return { lines: lines.filter((line) => line !== ""), exact: false, ...(wide && { encoding: "UTF-16" }) };
}

/**
 * The files that a list names: one a line or, where it holds a zero byte, separated by these. Relative names count from
 * `dir`. Each stays the key as it is written. By `order`, they are sorted, and a name that stands twice is taken once; or
 * they stay in the order of the list, with their repeats.
 * @throws UsageError where none of them is there, or which column names them is not sure.
 */
export function listNamed(
  list: Uint8Array,
  dir: string | undefined,
  options: ListOptions & { readonly order?: ListOrder } = {},
): NamedFiles {
  const wanted = matcher(options);
  const { lines, exact, encoding } = linesOf(list);
  const isThere = (name: Line) => isFile(pathOf(name, dir));
  const { names, said } = exact ? { names: lines, said: [] } : read(lines, isThere);
  if (names.length > 0 && !names.some(isThere)) throw noneThere(names, dir);
  const inputs = names
    .map((name) => ({ key: textOf(name), path: pathOf(name, dir) }))
    .filter(({ key }) => wanted(key));
  const how = [...(encoding ? [encoding] : []), ...said].join("; ");
  return {
    inputs: options.order === "list" ? inputs : sorted([...new Map(inputs.map((i) => [i.key, i])).values()]),
    ...(how && { note: `The list is read so: ${how}.` }),
  };
}

/** Lines that can be nothing but a name are not asked of the disk, beyond the first. */
const isPlain = (line: Line) => hasImageName(line) && !/^["#\s]|^[a-z]+:|[\\\t,;]/i.test(line);

const isComment = (line: Line) => line.startsWith("#");

/** The names that lines mean, and what is to be said of how they were read. */
function read(
  lines: readonly Line[],
  isThere: (name: Line) => boolean,
): { names: Line[]; said: readonly string[] } {
  let plain = 0;
  const odd = lines.filter((line) => (!isPlain(line) || plain++ < enough) && !isThere(line));
  if (odd.length === 0) return { names: [...lines], said: [] };
  const { layout, column } = layoutOf(
    odd.filter((line) => !isComment(line) && line.length <= longest).slice(0, enough),
    isThere,
  );
  const { what, columns, cells } = layouts[layout];
  const said = new Set(what ? [columns ? `${what}, the files in column ${column + 1}` : what] : []);
  const left: Line[] = [];
  const unsure = new Set(odd);
  const first = lines.find((line) => !isComment(line));
  const names = lines.flatMap((line): Line[] => {
    if (layout === 0 ? !unsure.has(line) : isThere(line)) return [line];
    const cell = cells(line)[column] ?? line;
    const meant = meantBy(cell, isThere);
    if (meant?.how) said.add(meant.how);
    if (meant) return [meant.name];
    if (isComment(line) || (line === first && isHeader(cell, layout))) {
      left.push(line);
      return [];
    }
    // A file that is gone, by the name that it would have.
    return [ofAddress(cell) ?? withSlashes(cell) ?? bare(cell)];
  });
  if (left.length > 0)
    said.add(
      `left out ${left.length === 1 ? `the line "${quoted(left[0])}"` : `${left.length} lines of no files`}`,
    );
  return { names, said: [...said] };
}

/** The first line of a table, which names its columns. */
const isHeader = (cell: Line, layout: number) =>
  !hasImageName(cell) &&
  (layout > 0 || /^"?(?:(?:image|img|file)?[ _]?(?:paths?|names?)|images?|files?)"?$/i.test(cell));

/** The layout, and the column in it, by which most of some lines name files that are there; the plain one when none does. */
function layoutOf(
  lines: readonly Line[],
  isThere: (name: Line) => boolean,
): { readonly layout: number; readonly column: number } {
  let best = { layout: 0, column: 0, count: 0, other: -1 };
  for (const [layout, { cells }] of layouts.entries()) {
    const counts = Array<number>(mostColumns).fill(0);
    for (const line of lines) {
      for (const [column, cell] of cells(line).slice(0, mostColumns).entries())
        if (meantBy(cell, isThere)) counts[column]++;
    }
    const count = Math.max(...counts);
    if (count <= best.count) continue;
    const column = counts.indexOf(count);
    best = {
      layout,
      column,
      count,
      other: counts.findIndex((n, i) => i !== column && 2 * n >= count),
    };
  }
  if (best.other < 0) return best;
  const [one, other] = [best.column, best.other].map((i) => i + 1).sort((a, b) => a - b);
  throw new UsageError(
    `Which files the list means is not sure: it has ${layouts[best.layout].what}, and columns ${one} and ${other} both name files.`,
    "Keep the column that is meant.",
  );
}

function noneThere(names: readonly Line[], dir: string | undefined): UsageError {
  const [first] = names;
  const shown = quoted(first);
  const all =
    names.length === 1
      ? "The file that the list names is not there"
      : `None of the ${names.length} files that the list names is there`;
  if (/^[a-z]{2,}:\/\//i.test(first)) {
    return new UsageError(
      `${all}: it names addresses such as ${shown}, and nothing is downloaded.`,
      "Fetch the files first, and list their paths.",
    );
  }
  if (/^[a-z]:[\\/]|^\\\\|^\/\//i.test(first)) {
    return new UsageError(
      `${all}: it names paths of Windows such as ${shown}, and this is ${process.platform}.`,
      "List names relative to a folder, and name that with --data-dir DIR.",
    );
  }
  const path = resolve(...(dir === undefined ? [] : [dir]), shown);
  return new UsageError(
    `${all}; the first would be ${path}.`,
    `Relative names count from ${dir === undefined ? "the working folder" : dir}; name another with --data-dir DIR.`,
  );
}
