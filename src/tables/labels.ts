/** The label of each image: by its folder, or from a table that names images and labels. */
import { readFile } from "node:fs/promises";
import { UsageError } from "../errors.ts";
import { textIn } from "../text.ts";

/** Labels of images, in the order of these. */
export interface ImageLabels {
  /** Of each image; undefined where there is none. */
  readonly labels: readonly (string | undefined)[];
  /** What a user should know of how they were found. */
  readonly notes: readonly string[];
}

const some = (names: readonly string[]): string =>
  `${names.slice(0, 3).join(", ")}${names.length > 3 ? ` and ${names.length - 3} more` : ""}`;

/**
 * Labels by the first folder in which the paths differ: `cats/1.jpg` and `dogs/1.jpg`, as well as `photos/cats/a/1.jpg` and
 * `photos/dogs/1.jpg`, are cats and dogs. @throws UsageError where no folder tells images apart
 */
export function labelsByFolder(paths: readonly string[]): ImageLabels {
  const folders = paths.map((path) => path.split("/").slice(0, -1));
  let level = 0;
  while (folders.length > 0 && folders.every((own) => own.length > level && own[level] === folders[0][level]))
    level++;
  const labels = folders.map((own) => own[level]);
  const without = paths.filter((_, i) => labels[i] === undefined);
  if (without.length === paths.length) {
    throw new UsageError(
      `All images lie in one folder, so that folders label none of them: ${some(paths)}.`,
      "Put the images of each class into a folder of its name, or name a table of paths and labels by --labels FILE.csv.",
    );
  }
  return {
    labels,
    notes: without.length > 0 ? [`no label, since in no folder of a class: ${some(without)}`] : [],
  };
}

/** The records of a table with quotes as in RFC 4180; quoted cells may hold separators, quotes twice, and ends of lines. */
function recordsOf(text: string, separator: string): string[][] {
  const records: string[][] = [];
  const cell = new RegExp(`(?:"((?:[^"]|"")*)"|([^${separator}\r\n]*))(${separator}|\r?\n|\r|$)`, "gy");
  let record: string[] = [];
  for (let found = cell.exec(text); found; found = cell.exec(text)) {
    record.push(found[1]?.replaceAll('""', '"') ?? found[2]);
    if (found[3] !== separator) {
      if (record.some((c) => c.trim() !== "")) records.push(record);
      record = [];
    }
    if (cell.lastIndex >= text.length && found[3] !== separator) break;
  }
  return records;
}

/** Titles of the column of labels; of several that a table has, the one that stands first here. */
const labelTitles = ["label", "labels", "class", "category", "target"];
const separators = [",", ";", "\t"] as const;

/** Finds images by the names that a table gives them: their paths, or either's path from a folder further up. */
function finder(paths: readonly string[]): (name: string) => number {
  const exact = new Map(paths.map((path, row) => [path, row]));
  const byFile = new Map<string, number[]>();
  const fileOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);
  for (const [row, path] of paths.entries()) {
    const same = byFile.get(fileOf(path));
    if (same) same.push(row);
    else byFile.set(fileOf(path), [row]);
  }
  const find = (cell: string): number => {
    const name = cell.replace(/^\.[\\/]/, "");
    const slashed = name.replaceAll("\\", "/");
    const found = exact.get(name) ?? exact.get(slashed);
    if (found !== undefined) return found;
    const meant = (byFile.get(fileOf(slashed)) ?? []).filter(
      (row) => slashed.endsWith(`/${paths[row]}`) || paths[row].endsWith(`/${slashed}`),
    );
    return meant.length === 1 ? meant[0] : -1;
  };
  // A space may belong to the name, or to the way the table is written.
  return (cell) => {
    const row = find(cell);
    return row >= 0 ? row : find(cell.trim());
  };
}

/**
 * Labels from a table between commas, semicolons or tabs: one column names images, by their paths in the features file or by
 * longer or shorter ones that mean one of them alone; another, called label or class or the only other one, their labels.
 * @throws UsageError where the file cannot be read, names no image, does not say which column is the label, or gives an
 * image two labels
 */
export async function labelsFromTable(file: string, paths: readonly string[]): Promise<ImageLabels> {
  let text: string;
  try {
    text = textIn(await readFile(file));
  } catch (cause) {
    throw new UsageError(
      `The labels ${file} cannot be read: ${(cause as Error).message}`,
      'Name a table of paths and labels, or "folders" where each class has a folder of its own.',
      { cause },
    );
  }
  const rowOf = finder(paths);
  const tables = separators.map((separator) => {
    const records = recordsOf(text, separator);
    const widest = records.reduce((most, record) => Math.max(most, record.length), 0);
    const counts = Array.from({ length: widest }, (_, column) =>
      records.reduce((n, record) => n + Number(rowOf(record[column] ?? "") >= 0), 0),
    );
    const column = counts.indexOf(Math.max(0, ...counts));
    return { records, widest, column, count: column < 0 ? 0 : counts[column] };
  });
  const table = tables.reduce((best, t) =>
    t.count > best.count || (t.count === best.count && t.widest > best.widest) ? t : best,
  );
  const { records, widest, column, count } = table;
  if (count === 0) {
    throw new UsageError(
      `The labels ${file} name no image of these features.`,
      `It names, for one, ${JSON.stringify((records[1] ?? records[0])?.[0] ?? "")}; the features have ${paths[0]}.`,
    );
  }
  const isHeader = rowOf(records[0][column] ?? "") < 0;
  const titles = isHeader ? records[0].map((title) => title.trim().toLowerCase()) : [];
  const title = labelTitles.find((own) => titles.includes(own));
  const titled = title === undefined ? -1 : titles.indexOf(title);
  const twice = title !== undefined && titled !== titles.lastIndexOf(title);
  const labelColumn = titled >= 0 ? titled : widest === 2 ? 1 - column : -1;
  if (labelColumn < 0 || labelColumn === column || twice) {
    throw new UsageError(
      widest < 2
        ? `The labels ${file} have one column only.`
        : `Which of the ${widest} columns of ${file} holds the labels is not sure.`,
      "Call the columns path and label in the first line.",
    );
  }
  const labels: (string | undefined)[] = paths.map(() => undefined);
  const unknown: string[] = [];
  for (const record of isHeader ? records.slice(1) : records) {
    const [name, label] = [record[column] ?? "", (record[labelColumn] ?? "").trim()];
    const row = rowOf(name);
    if (row < 0) unknown.push(name);
    else if (labels[row] !== undefined && label !== "" && labels[row] !== label) {
      throw new UsageError(
        `The labels ${file} give ${paths[row]} two: ${labels[row]} and ${label}.`,
        "Keep one of them.",
      );
    } else if (label !== "") labels[row] = label;
  }
  const without = paths.filter((_, i) => labels[i] === undefined);
  return {
    labels,
    notes: [
      ...(without.length > 0 ? [`no label in ${file}: ${some(without)}`] : []),
      ...(unknown.length > 0 ? [`in ${file}, but no image of these features: ${some(unknown)}`] : []),
    ],
  };
}

/** Labels from `folders`, or from the table of that name. @throws UsageError, as above */
export const labelsFrom = async (source: string, paths: readonly string[]): Promise<ImageLabels> =>
  source === "folders" ? labelsByFolder(paths) : labelsFromTable(source, paths);
