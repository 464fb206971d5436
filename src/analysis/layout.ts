/**
 * Rows laid out in a plane, near ones near to each other: by UMAP ("Uniform Manifold Approximation and Projection",
 * McInnes, Healy and Melville, 2018) through umap-js, or by their first two principal components.
 */
import type { Device } from "../engine/device.ts";
import { UserError } from "../errors.ts";
import { fitPca, project } from "../pca.ts";
import { seededRandom } from "../seeded.ts";
import * as rule from "./arguments.ts";
import { breathing } from "./breathe.ts";
import { checkFinite, type Neighbours, type Rows, rowOf } from "./matrix.ts";
import { nearest } from "./neighbours.ts";

/** How rows are laid out; `auto` is umap for what it takes to tell neighbours from others, up to 50,000 rows. */
export const layoutMethods = ["auto", "umap", "pca"] as const;
export type LayoutMethod = (typeof layoutMethods)[number];

/** How rows are laid out, and how that is watched. */
export interface LayoutOptions {
  /** Where `auto` is asked for, the number of rows decides. */
  readonly method: LayoutMethod;
  /** The same seed gives the same places, bit for bit; 0 when left out. */
  readonly seed?: number;
  /** Of the rows among themselves, at least `mapNeighbours` each where there are as many; found when left out. */
  readonly neighbours?: Neighbours;
  /** What computes the products by which neighbours are found. */
  readonly device?: Device;
  /** Is told how many of the rounds of the layout are done; of principal components, nothing. */
  readonly onProgress?: (done: number, total: number) => void;
}

const layoutRules: rule.Rules<LayoutOptions> = {
  method: rule.oneOf(...layoutMethods),
  seed: rule.atLeast(0),
  neighbours: { must: "what nearest gives", fits: (value) => typeof value === "object" && value !== null },
  device: rule.device,
  onProgress: rule.callback,
};

/** Rows in a plane. */
export interface Layout {
  /** The place of each row, as x and y: `2 * count` values. */
  readonly xy: Float32Array;
  /** How they were laid out. */
  readonly method: Exclude<LayoutMethod, "auto">;
}

/** umap-learn's own number of neighbours, among which it counts a row itself. */
const umapNeighbours = 15;

/** How many neighbours of each row a layout by UMAP looks at. */
export const mapNeighbours = umapNeighbours - 1;

/** Fewer rows have no neighbourhoods, and more take umap-js minutes and gigabytes. */
const autoUmap = { least: umapNeighbours + 1, most: 50_000 };
const leastUmap = 4;

/**
 * Lays rows out in a plane.
 * @throws UsageError for wrong arguments, by their names; UserError for rows that are not all numbers, or where UMAP is asked for fewer than four rows
 */
export async function layout(rows: Rows, options: LayoutOptions): Promise<Layout> {
  rule.checkRows("layout", rows);
  rule.checkArguments("layout", options, layoutRules, "method");
  checkFinite(rows.data, rows.width, 0);
  if (options.method === "umap" && rows.count < leastUmap) {
    throw new UserError(
      `UMAP needs at least ${leastUmap} images, and there ${rows.count === 1 ? "is 1" : `are ${rows.count}`}.`,
      "Lay them out by principal components.",
    );
  }
  const fits = rows.count >= autoUmap.least && rows.count <= autoUmap.most;
  const method = options.method === "auto" ? (fits ? "umap" : "pca") : options.method;
  const flat = await byComponents(rows);
  return { xy: method === "umap" ? await byUmap(rows, flat, options) : flat, method };
}

/** The first two principal components; those that rows do not have are 0. */
async function byComponents(rows: Rows): Promise<Float32Array> {
  const xy = new Float32Array(2 * rows.count);
  const count = Math.min(2, rows.count - 1, rows.width);
  if (count < 1) return xy;
  async function* each(): AsyncGenerator<Float32Array> {
    const breathe = breathing();
    for (let i = 0; i < rows.count; i++) {
      await breathe();
      yield rowOf(rows, i);
    }
  }
  const pca = await fitPca(each, rows.width, count);
  for (let i = 0; i < rows.count; i++) xy.set(project(pca, rowOf(rows, i)), 2 * i);
  return xy;
}

