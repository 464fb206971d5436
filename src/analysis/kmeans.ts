/**
 * k-means: k-means++ starts (Arthur and Vassilvitskii, 2007), Lloyd's steps on the engine's products, the best of several
 * restarts. Which centre a point is nearest to is decided in float64 where a product's rounding could decide it, so that from
 * the same starts every device gives the same clusters.
 */
import type { Device } from "../engine/device.ts";
import { UserError } from "../errors.ts";
import * as rule from "./arguments.ts";
import { onDevice } from "./device.ts";
import { type BlocksOrRows, blocksOf, evenBlocks, type Rows } from "./matrix.ts";
import { openProducts, type Prepared, prepare, productError, rowsAtOnce } from "./products.ts";
import { uniform } from "./sample.ts";

export interface KmeansOptions {
  readonly k: number;
  /** Runs from different starts, of which the one of the least inertia is kept; 10 when left out. */
  readonly restarts?: number;
  /** Names the draws. */
  readonly seed?: string;
  /** Centres to start from, k rows, instead of drawn ones. */
  readonly starts?: Rows;
  /** Lloyd's steps at most; 300 when left out. */
  readonly iterations?: number;
  /** What computes the products; where it is left out, this thread alone. */
  readonly device?: Device;
  /** Is told how many restarts are done. */
  readonly onProgress?: (done: number, total: number) => void;
}

export const kmeansRules: rule.Rules<KmeansOptions> = {
  k: rule.atLeast(1),
  restarts: rule.atLeast(1),
  seed: { must: "a text", fits: (value) => typeof value === "string" },
  starts: rule.someRows,
  iterations: rule.atLeast(1),
  device: rule.device,
  onProgress: rule.callback,
};

export interface Clusters {
  /** How many there are: fewer than were asked for where there are not so many different rows. */
  readonly k: number;
  /** The cluster of each row. Clusters are numbered by their size, the largest is 0. */
  readonly labels: Int32Array;
  readonly sizes: readonly number[];
  readonly centres: Rows;
  /** The sum of the squares of all rows' distances from their centres. */
  readonly inertia: number;
  readonly iterations: number;
}

/** Lloyd's steps end where the centres move by less than this part of the mean variance, as scikit-learn's do. */
const tolerance = 1e-4;
/** Rows multiplied at once, and what is kept in memory of prepared ones. */
const mostRows = 1024;
const keptFloats = 2 ** 28;

/** Points as they are computed with: blocks of prepared rows, and products with centres. */
interface Points {
  readonly count: number;
  readonly width: number;
  readonly squares: Float64Array;
  /** The point of this number, for the caller to keep. */
  read(index: number): Promise<Float32Array>;
  /** Goes through all points in blocks. */
  each(visit: (from: number, block: Float32Array) => void): Promise<void>;
  /** Goes through all points with their products with `centres`, [count, stride]. */
  against(
    centres: Float32Array,
    visit: (from: number, block: Float32Array, products: Float32Array, stride: number) => void,
  ): Promise<void>;
  /** A product's error, as a part of both lengths. */
  readonly error: number;
}

async function pointsOf(prepared: Prepared, device: Device): Promise<Points> {
  const { rows, squares } = prepared;
  const { count, width } = rows;
  const blocks = evenBlocks(count, rowsAtOnce(width, mostRows));
  const size = blocks[0].to;
  const fetch = async (from: number, to: number) => prepared.prepare(await rows.read(from, to));
  const kept =
    count * width <= keptFloats
      ? await Promise.all(blocks.map(({ from, to }) => fetch(from, to)))
      : undefined;
  const steps = new Map<number, ReturnType<typeof openProducts>>();
  return {
    count,
    width,
    squares,
    error: productError(device, width) + 2 ** -22,
    async each(visit) {
      for (const [i, { from, to }] of blocks.entries()) visit(from, kept ? kept[i] : await fetch(from, to));
    },
    read: async (index) => fetch(index, index + 1),
    async against(centres, visit) {
      const columns = centres.length / width;
      const step = steps.get(columns) ?? openProducts(device, width, size, columns);
      steps.set(columns, step);
      const loaded = await step.against(centres);
      try {
        for (const [i, { from, to }] of blocks.entries()) {
          const block = kept ? kept[i] : await fetch(from, to);
          visit(from, block, await loaded.times(block), columns);
        }
      } finally {
        loaded.close();
      }
    },
  };
}

/**
 * Puts rows into `k` clusters.
 * @throws UsageError for wrong arguments, by their names; UserError where there are fewer rows than clusters, or rows that are not all numbers
 */
