/** Two features files against each other, image by image. */
import { readFeatures } from "./readers/index.ts";

/** How two files of features differ. */
export interface Comparison {
  /** Images that both files have, and that only one has. */
  readonly both: number;
  readonly onlyFirst: readonly string[];
  readonly onlySecond: readonly string[];
  /** Images whose features are of different lengths. */
  readonly differentLengths: readonly string[];
  readonly identical: number;
  readonly maxDifference: number;
  /** The image with the largest difference. */
  readonly worst: string | undefined;
  /** Quantiles of the cosine between the two features of an image, where both are all numbers: least, 1 %, 10 %, half. */
  readonly cosine:
    | { readonly min: number; readonly p01: number; readonly p10: number; readonly p50: number }
    | undefined;
}

function cosineOf(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  if (aa === 0 || bb === 0) return aa === bb ? 1 : 0;
  return dot / Math.sqrt(aa * bb);
}

/** Compares two files of any formats. The first is held in memory. @throws UserError when one is no features file. */
export async function compareFeatures(first: string, second: string): Promise<Comparison> {
  const waiting = new Map<string, ArrayLike<number>>();
  for await (const { path, data } of readFeatures(first)) waiting.set(path, data);
  /** Images of the second that the first may have too; one that stands there twice is no other image. */
  const met = new Set<string>();
  const onlySecond: string[] = [];
  const differentLengths: string[] = [];
  const cosines: number[] = [];
  let [both, identical, maxDifference] = [0, 0, 0];
  let worst: string | undefined;
  for await (const { path, data } of readFeatures(second)) {
    const other = waiting.get(path);
    met.add(path);
    if (other) both++;
    if (!other) onlySecond.push(path);
    else if (other.length !== data.length) differentLengths.push(path);
    else {
      let difference = 0;
      for (let i = 0; i < data.length; i++) {
        if (Object.is(other[i], data[i])) continue;
        const apart = Math.abs(other[i] - data[i]);
        difference = Math.max(difference, Number.isNaN(apart) ? Number.POSITIVE_INFINITY : apart);
      }
      if (difference === 0) identical++;
      if (difference > maxDifference) [maxDifference, worst] = [difference, path];
      const cosine = cosineOf(other, data);
      // NaN has no place in an order: one would put all others out of theirs.
      if (Number.isFinite(cosine)) cosines.push(cosine);
    }
  }
  cosines.sort((a, b) => a - b);
  const quantile = (q: number) => cosines[Math.min(cosines.length - 1, Math.floor(q * cosines.length))];
  return {
    both,
    onlyFirst: [...waiting.keys()].filter((path) => !met.has(path)),
    onlySecond,
    differentLengths,
    identical,
    maxDifference,
    worst,
    cosine:
      cosines.length === 0
        ? undefined
        : { min: cosines[0], p01: quantile(0.01), p10: quantile(0.1), p50: quantile(0.5) },
  };
}
