/**
 * The least value of a smooth function: L-BFGS (Nocedal and Wright, "Numerical Optimization", 2006, algorithms 7.4 and 7.5),
 * with the line search of Lewis and Overton ("Nonsmooth optimization via quasi-Newton methods", 2013, algorithm 2.6).
 */

export interface MinimiseOptions {
  /** It ends where no number of the gradient is larger. */
  readonly tolerance: number;
  /** Steps at most. */
  readonly mostSteps: number;
}

export interface Minimum {
  readonly x: Float64Array;
  readonly value: number;
  readonly steps: number;
}

/** Gives the value at `x`, and writes the gradient there. */
export type Slope = (x: Float64Array, gradient: Float64Array) => Promise<number>;

/** Steps whose curvature is remembered. */
const memory = 10;
/** The shares of the slope that a step must gain, and may leave. */
const gain = 1e-4;
const rest = 0.9;
/** After so many tries along one direction, what is left of it is smaller than the numbers can tell. */
const mostTries = 40;

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
};

const largest = (values: Float64Array): number => {
  let most = 0;
  for (const v of values) most = Math.max(most, Math.abs(v));
  return most;
};

interface Pair {
  /** Where a step led, and how the gradient changed on it. */
  readonly step: Float64Array;
  readonly change: Float64Array;
  readonly curvature: number;
}

/** The gradient times the inverse of the Hessian, as the remembered steps tell it, downwards. */
function direction(gradient: Float64Array, pairs: readonly Pair[]): Float64Array {
  const d = gradient.map((v) => -v);
  const along = pairs.map(() => 0);
  for (let p = pairs.length - 1; p >= 0; p--) {
    const { step, change, curvature } = pairs[p];
    along[p] = dot(step, d) / curvature;
    for (let i = 0; i < d.length; i++) d[i] -= along[p] * change[i];
  }
  const newest = pairs.at(-1);
  const scale = newest ? newest.curvature / dot(newest.change, newest.change) : 1 / Math.hypot(1, norm(d));
  for (let i = 0; i < d.length; i++) d[i] *= scale;
  for (const [p, { step, change, curvature }] of pairs.entries()) {
    const back = along[p] - dot(change, d) / curvature;
    for (let i = 0; i < d.length; i++) d[i] += back * step[i];
  }
  return d;
}

const norm = (values: Float64Array): number => Math.sqrt(dot(values, values));

/** Goes down from `start` until the gradient is as good as nothing. `start` stays as it is. */
export async function minimise(
  start: Float64Array,
  slope: Slope,
  { tolerance, mostSteps }: MinimiseOptions,
): Promise<Minimum> {
  let x: Float64Array = start.slice();
  let gradient: Float64Array = new Float64Array(x.length);
  let value = await slope(x, gradient);
  const pairs: Pair[] = [];
  let steps = 0;
  while (steps < mostSteps && largest(gradient) > tolerance) {
    const d = direction(gradient, pairs);
    const down = dot(d, gradient);
    let [short, long, length] = [0, Number.POSITIVE_INFINITY, 1];
    let found: { x: Float64Array; gradient: Float64Array; value: number } | undefined;
    for (let tries = 0; tries < mostTries && !found; tries++) {
      const next = x.map((v, i) => v + length * d[i]);
      const there = new Float64Array(x.length);
      const reached = await slope(next, there);
      if (!(reached <= value + gain * length * down)) long = length;
      else if (dot(d, there) < rest * down) short = length;
      else found = { x: next, gradient: there, value: reached };
      length = long < Number.POSITIVE_INFINITY ? (short + long) / 2 : 2 * short;
    }
    if (!found) break;
    const step = found.x.map((v, i) => v - x[i]);
    const change = found.gradient.map((v, i) => v - gradient[i]);
    pairs.push({ step, change, curvature: dot(step, change) });
    if (pairs.length > memory) pairs.shift();
    ({ x, gradient, value } = found);
    steps++;
  }
  return { x, value, steps };
}
