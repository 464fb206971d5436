/** What a program is given to compute from. */
import type { Placement } from "../kernels/op.ts";
import type { Platform } from "../platform/index.ts";
import { sizeOf } from "../tensor.ts";
import type { Program } from "./program.ts";

/** A value's floats, back to back: in one piece, or in several, such as the images of a batch. */
export type Values = Float32Array | readonly Float32Array[];

const piecesOf = (values: Values): readonly Float32Array[] =>
  values instanceof Float32Array ? [values] : values;

/** @throws Error where the inputs of `program` are of other sizes. */
export function checkInputs(program: Program, inputs: readonly Values[]): void {
  program.inputs.forEach(({ shape, name }, i) => {
    const count = piecesOf(inputs[i]).reduce((sum, piece) => sum + piece.length, 0);
    if (count !== sizeOf(shape)) throw new Error(`input ${name}: ${count} values`);
  });
}

/** Copies as many of the values as `to` holds, from the float `first` on. */
export function copyValues(values: Values, first: number, to: Float32Array, copy: Platform["copy"]): void {
  let begin = 0;
  for (const piece of piecesOf(values)) {
    const from = Math.max(first, begin);
    const end = Math.min(first + to.length, begin + piece.length);
    if (from < end) copy(piece.subarray(from - begin, end - begin), to.subarray(from - first));
    begin += piece.length;
  }
}

/** Copies values of `channels` a pixel to their place in a joint value. */
export function putInPlace(
  values: Float32Array,
  joint: Float32Array,
  channels: number,
  { channel, of }: Placement,
): void {
  for (let from = 0, to = channel; from < values.length; from += channels, to += of)
    joint.set(values.subarray(from, from + channels), to);
}
