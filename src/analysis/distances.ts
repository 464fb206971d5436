/** Distances of two rows in float64, and what is nearest by them: slow, exact, and what all else is held to. */

/** `euclidean`: the length of the difference; `cosine`: 1 less the cosine of the angle, from 0 to 2. */
export type Metric = "euclidean" | "cosine";
export const metrics: readonly Metric[] = ["euclidean", "cosine"];

/**
 * The distance of the row at `a` in `x` from the row at `b` in `y`, both of `width` numbers. Rows of zeros have no angle;
 * their cosine with any other row is taken as 0.
 */
export type DistanceOf = (
  x: Float32Array,
  a: number,
  y: Float32Array,
  b: number,
  width: number,
  /** Half-way there the sum may already say that the distance is at least this; what is given then is at least this too. */
  enough?: number,
) => number;

/** So many numbers are summed between two looks at whether that is enough. */
const stretch = 64;

const euclidean: DistanceOf = (x, a, y, b, width, enough = Number.POSITIVE_INFINITY) => {
  const most = enough * enough;
  let sum = 0;
  for (let from = 0; from < width; from += stretch) {
    const end = Math.min(width, from + stretch);
    for (let i = from; i < end; i++) {
      const apart = x[a + i] - y[b + i];
      sum += apart * apart;
    }
    // A rounding of the square must not cut off what is nearer by a hair.
    if (sum > most * (1 + 1e-12)) break;
  }
  return Math.sqrt(sum);
};

const cosine: DistanceOf = (x, a, y, b, width) => {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < width; i++) {
    const [v, w] = [x[a + i], y[b + i]];
    ab += v * w;
    aa += v * v;
    bb += w * w;
  }
  // Of equal rows the root is exactly their square, and the distance exactly 0.
  return aa === 0 || bb === 0 ? 1 : Math.max(0, 1 - ab / Math.sqrt(aa * bb));
};

export const distanceOf: Readonly<Record<Metric, DistanceOf>> = { euclidean, cosine };

/** The `k` best of what is offered in the order of its indices: the nearest first, of equal ones the first offered. */
export interface Best {
  readonly indices: Int32Array;
  readonly distances: Float64Array;
  /** What is not nearer than this is none of the best. */
  worst: number;
  offer(index: number, distance: number): void;
}

export function bestOf(k: number): Best {
  const indices = new Int32Array(k).fill(-1);
  const distances = new Float64Array(k).fill(Number.POSITIVE_INFINITY);
  const best: Best = {
    indices,
    distances,
    worst: Number.POSITIVE_INFINITY,
    offer(index, distance) {
      if (!(distance < best.worst)) return;
      let at = k - 1;
      for (; at > 0 && distances[at - 1] > distance; at--) {
        distances[at] = distances[at - 1];
        indices[at] = indices[at - 1];
      }
      distances[at] = distance;
      indices[at] = index;
      best.worst = distances[k - 1];
    },
  };
  return best;
}
