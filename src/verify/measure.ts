/** The measure that every verification uses. */

/** max |ours - truth| / scale. Anything that is not a number counts as infinitely wrong. */
export function relativeError(ours: ArrayLike<number>, truth: ArrayLike<number>, scale: number): number {
  if (ours.length !== truth.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < truth.length; i++) {
    const difference = Math.abs(ours[i] - truth[i]);
    if (Number.isNaN(difference)) return Number.POSITIVE_INFINITY;
    if (difference > worst) worst = difference;
  }
  if (worst === 0) return 0;
  return worst / scale;
}

export function maxAbs(values: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]));
  return most;
}

/** One verified case. */
export interface Verdict {
  readonly name: string;
  readonly error: number;
  readonly bound: number;
  /** Why it could not be computed at all, in which case the error is infinite. */
  readonly reason?: string;
}

export const passed = ({ error, bound }: Verdict): boolean => error <= bound;
