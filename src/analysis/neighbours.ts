/**
 * Exact nearest neighbours. Products by the engine's kernels, which round, choose a few candidates more than are wanted;
 * these are ranked by their distances in float64. What the products' rounding could have hidden is worked out for each query,
 * and the few of which it cannot be ruled out are searched again without products: what comes out never depends on the device.
 */
import type { Device } from "../engine/device.ts";
import { UserError } from "../errors.ts";
import * as rule from "./arguments.ts";
import { onDevice } from "./device.ts";
import { bestOf, distanceOf, type Metric } from "./distances.ts";
import { type Kept, keeper } from "./keep.ts";
import {
  type BlocksOrRows,
  blocksOf,
  checkFinite,
  evenBlocks,
  type Neighbours,
  type RowBlocks,
} from "./matrix.ts";
import { pairsRules } from "./pairs.ts";
import { leastProduct, type Prepared, prepare, productBlocks, productError } from "./products.ts";

export interface NearestOptions {
  readonly metric: Metric;
  /** What computes the products; where it is left out, this thread alone. */
  readonly device?: Device;
  /** Rows whose neighbours are wanted; when left out, the rows themselves, of which none is its own neighbour. */
  readonly queries?: BlocksOrRows;
  /** Is told how much of the work is done. */
  readonly onProgress?: (done: number, total: number) => void;
}

const nearestRules: rule.Rules<NearestOptions> = { ...pairsRules, queries: rule.someRows };

/** Multiply-adds that are done sooner than kernels are compiled. */
const littleWork = 2e7;

/** Candidates besides those that are wanted. */
const spare = 8;

/**
 * The `k` rows nearest to each query, exactly: by distances in float64, whatever the device. Memory besides the rows is
 * some 30 bytes for each of the `k` of a query.
 * @throws UsageError for wrong arguments, by their names; UserError where there are fewer rows than `k` asks for, or rows that are not all numbers; DeviceError
 */
export async function nearest(given: BlocksOrRows, k: number, options: NearestOptions): Promise<Neighbours> {
  rule.checkRows("nearest", given);
  rule.checkArguments("nearest", options, nearestRules, "metric");
  const { metric, device, queries: asked, onProgress = () => {} } = options;
  if (asked) rule.checkRows("nearest", asked, "queries");
  const rows = blocksOf(given);
  const queries = asked && asked !== given ? blocksOf(asked) : undefined;
  checkRequest(rows, queries, k);
  const all: Search = { rows, queries, k, metric, onProgress };
  const work = (queries ?? rows).count * rows.count * rows.width;
  if (!device && work <= littleWork) return searchPlainly(all);
  return onDevice(device, (opened) => searchByProducts(all, opened));
}

interface Search {
  readonly rows: RowBlocks;
  /** Absent where the rows themselves are asked for. */
  readonly queries: RowBlocks | undefined;
  readonly k: number;
  readonly metric: Metric;
  readonly onProgress: (done: number, total: number) => void;
}

function checkRequest(rows: RowBlocks, queries: RowBlocks | undefined, k: number): void {
  if (queries && queries.width !== rows.width) {
    throw new UserError(`The queries have ${queries.width} numbers each, and the rows ${rows.width}.`);
  }
  const others = queries ? rows.count : rows.count - 1;
  if (Number.isInteger(k) && k >= 1 && k <= others) return;
  throw new UserError(
    others <= 0
      ? "There is no other row to be near to."
      : `${k} neighbours are asked for, and there are ${others} to choose from.`,
    others <= 0 ? "Two images at least have something to compare." : `Ask for 1 to ${others}.`,
  );
}

const emptyNeighbours = (count: number, k: number): Neighbours => ({
  k,
  indices: new Int32Array(count * k),
  distances: new Float32Array(count * k),
});

async function searchPlainly(search: Search): Promise<Neighbours> {
  const { rows, queries, k } = search;
  for (const source of queries ? [rows, queries] : [rows]) {
    for (const { from, to } of evenBlocks(source.count, source.blockRows))
      checkFinite(await source.read(from, to), source.width, from);
  }
  const asked = queries ?? rows;
  const found = emptyNeighbours(asked.count, k);
  for (const { from, to } of evenBlocks(asked.count, asked.blockRows)) {
    const wanted = Array.from({ length: to - from }, (_, i) => from + i);
    await scan(search, await asked.read(from, to), from, wanted, found);
  }
  search.onProgress(asked.count, asked.count);
  return found;
}

