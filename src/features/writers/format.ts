/** What a file format of features is: pure functions from rows to bytes, so that files are written row by row. */
import type { Shape } from "../../tensor.ts";

export interface FeatureFormat {
  readonly name: string;
  /** One clause for `--help`. */
  readonly description: string;
  /** The bytes before the first row. When `headTellsRows`, they are written again at the end and keep their length. */
  head(shape: Shape, rows: number): Uint8Array;
  row(path: string, feature: Float32Array, shape: Shape): Uint8Array;
  readonly tail: Uint8Array;
  readonly headTellsRows: boolean;
  /** Whether the paths of the rows have no place in the file and go into the metadata beside it. */
  readonly pathsBeside: boolean;
}

/** The bytes of float32 values as they lie in memory, without a copy. */
export function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
