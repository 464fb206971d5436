/** A program while the passes of `compile` still rewrite it. */
import type { Epilogue } from "../kernels/op.ts";
import type { Shape } from "../tensor.ts";
import type { Operand, Step } from "./program.ts";

/** A step while the passes still rewrite it. */
export interface Draft {
  op: Step["op"];
  attrs: unknown;
  operands: Operand[];
  epilogue: Epilogue;
  output: number;
  shape: Shape;
  scope: string;
  /** Shapes of the operation's own operands, for its geometry. */
  inputShapes: Shape[];
}

export interface Drafts {
  steps: Draft[];
  /** Values that must exist when the program ends. */
  readonly wanted: ReadonlySet<number>;
  readonly sizes: ReadonlyMap<number, number>;
}

/** How many times each value is read. */
export function readers(steps: readonly Draft[]): Map<number, number> {
  const count = new Map<number, number>();
  for (const { operands } of steps) {
    for (const o of operands) if (o.kind === "value") count.set(o.value, (count.get(o.value) ?? 0) + 1);
  }
  return count;
}
