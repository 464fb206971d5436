/** What a checkpoint gives. */
import { bytesOfUtf8, compare } from "../bytes.ts";
import { CheckpointError } from "../errors.ts";
import { formatShape } from "../tensor.ts";
import type { TensorData } from "./dtypes.ts";

/** What a checkpoint says of a tensor. */
export interface TensorEntry {
  readonly name: string;
  /** numpy's name: float32, int64, bool, string ... */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** As stored uncompressed; 0 where elements have no fixed size. */
  readonly bytes: number;
}

/** A tensor with its numbers. */
export interface TensorValue {
  readonly dtype: string;
  readonly shape: readonly number[];
  /**
   * Row-major. float16 and bfloat16 come widened to float32; complex numbers as pairs; bool as bytes of 0 and 1;
   * strings as their bytes.
   */
  readonly data: TensorData;
}

/** Why a file's tensors are not the variables that their names say. */
export interface Caveat {
  /** Sentences for the user: what was done to the file, and what to name instead. */
  readonly sentence: string;
  /** Whether that makes them wrong where names and shapes fit, too. */
  readonly always: boolean;
}

/** A checkpoint that is open: its tensors by name. Close it when it is no longer needed. */
export interface Checkpoint {
  /** What the user named. */
  readonly path: string;
  /** The checkpoint that was found there, by its whole name with the step; a path that opens this one and no other. */
  readonly name: string;
  readonly format: "V1" | "V2" | "frozen graph";
  /** As they are stored, sorted by bytes; a partitioned variable once, under its full name. */
  readonly names: readonly string[];
  /** The variables by their own names, which are not those of `names` where `aliases` has them. */
  readonly variables: readonly string[];
  /** What variables are stored under where that is not their own name, as in object-based checkpoints. */
  readonly aliases: ReadonlyMap<string, string>;
  readonly caveat?: Caveat;
  /** By either name. */
  entry(name: string): TensorEntry | undefined;
  /** @throws CheckpointError when the tensor is missing, damaged, or of a type that cannot be read. */
  read(name: string): Promise<TensorValue>;
  /** As float32. @throws CheckpointError also when the tensor is not of a floating type. */
  readFloat32(name: string): Promise<Float32Array>;
  /**
   * A hash of the content: of the whole files of V1 and of graphs, of the index of V2, which holds a checksum of every
   * tensor. The same in an archive and out of it.
   */
  identify(): Promise<string>;
  close(): Promise<void>;
}

/** What a reader knows of a checkpoint; where it was found is another's to say. */
export type Opened = Omit<Checkpoint, "name" | "variables" | "identify">;

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
    .map((name) => ({ name, bytes: bytesOfUtf8(name) }))
    .sort((a, b) => compare(a.bytes, b.bytes))
    .map(({ name }) => name);
}
