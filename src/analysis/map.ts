/** What a map shows of rows besides their places: by the command that writes a page, and by the page that computes in a tab. */
import type { Device } from "../engine/device.ts";
import { mapNeighbours } from "./layout.ts";
import type { Neighbours, Rows } from "./matrix.ts";
import { nearest } from "./neighbours.ts";
import { outliersAmong } from "./outliers.ts";

/** Neighbours of an image that are shown, where nobody says how many. */
export const neighboursShown = 12;

/** The images that are told as least like any other. */
const outliersTold = 60;

/** Multiply-adds for which no GPU is looked for. */
const littleWork = 1e9;

/** Whether so few rows are compared that a GPU would only be waited for. */
export const isLittleWork = (count: number, width: number): boolean => count ** 2 * width < littleWork;

/**
 * The nearest others of each row, by cosine distances, as `similar` tells them: at least `shown`, and as many as a layout
 * takes; one row alone has none.
 */
export async function neighboursForMap(
  rows: Rows,
  shown: number,
  device: Device,
  onProgress?: (done: number, total: number) => void,
): Promise<Neighbours> {
  if (rows.count < 2) return { k: 0, indices: new Int32Array(0), distances: new Float32Array(0) };
  const count = Math.min(Math.max(shown, mapNeighbours), rows.count - 1);
  return nearest(rows, count, { metric: "cosine", device, onProgress });
}

/** Of each row's neighbours the first `k`. */
export function firstOf({ k: known, indices, distances }: Neighbours, count: number, k: number): Neighbours {
  const kept = Math.min(k, known);
  const pick = <T extends Int32Array | Float32Array>(from: T, to: T): T => {
    for (let row = 0; row < count; row++) to.set(from.subarray(row * known, row * known + kept), row * kept);
    return to;
  };
  return {
    k: kept,
    indices: pick(indices, new Int32Array(count * kept)),
    distances: pick(distances, new Float32Array(count * kept)),
  };
}

/** The images least like any other, at most a quarter of them. */
export function outliersForMap(
  neighbours: Neighbours,
  count: number,
): { readonly image: number; readonly distance: number }[] {
  if (neighbours.k === 0) return [];
  return outliersAmong(neighbours)
    .slice(0, Math.min(outliersTold, Math.ceil(count / 4)))
    .map(({ row, distance }) => ({ image: row, distance }));
}
