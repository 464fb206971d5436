/** What the analysis works on: rows of numbers, one an image, and for each row those nearest to it. */

/** `count` rows of `width` float32 values each, row-major: `data` has `count * width` of them. */
export interface Rows {
  readonly count: number;
  readonly width: number;
  readonly data: Float32Array;
}

/**
 * For each of `count` queries the `k` rows nearest to it, the nearest first; of equal distances the lower index first.
 * `indices` and `distances` have `count * k` values, row-major.
 */
export interface Neighbours {
  readonly k: number;
  readonly indices: Int32Array;
  readonly distances: Float32Array;
}

/** One row, without a copy. */
export const rowOf = ({ data, width }: Rows, row: number): Float32Array =>
  data.subarray(row * width, (row + 1) * width);
