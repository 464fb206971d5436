/** The numpy arrays that a features file may hold. */

import { fromHalf } from "../../half.ts";
import type { Shape } from "../../tensor.ts";
import { sizeOf } from "../../tensor.ts";

export type { FeatureRow } from "../formats/table.ts";

export type FloatArray = Float32Array | Float64Array;

export interface ArrayLayout {
  readonly width: 1 | 2 | 4 | 8;
  readonly littleEndian: boolean;
}

/** The numpy type called `name`, such as "<f4"; undefined when it is none of ours: floats, and eight bits with a sign. */
export function findDtype(name: string): ArrayLayout | undefined {
  const match = /^([<>=|]?)(?:f([248])|i(1))$/.exec(name);
  return match
    ? { width: Number(match[2] ?? match[3]) as ArrayLayout["width"], littleEndian: match[1] !== ">" }
    : undefined;
}

/** The numbers in `bytes`; undefined when their length does not fit `shape`. Eight bits are multiplied by `scale`. */
export function readFloats(
  bytes: Uint8Array,
  shape: Shape,
  { width, littleEndian }: ArrayLayout,
  scale = 1,
): FloatArray | undefined {
  if (bytes.length !== sizeOf(shape) * width) return undefined;
  const own = Buffer.from(new Uint8Array(bytes).buffer);
  switch (width) {
    case 1:
      return Float32Array.from(new Int8Array(own.buffer), (v) => v * scale);
    case 2:
      return Float32Array.from(new Uint16Array((littleEndian ? own : own.swap16()).buffer), fromHalf);
    case 4:
      return new Float32Array((littleEndian ? own : own.swap32()).buffer);
    case 8:
      return new Float64Array((littleEndian ? own : own.swap64()).buffer);
  }
}