export async function kmeans(given: BlocksOrRows, options: KmeansOptions): Promise<Clusters> {
  rule.checkRows("kmeans", given);
  rule.checkArguments("kmeans", options, kmeansRules, "k");
  const { k, restarts = 10, seed = "k-means", starts, iterations = 300, onProgress = () => {} } = options;
  if (starts) rule.checkRows("kmeans", starts, "starts");
  const rows = blocksOf(given);
  if (k > rows.count) {
    throw new UserError(
      `${k} clusters cannot be made of ${rows.count} ${rows.count === 1 ? "row" : "rows"}.`,
      `Ask for 1 to ${rows.count}.`,
    );
  }
  if (starts && (starts.count !== k || starts.width !== rows.width)) {
    throw new UserError(
      `The starts are ${starts.count} rows of ${starts.width} numbers; wanted are ${k} of ${rows.width}.`,
    );
  }
  return onDevice(options.device, async (device) => {
    const prepared = await prepare(rows, "euclidean");
    const points = await pointsOf(prepared, device);
    const all = starts ? [prepared.prepare(starts.data)] : await drawStarts(points, k, restarts, seed);
    let best: Run | undefined;
    for (const [i, centres] of all.entries()) {
      const run = await lloyd(points, centres, iterations);
      if (!best || run.inertia < best.inertia) best = run;
      onProgress(i + 1, all.length);
    }
    return finished(best as Run, prepared);
  });
}

/** The starts of all restarts: each next centre is drawn by the square of the distance from those that are there. */
async function drawStarts(
  points: Points,
  k: number,
  restarts: number,
  seed: string,
): Promise<Float32Array[]> {
  const { count, width, squares } = points;
  const starts = Array.from({ length: restarts }, () => new Float32Array(k * width));
  const nearest = starts.map(() => new Float64Array(count).fill(Number.POSITIVE_INFINITY));
  for (let step = 0; step < k; step++) {
    const drawn = uniform(`${seed}/${step}`, restarts);
    const chosen = nearest.map((distances, r) =>
      step === 0 ? Math.floor(drawn[r] * count) : drawBy(distances, drawn[r]),
    );
    const centres = new Float32Array(restarts * width);
    for (const [r, index] of chosen.entries()) {
      const point = await points.read(index);
      starts[r].set(point, step * width);
      centres.set(point, r * width);
    }
    if (step === k - 1) break;
    await points.against(centres, (from, block, products, stride) => {
      for (let i = 0; i < block.length / width; i++) {
        for (let r = 0; r < restarts; r++) {
          const apart = squares[from + i] + squares[chosen[r]] - 2 * products[i * stride + r];
          // What the rounding left of equal points is no chance to be drawn.
          const noise = 4 * points.error * squares[chosen[r]];
          const distance = apart > noise ? apart : 0;
          if (distance < nearest[r][from + i]) nearest[r][from + i] = distance;
        }
      }
    });
  }
  return starts;
}

/** An index with a chance by its weight; `unit` is from 0 to 1. Where all weigh nothing, all have the same. */
function drawBy(weights: Float64Array, unit: number): number {
  let total = 0;
  for (const w of weights) total += w;
  if (!(total > 0)) return Math.floor(unit * weights.length);
  let left = unit * total;
  let last = 0;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] === 0) continue;
    last = i;
    left -= weights[i];
    if (left < 0) break;
  }
  return last;
}

interface Run {
  readonly centres: Float32Array;
  readonly labels: Int32Array;
  readonly inertia: number;
  readonly iterations: number;
}

const squareOf = (x: Float32Array, from: number, width: number): number => {
  let sum = 0;
  for (let i = from; i < from + width; i++) sum += x[i] * x[i];
  return sum;
};

async function lloyd(points: Points, start: Float32Array, most: number): Promise<Run> {
  const { count, width, squares } = points;
  const k = start.length / width;
  const variance = squares.reduce((sum, square) => sum + square, 0) / (count * width);
  const members: Members = {
    labels: new Int32Array(count).fill(-1),
    sums: new Float64Array(k * width),
    sizes: new Int32Array(k),
  };
  let centres = start;
  for (let iteration = 1; ; iteration++) {
    const changed = await assign(points, centres, members);
    if (!changed || iteration > most) return measured(points, centres, members, iteration);
    const moved = await nextCentres(points, centres, members);
    const shift = moved.reduce((sum, v, i) => sum + (v - centres[i]) ** 2, 0);
    centres = moved;
    if (shift > tolerance * variance) continue;
    await assign(points, centres, members);
    return measured(points, centres, members, iteration);
  }
}

/** What each cluster holds: sums and sizes follow the labels. */
interface Members {
  readonly labels: Int32Array;
  readonly sums: Float64Array;
  readonly sizes: Int32Array;
}

