/** What compiling gives and what executors take: steps in order, on values that live in shared memory slots. */
import type { OpName } from "../kernels/index.ts";
import type { Cost, Epilogue, Geometry } from "../kernels/op.ts";
import type { Shape } from "../tensor.ts";

/** A weight as a step wants it: made from checkpoint variables once, when the program is loaded. */
export interface Weight {
  /** Equal keys mean equal values, so executors keep one copy. */
  readonly key: string;
  readonly variables: readonly string[];
  make(values: readonly Float32Array[]): Float32Array;
}

export type Operand =
  | { readonly kind: "value"; readonly value: number }
  | { readonly kind: "weight"; readonly weight: Weight };

export interface Step {
  readonly op: OpName;
  readonly attrs: unknown;
  readonly geometry: Geometry;
  readonly epilogue: Epilogue;
  /** The operation's own operands, then the epilogue's. */
  readonly operands: readonly Operand[];
  /** The value that it writes. */
  readonly output: number;
  /** Further values that it writes, where its epilogue has parts. */
  readonly others?: readonly number[];
  readonly shape: Shape;
  readonly scope: string;
  readonly cost: Cost;
}

/** All values that a step writes. */
export const outputsOf = ({ output, others = [] }: Step): readonly number[] => [output, ...others];

export interface Program {
  readonly inputs: readonly { readonly name: string; readonly value: number; readonly shape: Shape }[];
  readonly steps: readonly Step[];
  readonly outputs: readonly { readonly name: string; readonly value: number; readonly shape: Shape }[];
  /** The variables that the steps need, with the shapes that the network states. */
  readonly variables: readonly { readonly name: string; readonly shape: Shape }[];
  /** Floats of every value, by value. */
  readonly sizes: ReadonlyMap<number, number>;
}
