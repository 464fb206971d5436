/** What the analysis works on: rows of numbers, one an image, and for each row those nearest to it. */
import { UserError } from "../errors.ts";

/** `count` rows of `width` float32 values each, row-major: `data` has `count * width` of them. */
export interface Rows {
  readonly count: number;
  readonly width: number;
  readonly data: Float32Array;
}

/** Rows that need not be in memory, such as those of a file: they are read in blocks, front to back. */
export interface RowBlocks {
  readonly count: number;
  readonly width: number;
  /** Rows read at once; what is done with them holds a few blocks in memory. */
  readonly blockRows: number;
  /** The rows `from` to `to` (not with it), row-major. They are not written to. */
  read(from: number, to: number): Promise<Float32Array>;
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

export type BlocksOrRows = Rows | RowBlocks;

/** Rows in memory as one block of all. */
export const blocksOf = (rows: BlocksOrRows): RowBlocks =>
  "read" in rows
    ? rows
    : {
        count: rows.count,
        width: rows.width,
        blockRows: Math.max(1, rows.count),
        read: async (from, to) => rows.data.subarray(from * rows.width, to * rows.width),
      };

/** The beginnings and ends of blocks of at most `most` of `count` things, as even as can be. */
export function evenBlocks(count: number, most: number): { readonly from: number; readonly to: number }[] {
  const blocks = Math.ceil(count / most);
  const size = Math.ceil(count / Math.max(1, blocks));
  return Array.from({ length: blocks }, (_, i) => ({
    from: i * size,
    to: Math.min(count, (i + 1) * size),
  })).filter(({ from, to }) => from < to);
}

/** @throws UserError that names the first row that is not all numbers: a distance from it is none. */
export function checkFinite(block: Float32Array, width: number, from: number): void {
  for (let i = 0; i < block.length; i++) {
    if (Number.isFinite(block[i])) continue;
    throw new UserError(
      `Row ${from + Math.floor(i / width)} is not all numbers: it holds ${block[i]}.`,
      "Leave such rows out; readVectors sets them apart by name.",
    );
  }
}