/** Gives each point the nearest centre, of equal ones the first. Says whether any point has another one than before. */
async function assign(points: Points, centres: Float32Array, members: Members): Promise<boolean> {
  const { width, squares, error } = points;
  const { labels, sums, sizes } = members;
  const k = centres.length / width;
  const lengths = Float64Array.from({ length: k }, (_, c) => squareOf(centres, c * width, width));
  let changed = false;
  await points.against(centres, (from, block, products, stride) => {
    for (let i = 0; i < block.length / width; i++) {
      let [best, least, second] = [0, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
      for (let c = 0; c < k; c++) {
        const key = lengths[c] - 2 * products[i * stride + c];
        if (key < least) {
          second = least;
          least = key;
          best = c;
        } else if (key < second) second = key;
      }
      const doubt = 4 * error * (squares[from + i] + lengths[best]) + 2 ** -100;
      if (!(second - least > doubt)) best = exactlyNearest(block, i, centres, width);
      const before = labels[from + i];
      if (before === best) continue;
      changed = true;
      labels[from + i] = best;
      sizes[best]++;
      for (let j = 0; j < width; j++) sums[best * width + j] += block[i * width + j];
      if (before < 0) continue;
      sizes[before]--;
      for (let j = 0; j < width; j++) sums[before * width + j] -= block[i * width + j];
    }
  });
  return changed;
}

/** The square of each point's distance from its centre. */
async function apartOf(points: Points, centres: Float32Array, labels: Int32Array): Promise<Float64Array> {
  const { width } = points;
  const apart = new Float64Array(points.count);
  await points.each((from, block) => {
    for (let i = 0; i < block.length / width; i++) {
      let square = 0;
      const to = labels[from + i] * width;
      for (let j = 0; j < width; j++) square += (block[i * width + j] - centres[to + j]) ** 2;
      apart[from + i] = square;
    }
  });
  return apart;
}

async function measured(
  points: Points,
  centres: Float32Array,
  { labels }: Members,
  iterations: number,
): Promise<Run> {
  const apart = await apartOf(points, centres, labels);
  return { centres, labels, inertia: apart.reduce((sum, a) => sum + a, 0), iterations };
}

function exactlyNearest(block: Float32Array, row: number, centres: Float32Array, width: number): number {
  let [best, least] = [0, Number.POSITIVE_INFINITY];
  for (let c = 0; c < centres.length / width; c++) {
    let square = 0;
    for (let i = 0; i < width && square < least; i++)
      square += (block[row * width + i] - centres[c * width + i]) ** 2;
    if (square < least) [best, least] = [c, square];
  }
  return best;
}

/** The means of the clusters; an empty one takes the point that is farthest from its centre. */
async function nextCentres(points: Points, before: Float32Array, members: Members): Promise<Float32Array> {
  const { width } = points;
  const { sums, sizes, labels } = members;
  const centres = new Float32Array(before.length);
  for (const [c, size] of sizes.entries()) {
    for (let i = c * width; i < (c + 1) * width; i++) centres[i] = size > 0 ? sums[i] / size : 0;
  }
  if (sizes.every((size) => size > 0)) return centres;
  const apart = await apartOf(points, before, labels);
  for (const [c, size] of sizes.entries()) {
    if (size > 0) continue;
    const farthest = apart.reduce((best, a, i) => (a > apart[best] ? i : best), 0);
    apart[farthest] = 0;
    centres.set(await points.read(farthest), c * width);
  }
  return centres;
}

/** The clusters by their size, with centres among the rows as they were given. */
function finished(
  { centres, labels, inertia, iterations }: Run,
  prepared: Prepared & { preparation: { mean: Float64Array } },
): Clusters {
  const { width } = prepared.rows;
  const k = centres.length / width;
  const counts = new Int32Array(k);
  for (const label of labels) counts[label]++;
  const order = Array.from(counts.keys())
    .filter((c) => counts[c] > 0)
    .sort((a, b) => counts[b] - counts[a] || a - b);
  const place = new Int32Array(k);
  for (const [to, from] of order.entries()) place[from] = to;
  const data = new Float32Array(order.length * width);
  for (const [to, from] of order.entries()) {
    for (let i = 0; i < width; i++)
      data[to * width + i] = centres[from * width + i] / prepared.scale + prepared.preparation.mean[i];
  }
  return {
    k: order.length,
    labels: labels.map((label) => place[label]),
    sizes: order.map((c) => counts[c]),
    centres: { count: order.length, width, data },
    inertia: inertia / prepared.scale ** 2,
    iterations,
  };
}
