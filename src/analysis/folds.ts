/** Labels as numbers, and rows in folds that each hold every class in its share. */
import { UserError } from "../errors.ts";
import { seededOrder } from "./sample.ts";

/** Labels by their number in `classes`; -1 for a row that counts for nothing. */
export interface Encoded {
  /** In their natural order: 2 before 10. */
  readonly classes: readonly string[];
  readonly labels: Int32Array;
  /** The labelled rows. */
  readonly members: Int32Array;
  /** Names of one row only: it cannot be both learnt from and tried, and is left out. */
  readonly single: readonly string[];
}

/**
 * Numbers the labels of rows. @param labels of each row; undefined where there is none
 * @throws UserError where fewer than two classes have two rows
 */
export function encodeLabels(labels: readonly (string | undefined)[]): Encoded {
  const counts = new Map<string, number>();
  for (const label of labels) if (label !== undefined) counts.set(label, (counts.get(label) ?? 0) + 1);
  const { compare } = new Intl.Collator("en", { numeric: true });
  const names = [...counts.keys()].sort((a, b) => compare(a, b) || (a < b ? -1 : 1));
  const classes = names.filter((name) => (counts.get(name) as number) > 1);
  const single = names.filter((name) => counts.get(name) === 1);
  if (classes.length < 2) {
    throw new UserError(
      `Telling classes apart needs two classes of two images each, and ${described(names, counts)}.`,
      "Label more images.",
    );
  }
  const numberOf = new Map(classes.map((name, k) => [name, k]));
  const encoded = Int32Array.from(labels, (label) =>
    label === undefined ? -1 : (numberOf.get(label) ?? -1),
  );
  const members = Int32Array.from(labels.keys()).filter((row) => encoded[row] >= 0);
  return { classes, labels: encoded, members, single };
}

function described(names: readonly string[], counts: ReadonlyMap<string, number>): string {
  const shown = names
    .slice(0, 3)
    .map((name) => `${name} with ${counts.get(name)}`)
    .join(", ");
  if (names.length === 0) return "no image has a label";
  if (names.length === 1) return `there is one: ${shown}`;
  return `there are ${names.length} classes, ${names.length > 3 ? "such as " : ""}${shown}`;
}

export const usualFolds = 5;

/**
 * The fold of each row, drawn so that every fold has its share of each class; -1 for rows that have no label. There are
 * fewer folds than asked for where no class has so many rows.
 */
export function foldsOf({ classes, labels, members }: Encoded, wanted: number, seed: number) {
  const byClass: number[][] = classes.map(() => []);
  for (const row of members) byClass[labels[row]].push(row);
  const folds = Math.min(wanted, Math.max(...byClass.map((rows) => rows.length)));
  const foldOf = new Int32Array(labels.length).fill(-1);
  // Each class goes on where the one before it ended: small classes would all fill the first folds.
  let next = 0;
  for (const [k, rows] of byClass.entries()) {
    for (const i of seededOrder(`folds ${seed}, ${classes[k]}`, rows.length))
      foldOf[rows[i]] = next++ % folds;
  }
  return { folds, foldOf };
}
