/** What several runs of one thing are told by. */

export interface Spread {
  readonly min: number;
  readonly median: number;
}

export function spread(times: readonly number[]): Spread {
  const sorted = times.toSorted((a, b) => a - b);
  return { min: sorted[0], median: sorted[Math.floor(sorted.length / 2)] };
}