/** Half the side of the square in which UMAP begins, and how far equal rows begin from each other, as in umap-learn. */
const beginning = { half: 10, apart: 1e-4 };

async function byUmap(
  rows: Rows,
  flat: Float32Array,
  { seed = 0, neighbours, device, onProgress = () => {} }: LayoutOptions,
): Promise<Float32Array> {
  const count = Math.min(mapNeighbours, rows.count - 2);
  const found = neighbours ?? (await nearest(rows, count, { metric: "euclidean", device }));
  if (found.indices.length !== rows.count * found.k) {
    throw new UserError(
      `The neighbours are those of ${found.indices.length / found.k} rows, and there are ${rows.count}.`,
    );
  }
  const kept = Math.min(count, found.k);
  /** umap-js counts each row as its own first neighbour. */
  const lists = <T extends Int32Array | Float32Array>(values: T, own: (row: number) => number) =>
    Array.from({ length: rows.count }, (_, i) => [
      own(i),
      ...values.subarray(i * found.k, i * found.k + kept),
    ]);
  const { UMAP } = await import("umap-js");
  const random = seededRandom(`map ${seed}`);
  const umap = new UMAP({ nNeighbors: kept + 1, random });
  umap.setPrecomputedKNN(
    lists(found.indices, (i) => i),
    lists(found.distances, () => 0),
  );
  // It asks the rows for nothing but their number: their neighbours are known.
  const epochs = umap.initializeFit(Array.from({ length: rows.count }, () => []));
  const places = umap.getEmbedding();
  // It begins at random places; from the principal components, what is far apart stays so (Kobak and Linderman, 2021).
  const largest = flat.reduce((most, v) => Math.max(most, Math.abs(v)), 0) || 1;
  for (const [i, place] of places.entries()) {
    for (const d of [0, 1]) {
      place[d] = (beginning.half * flat[2 * i + d]) / largest + beginning.apart * (2 * random() - 1);
    }
  }
  const breathe = breathing();
  for (let epoch = 0; epoch < epochs; epoch++) {
    umap.step();
    onProgress(epoch + 1, epochs);
    await breathe();
  }
  return Float32Array.from(places.flat());
}

/**
 * How far the nearest places of a layout can be trusted to be near rows, from 0 to 1 (Venna and Kaski, 2001): 1 less the
 * ranks by which the `k` nearest places of each row exceed `k`, as scikit-learn computes it, by Euclidean distances.
 * Takes the square of the number of rows: for tests and comparisons.
 * @throws UserError where `k` is not below half the number of rows
 */
export function trustworthiness(rows: Rows, xy: Float32Array, k: number): number {
  const { count } = rows;
  if (k < 1 || k >= count / 2) {
    throw new UserError(
      `Trustworthiness is defined for less than half of the ${count} rows, and ${k} neighbours are asked for.`,
    );
  }
  const flat: Rows = { count, width: 2, data: xy };
  let excess = 0;
  for (let i = 0; i < count; i++) {
    const ranks = new Int32Array(count);
    for (const [rank, other] of byDistance(rows, i).entries()) ranks[other] = rank + 1;
    for (const other of byDistance(flat, i).subarray(0, k)) excess += Math.max(0, ranks[other] - k);
  }
  return 1 - (2 / (count * k * (2 * count - 3 * k - 1))) * excess;
}

/** The other rows, the nearest first. */
function byDistance({ count, width, data }: Rows, row: number): Int32Array {
  const distances = new Float64Array(count);
  const own = row * width;
  for (let i = 0; i < count; i++) {
    let sum = 0;
    for (let j = 0, at = i * width; j < width; j++) sum += (data[at + j] - data[own + j]) ** 2;
    distances[i] = sum;
  }
  const others = new Int32Array(count - 1);
  for (let i = 0; i < others.length; i++) others[i] = i < row ? i : i + 1;
  return others.sort((a, b) => distances[a] - distances[b] || a - b);
}
