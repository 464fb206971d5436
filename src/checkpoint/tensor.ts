/** What a checkpoint gives. */
import { CheckpointError } from "../errors.ts";
import { formatShape } from "../tensor.ts";
import type { TensorData } from "./dtypes.ts";

export interface TensorEntry {
  readonly name: string;
  /** numpy's name: float32, int64, bool, string ... */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** As stored uncompressed; 0 where elements have no fixed size. */
  readonly bytes: number;
}

export interface TensorValue {
  readonly dtype: string;
  readonly shape: readonly number[];
  /**
   * Row-major. float16 and bfloat16 come widened to float32; complex numbers as pairs; bool as bytes of 0 and 1;
   * strings as their bytes.
   */
  readonly data: TensorData;
}

export interface Checkpoint {
  /** What the user named. */
  readonly path: string;
  readonly format: "V1" | "V2";
  /** Sorted by bytes; a partitioned variable once, under its full name. */
  readonly names: readonly string[];
  entry(name: string): TensorEntry | undefined;
  /** @throws CheckpointError when the tensor is missing, damaged, or of a type that cannot be read. */
  read(name: string): Promise<TensorValue>;
  /** As float32. @throws CheckpointError also when the tensor is not of a floating type. */
  readFloat32(name: string): Promise<Float32Array>;
  /**
   * A hash of the content: of the whole files of V1, of the index of V2, which holds a checksum of every tensor. The same
   * in an archive and out of it.
   */
  identify(): Promise<string>;
  close(): Promise<void>;
}

/** A tensor's value as float32, for any of the floating types. */
export function toFloat32(path: string, name: string, { dtype, data }: TensorValue): Float32Array {
  if (data instanceof Float32Array && dtype !== "complex64") return data;
  if (data instanceof Float64Array && dtype !== "complex128") return Float32Array.from(data);
  throw new CheckpointError(`The tensor ${name} in ${path} is of type ${dtype}, not a floating one.`);
}

export function missingTensor(path: string, name: string): CheckpointError {
  return new CheckpointError(`There is no tensor ${name} in ${path}.`);
}

export function unreadable(path: string, { name, dtype, shape }: TensorEntry): CheckpointError {
  return new CheckpointError(
    `The tensor ${name} (${dtype} ${formatShape(shape)}) in ${path} is of a type that cannot be read.`,
  );
}

/** Sorted as the files sort them. */
export function sortNames(names: Iterable<string>): string[] {
  return [...names]
    .map((name) => ({ name, bytes: Buffer.from(name) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ name }) => name);
}
