/** All pairs of rows that are near to each other, exactly, and the groups that they make. */
import type { Device } from "../engine/device.ts";
import * as rule from "./arguments.ts";
import { onDevice } from "./device.ts";
import { distanceOf, type Metric, metrics } from "./distances.ts";
import { type BlocksOrRows, blocksOf } from "./matrix.ts";
import { leastProduct, prepare, productBlocks, productError } from "./products.ts";
import { seededOrder } from "./sample.ts";

export interface PairsOptions {
  readonly metric: Metric;
  /** What computes the products; where it is left out, this thread alone. */
  readonly device?: Device;
  readonly onProgress?: (done: number, total: number) => void;
}

export const pairsRules: rule.Rules<PairsOptions> = {
  metric: rule.oneOf(...metrics),
  device: rule.device,
  onProgress: rule.callback,
};

/**
 * Tells `near` all pairs of rows, the higher index first, whose distance in float64 is at most `threshold`, but those that
 * `known` says need not be looked at.
 * @throws UsageError for wrong arguments, by their names; UserError for rows that are not all numbers; DeviceError
 */
export async function pairsWithin(
  given: BlocksOrRows,
  threshold: number,
  near: (row: number, column: number, distance: number) => void,
  options: PairsOptions,
  known: (row: number, column: number) => boolean = () => false,
): Promise<void> {
  rule.checkRows("pairsWithin", given);
  if (!rule.distance.fits(threshold))
    throw rule.wrongArgument("pairsWithin", "threshold", rule.distance.must, threshold);
  if (!rule.callback.fits(near)) throw rule.wrongArgument("pairsWithin", "near", rule.callback.must, near);
  rule.checkArguments("pairsWithin", options, pairsRules, "metric");
  const { metric, device, onProgress = () => {} } = options;
  const source = blocksOf(given);
  const { width } = source;
  await onDevice(device, async (opened) => {
    const prepared = await prepare(source, metric);
    const { squares, scale } = prepared;
    const lengths = squares.map((square) => (metric === "cosine" ? 1 : Math.sqrt(square)));
    const distance = distanceOf[metric];
    const error = 2 * productError(opened, width) + 2 ** -21;
    const least = 2 * leastProduct(width);
    const most = metric === "cosine" ? 2 * threshold : (threshold * scale) ** 2;
    const total = (source.count * (source.count + 1)) / 2;
    let done = 0;
    for await (const { rows, columns, products, stride } of productBlocks(opened, prepared)) {
      for (let r = 0; r < rows.count; r++) {
        const row = rows.from + r;
        const own = metric === "cosine" ? 2 : squares[row];
        const end = Math.min(columns.from + columns.count, row);
        for (let column = columns.from; column < end; column++) {
          const square = own + squares[column] - 2 * products[r * stride + column - columns.from];
          // The rounding may have made them seem farther apart than they are.
          if (square > most + error * (lengths[row] + lengths[column]) ** 2 + least) continue;
          if (known(row, column)) continue;
          const apart = distance(
            rows.values,
            r * width,
            columns.values,
            (column - columns.from) * width,
            width,
          );
          if (apart <= threshold) near(row, column, apart);
        }
      }
      const below = Math.min(columns.count, rows.from - columns.from);
      done += rows.count * below + (below < columns.count ? (rows.count * (rows.count + 1)) / 2 : 0);
      onProgress(Math.min(done, total), total);
    }
  });
}

/** What belongs together because of pairs: connected components. */
export interface Groups {
  join(a: number, b: number): void;
  together(a: number, b: number): boolean;
  /** Those of two members or more, each in the order of its numbers, the one with the lowest number first. */
  list(): number[][];
}

export function groupsOf(count: number): Groups {
  const parent = Int32Array.from({ length: count }, (_, i) => i);
  const root = (i: number): number => {
    let at = i;
    while (parent[at] !== at) {
      parent[at] = parent[parent[at]];
      at = parent[at];
    }
    return at;
  };
  return {
    join(a, b) {
      const [x, y] = [root(a), root(b)];
      parent[Math.max(x, y)] = Math.min(x, y);
    },
    together: (a, b) => root(a) === root(b),
    list() {
      const members = new Map<number, number[]>();
      for (let i = 0; i < count; i++) {
        const first = root(i);
        const group = members.get(first);
        if (group) group.push(i);
        else members.set(first, [i]);
      }
      return [...members.values()].filter((group) => group.length > 1);
    },
  };
}

/** Groups of rows of which each is within `threshold` of another of its group. */
export async function nearGroups(
  rows: BlocksOrRows,
  threshold: number,
  options: PairsOptions,
): Promise<number[][]> {
  rule.checkRows("nearGroups", rows);
  const groups = groupsOf(rows.count);
  await pairsWithin(rows, threshold, groups.join, options, groups.together);
  return groups.list();
}

/** Pairs that a scale is taken from. */
const sampledPairs = 2000;

/** The median distance of two rows: what "far" means in these features. 0 where there are no two. */
export async function typicalDistance(given: BlocksOrRows, metric: Metric): Promise<number> {
  const rows = blocksOf(given);
  const { count, width } = rows;
  if (count < 2) return 0;
  const drawn = seededOrder("typical distance", count).slice(0, Math.min(count, sampledPairs));
  const values = await Promise.all(drawn.map((i) => rows.read(i, i + 1)));
  const distances = drawn
    .map((_, i) => distanceOf[metric](values[i], 0, values[(i + 1) % drawn.length], 0, width))
    .sort((a, b) => a - b);
  return distances[distances.length >> 1];
}
