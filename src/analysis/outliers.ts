/** Rows that are least like any other. */

import * as rule from "./arguments.ts";
import type { BlocksOrRows, Neighbours } from "./matrix.ts";
import { type NearestOptions, nearest } from "./neighbours.ts";
import { pairsRules } from "./pairs.ts";

export interface Outlier {
  readonly row: number;
  /** The mean distance of its nearest rows. */
  readonly distance: number;
  /** `distance` as a multiple of what is usual: the median over all rows. */
  readonly times: number;
  /** The row nearest to it. */
  readonly nearest: number;
}

/** Neighbours that a row is judged by: a handful of copies of an odd image do not hide each other. */
export const outlierNeighbours = 5;

/** How rows are judged, and how that is watched. */
export interface OutlierOptions extends Omit<NearestOptions, "queries"> {
  /** How many of the nearest count; 5 when left out. */
  readonly k?: number;
}

const outlierRules: rule.Rules<OutlierOptions> = { ...pairsRules, k: rule.atLeast(1) };

/**
 * Every row by the mean distance of its `k` nearest, the least like any other first; of equal ones the lower index. It is the
 * distance itself and not the density about the neighbours (as LOF has it), which calls the less alike of many near copies odd.
 * @throws UsageError for wrong arguments, by their names; UserError where there are no two rows
 */
export async function outliers(rows: BlocksOrRows, given: OutlierOptions): Promise<Outlier[]> {
  rule.checkRows("outliers", rows);
  rule.checkArguments("outliers", given, outlierRules, "metric");
  const { k = outlierNeighbours, ...options } = given;
  // With few rows, all the others are its neighbours.
  const most = Math.max(1, Math.min(k, rows.count - 1));
  return outliersAmong(await nearest(rows, most, options), most);
}

/** The same of neighbours that are known, the `k` nearest of which count. */
export function outliersAmong(
  { k: known, indices, distances }: Neighbours,
  k: number = outlierNeighbours,
): Outlier[] {
  const most = Math.min(k, known);
  const means = Float64Array.from({ length: indices.length / known }, (_, row) => {
    let sum = 0;
    for (let i = 0; i < most; i++) sum += distances[row * known + i];
    return sum / most;
  });
  const median = Float64Array.from(means).sort()[means.length >> 1];
  return Array.from(means, (distance, row) => ({
    row,
    distance,
    times: median > 0 ? distance / median : distance > 0 ? Number.POSITIVE_INFINITY : 1,
    nearest: indices[row * known],
  })).sort((a, b) => b.distance - a.distance || a.row - b.row);
}