/** Goes through all rows for the queries `wanted`, which lie in `block` from number `first` on. */
async function scan(
  { rows, queries, k, metric }: Search,
  block: Float32Array,
  first: number,
  wanted: readonly number[],
  found: Neighbours,
): Promise<void> {
  if (wanted.length === 0) return;
  const distance = distanceOf[metric];
  const { width } = rows;
  const best = wanted.map(() => bestOf(k));
  for (const { from, to } of evenBlocks(rows.count, rows.blockRows)) {
    const others = await rows.read(from, to);
    for (const [w, q] of wanted.entries()) {
      const mine = best[w];
      const at = (q - first) * width;
      // Nothing is nearer than 0, and of equal ones the first are kept.
      for (let i = from; i < to && mine.worst > 0; i++) {
        if (i === q && !queries) continue;
        mine.offer(i, distance(block, at, others, (i - from) * width, width, mine.worst));
      }
    }
  }
  for (const [w, q] of wanted.entries()) {
    found.indices.set(best[w].indices, q * k);
    found.distances.set(best[w].distances, q * k);
  }
}

async function searchByProducts(search: Search, device: Device): Promise<Neighbours> {
  const { rows, queries, k, metric, onProgress } = search;
  const prepared = await prepare(rows, metric);
  const preparedQueries = queries && (await prepare(queries, prepared.preparation));
  const asked = preparedQueries ?? prepared;
  const count = asked.rows.count;
  const most = queries ? rows.count : rows.count - 1;
  const kept = keeper(count, Math.min(k + spare, most));
  const total = queries ? count * rows.count : (count * (count + 1)) / 2;
  let done = 0;
  for await (const block of productBlocks(device, prepared, preparedQueries)) {
    const { rows: r, columns: c } = block;
    if (queries) kept.offerRows(block, prepared.squares);
    else kept.offerBoth(block, prepared.squares);
    const below = Math.min(c.count, r.from - c.from);
    done +=
      r.count * (queries ? c.count : below) +
      (!queries && below < c.count ? (r.count * (r.count + 1)) / 2 : 0);
    onProgress(Math.min(done, total), total);
  }
  return rank(search, asked, kept, most, productError(device, rows.width));
}

/** Ranks the candidates by their true distances, and searches again for queries whose candidates may not be all. */
async function rank(
  search: Search,
  asked: Prepared,
  kept: Kept,
  most: number,
  error: number,
): Promise<Neighbours> {
  const { rows, k, metric } = search;
  const { width } = rows;
  const distance = distanceOf[metric];
  const found = emptyNeighbours(asked.rows.count, k);
  const m = kept.most;
  for (const { from, to } of evenBlocks(asked.rows.count, Math.min(asked.rows.blockRows, 4096))) {
    const block = await asked.rows.read(from, to);
    const exact = new Float64Array((to - from) * m).fill(Number.POSITIVE_INFINITY);
    for (const other of evenBlocks(rows.count, rows.blockRows)) {
      const values = await rows.read(other.from, other.to);
      for (let slot = 0; slot < exact.length; slot++) {
        const index = kept.indices[from * m + slot];
        if (index < other.from || index >= other.to) continue;
        const at = Math.floor(slot / m) * width;
        exact[slot] = distance(block, at, values, (index - other.from) * width, width);
      }
    }
    const again: number[] = [];
    for (let q = from; q < to; q++) {
      const candidates = Array.from({ length: kept.count(q) }, (_, i) => ({
        index: kept.indices[q * m + i],
        distance: exact[(q - from) * m + i],
      })).sort((a, b) => a.distance - b.distance || a.index - b.index);
      const complete = candidates.length === most;
      if (!complete && !isSure(asked, q, candidates[k - 1]?.distance, kept.worst(q), error)) {
        again.push(q);
        continue;
      }
      for (let i = 0; i < k; i++) {
        found.indices[q * k + i] = candidates[i].index;
        found.distances[q * k + i] = candidates[i].distance;
      }
    }
    await scan(search, block, from, again, found);
  }
  return found;
}

/**
 * Whether no row that was left out can be as near to query `q` as `distance`, that of the last of its neighbours. What was
 * left out has a key of `worst` at least: its square less twice its product, as the device rounded that.
 */
function isSure(
  { metric, squares, scale, rows: { width } }: Prepared,
  q: number,
  distance: number | undefined,
  worst: number,
  error: number,
): boolean {
  if (distance === undefined || !Number.isFinite(worst)) return false;
  // The rows' own rounding besides: each number by 2^-24 of itself.
  const rounding = 2 ** -23;
  const least = leastProduct(width);
  if (metric === "cosine") return 1 + worst / 2 - error - 2 * rounding - least > distance;
  const length = Math.sqrt(squares[q]);
  const radius = distance * scale;
  // Rows longer than this are farther away than `radius` whatever their products say.
  const longest = (length + radius) * (1 + 1e-5);
  const square = squares[q] * (1 - 1e-12) + worst - 2 * (error * length * longest + least);
  return Math.sqrt(Math.max(0, square)) - rounding * (length + longest) > radius;
}
