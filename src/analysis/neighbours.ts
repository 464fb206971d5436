/** Exact nearest neighbours. */
import type { Device } from "../engine/device.ts";
import { UserError } from "../errors.ts";
import { type Neighbours, type Rows, rowOf } from "./matrix.ts";

/** `euclidean`: the length of the difference; `cosine`: 1 less the cosine of the angle, from 0 to 2. */
export type Metric = "euclidean" | "cosine";

export interface NearestOptions {
  readonly metric: Metric;
  /** What computes the products. */
  readonly device?: Device;
  /** Rows whose neighbours are wanted; when left out, the rows themselves, of which none is its own neighbour. */
  readonly queries?: Rows;
  /** Is told how many of the queries are done. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * The `k` rows nearest to each query, exactly.
 * @throws UserError where there are fewer rows than `k` asks for
 */
export async function nearest(
  rows: Rows,
  k: number,
  { metric, queries = rows, onProgress = () => {} }: NearestOptions,
): Promise<Neighbours> {
  const others = queries === rows ? rows.count - 1 : rows.count;
  if (k < 1 || k > others) {
    throw new UserError(`${k} neighbours are asked for, and there are ${others} other rows.`);
  }
  const indices = new Int32Array(queries.count * k);
  const distances = new Float32Array(queries.count * k);
  for (let q = 0; q < queries.count; q++) {
    const found: { row: number; distance: number }[] = [];
    for (let row = 0; row < rows.count; row++) {
      if (queries === rows && row === q) continue;
      found.push({ row, distance: distanceOf[metric](rowOf(queries, q), rowOf(rows, row)) });
    }
    found.sort((a, b) => a.distance - b.distance || a.row - b.row);
    for (let i = 0; i < k; i++) {
      indices[q * k + i] = found[i].row;
      distances[q * k + i] = found[i].distance;
    }
    onProgress(q + 1, queries.count);
  }
  return { k, indices, distances };
}

/** Distances of two rows, in float64. The cosine of a row of zeros with another is taken as 0. */
export const distanceOf: Readonly<Record<Metric, (a: Float32Array, b: Float32Array) => number>> = {
  euclidean(a, b) {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
    return Math.sqrt(sum);
  },
  cosine(a, b) {
    let [ab, aa, bb] = [0, 0, 0];
    for (let i = 0; i < a.length; i++) {
      ab += a[i] * b[i];
      aa += a[i] * a[i];
      bb += b[i] * b[i];
    }
    const lengths = Math.sqrt(aa) * Math.sqrt(bb);
    return lengths === 0 ? 1 : Math.max(0, 1 - ab / lengths);
  },
};
