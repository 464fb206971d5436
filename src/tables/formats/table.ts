/** Features as a table, and what a file format of them is. */

import type { AtomicFile } from "../../node/atomic.ts";
import type { Shape } from "../../tensor.ts";

/** float16 and int8 are lossy; an int8 value times the table's `scale` is the feature. */
export type FeatureDtype = "float32" | "float16" | "int8";

/** Bytes of one number. */
export const dtypeWidth: Readonly<Record<FeatureDtype, number>> = { float32: 4, float16: 2, int8: 1 };

/** A text a row, or none. */
export interface TextColumn {
  readonly name: string;
  readonly values: readonly (string | null)[];
}

/** Features as a format writes them. */
export interface FeatureTable {
  /** The images, one a row. */
  readonly paths: readonly string[];
  /** Of one row. */
  readonly shape: Shape;
  readonly dtype: FeatureDtype;
  /** For int8: what a stored number is multiplied by. */
  readonly scale?: number;
  /** More that is known of each image, by the names of columns; only formats of columns have a place for it. */
  readonly columns?: readonly TextColumn[];
  /** How the features were made; goes inside the file where the format has a place for it. */
  readonly metadata: object;
  /** Every row's numbers in order, little-endian and row-major. A row's bytes are good until the next is asked for. */
  rows(): AsyncIterable<Uint8Array>;
}

/** Where a format writes: a file, or a page's memory. */
export interface TableFile {
  /** Takes a copy. @throws OutputError */
  append(bytes: Uint8Array): Promise<void>;
  /** Overwrites bytes written before. */
  patch(position: number, bytes: Uint8Array): Promise<void>;
}

/** A format; one that needs no more than a `TableFile` is written in pages too. */
export interface FeatureFormat<File extends TableFile = AtomicFile> {
  readonly name: string;
  /** One clause for `--help`. */
  readonly description: string;
  /** Whether the paths of the rows have no place in the file and go into the metadata beside it. */
  readonly pathsBeside: boolean;
  /** Whether it is a map from paths to features, which has each path once, and no rows in an order. */
  readonly byKey?: true;
  /**
   * Whether programs take a whole folder of such files as one table (Spark, pyarrow, DuckDB): they leave out names that begin
   * with _, so what lies beside such a file is named so.
   */
  readonly inFolders?: true;
  /** Writes the whole table into `file`, row by row where the format allows, and neither seals nor commits it. */
  write(table: FeatureTable, file: File): Promise<void>;
}

/** One image's feature as it is read from a file: float16 is widened, int8 is multiplied by its scale. */
export interface FeatureRow {
  readonly path: string;
  readonly shape: Shape;
  readonly data: Float32Array | Float64Array;
}

/** The types by the names that options use. */
const byOption: Readonly<Record<string, FeatureDtype>> = { f32: "float32", f16: "float16", i8: "int8" };
export const dtypeNames: readonly string[] = Object.keys(byOption);
export const dtypeOf = (option: string): FeatureDtype => byOption[option] ?? "float32";
