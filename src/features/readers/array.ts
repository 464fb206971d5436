/** The numpy arrays that a features file may hold. */
import type { Shape } from "../../tensor.ts";
import { sizeOf } from "../../tensor.ts";

export type FloatArray = Float32Array | Float64Array;

/** The features of one image. */
export interface FeatureRow {
  readonly path: string;
  readonly shape: Shape;
  readonly data: FloatArray;
}

/** The numpy type called `name`, such as "<f4"; undefined when it is none of ours. */
export function findDtype(
  name: string,
): { readonly width: 4 | 8; readonly littleEndian: boolean } | undefined {
  const match = /^([<>=|]?)f([48])$/.exec(name);
  return match ? { width: match[2] === "4" ? 4 : 8, littleEndian: match[1] !== ">" } : undefined;
}

/** The numbers in `bytes`; undefined when their length does not fit `shape`. */
export function readFloats(
  bytes: Uint8Array,
  shape: Shape,
  { width, littleEndian }: { readonly width: 4 | 8; readonly littleEndian: boolean },
): FloatArray | undefined {
  if (bytes.length !== sizeOf(shape) * width) return undefined;
  const own = Buffer.from(new Uint8Array(bytes).buffer);
  if (width === 4) return new Float32Array((littleEndian ? own : own.swap32()).buffer);
  return new Float64Array((littleEndian ? own : own.swap64()).buffer);
}
