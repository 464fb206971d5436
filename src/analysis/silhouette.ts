/** How well clusters are apart (Rousseeuw, 1987), and the number of clusters that are apart best. */
import * as rule from "./arguments.ts";
import { onDevice } from "./device.ts";
import { distanceOf } from "./distances.ts";
import { type Clusters, type KmeansOptions, kmeans, kmeansRules } from "./kmeans.ts";
import { type BlocksOrRows, blocksOf, type Rows } from "./matrix.ts";
import { seededSample, takeRows } from "./sample.ts";

/** Rows that silhouettes are taken of, and that numbers of clusters are tried on. */
const mostMeasured = 1000;
const mostTried = 10_000;
const tried = [2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30];
const restartsTried = 3;

/** Euclidean distances of all pairs of rows, [count, count]. */
export function allDistances({ count, width, data }: Rows): Float32Array {
  const distances = new Float32Array(count * count);
  for (let a = 0; a < count; a++) {
    for (let b = 0; b < a; b++) {
      const apart = distanceOf.euclidean(data, a * width, data, b * width, width);
      distances[a * count + b] = apart;
      distances[b * count + a] = apart;
    }
  }
  return distances;
}

/**
 * The mean silhouette, from -1 to 1, of points with these labels and distances, [count, count]: for each, how much nearer its own cluster is
 * than the next one. A point that is alone in its cluster counts as 0. NaN where there are no two clusters.
 */
export function silhouette(distances: Float32Array, labels: ArrayLike<number>): number {
  const count = labels.length;
  const k = 1 + Array.from(labels).reduce((a, b) => Math.max(a, b), -1);
  const sizes = new Int32Array(k);
  for (let i = 0; i < count; i++) sizes[labels[i]]++;
  if (sizes.filter((s) => s > 0).length < 2) return Number.NaN;
  const sums = new Float64Array(k);
  let total = 0;
  for (let i = 0; i < count; i++) {
    if (sizes[labels[i]] === 1) continue;
    sums.fill(0);
    for (let j = 0; j < count; j++) sums[labels[j]] += distances[i * count + j];
    const own = sums[labels[i]] / (sizes[labels[i]] - 1);
    let other = Number.POSITIVE_INFINITY;
    for (let c = 0; c < k; c++)
      if (c !== labels[i] && sizes[c] > 0) other = Math.min(other, sums[c] / sizes[c]);
    const larger = Math.max(own, other);
    total += larger > 0 ? (other - own) / larger : 0;
  }
  return total / count;
}

export interface Trial {
  readonly k: number;
  readonly silhouette: number;
}

export interface ChosenClusters extends Clusters {
  /** What was tried, where the number was not given. */
  readonly trials: readonly Trial[];
}

const { k: _, starts: __, ...autoRules } = kmeansRules;

/**
 * Clusters by k-means in a number that is chosen: of a few from 2 to 30, the one of the largest mean silhouette, of equal ones the
 * fewest. Tried on at most 10,000 rows, and measured on 1,000 of them, drawn by the seed.
 * @throws UsageError for wrong arguments, by their names; UserError for rows that are not all numbers
 */
export async function kmeansAuto(
  given: BlocksOrRows,
  options: Omit<KmeansOptions, "k" | "starts"> = {},
): Promise<ChosenClusters> {
  rule.checkRows("kmeansAuto", given);
  rule.checkArguments("kmeansAuto", options, autoRules);
  const { seed = "k-means", onProgress = () => {} } = options;
  const rows = blocksOf(given);
  const some = seededSample(`${seed}/tried`, rows.count, mostTried);
  const few = await takeRows(rows, some);
  const measured = seededSample(`${seed}/measured`, few.count, mostMeasured);
  const distances = allDistances(await takeRows(few, measured));
  const candidates = tried.filter((k) => k < few.count && (k <= 2 || k <= few.count / 2));
  return onDevice(options.device, async (device) => {
    const plain = { ...options, device, onProgress: undefined };
    const trials: Trial[] = [];
    for (const [i, k] of candidates.entries()) {
      const { labels } = await kmeans(few, { ...plain, k, restarts: restartsTried });
      const value = silhouette(
        distances,
        measured.map((row) => labels[row]),
      );
      if (!Number.isNaN(value)) trials.push({ k, silhouette: value });
      onProgress(i + 1, candidates.length + 1);
    }
    const best = trials.reduce<Trial | undefined>(
      (a, b) => (a && a.silhouette >= b.silhouette ? a : b),
      undefined,
    );
    // Rows that are all alike are one cluster.
    const clusters = await kmeans(rows, { ...plain, k: best?.k ?? 1 });
    onProgress(candidates.length + 1, candidates.length + 1);
    return { ...clusters, trials };
  });
}
