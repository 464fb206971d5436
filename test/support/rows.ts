/** Rows to analyse. */
import type { Rows } from "../../src/analysis/matrix.ts";
import { seededUnits } from "../../src/seeded.ts";

/** Numbers from -1 to 1 drawn by `name`, changed by `change`. */
export function drawnRows(
  name: string,
  count: number,
  width: number,
  change: (value: number, row: number, column: number) => number = (v) => v,
): Rows {
  const data = seededUnits(name, count * width).map((v, i) => change(v, Math.floor(i / width), i % width));
  return { count, width, data };
}

/** Rows about `centres` drawn points, as features of images of several kinds lie. */
export function clusteredRows(
  name: string,
  count: number,
  width: number,
  centres: number,
  spread = 0.3,
): Rows {
  const middle = seededUnits(`${name}/centres`, centres * width);
  return drawnRows(name, count, width, (v, row, column) =>
    Math.max(0, middle[(row % centres) * width + column] + spread * v),
  );
}
