/**
 * Bias, residual sum and activation are written by the step that makes the value, while it is still in a register.
 * A step takes at most one of each, in that order, and only of values that nobody else reads.
 */
import { opOf } from "../kernels/index.ts";
import { type Draft, type Drafts, readers } from "./drafts.ts";

/** `step` with `next` done in its epilogue, or undefined where that is not possible. `madeAt` orders values. */
function fused(step: Draft, next: Draft, madeAt: (value: number) => number): Draft | undefined {
  const { epilogue } = step;
  const rest = { output: next.output, shape: next.shape };
  if (epilogue.activation !== "none") return undefined;
  switch (next.op) {
    case "relu":
    case "relu6":
      return { ...step, ...rest, epilogue: { ...epilogue, activation: next.op } };
    case "bias_add": {
      if (epilogue.bias || epilogue.residual || next.shape.at(-1) !== step.shape.at(-1)) return undefined;
      return {
        ...step,
        ...rest,
        operands: [...step.operands, next.operands[1]],
        epilogue: { ...epilogue, bias: true, activation: next.epilogue.activation },
      };
    }
    case "add": {
      const other = next.operands.find((o) => o.kind === "value" && o.value !== step.output);
      if (epilogue.residual || other?.kind !== "value" || madeAt(other.value) >= madeAt(step.output))
        return undefined;
      return {
        ...step,
        ...rest,
        operands: [...step.operands, other],
        epilogue: { ...epilogue, residual: true },
      };
    }
    default:
      return undefined;
  }
}

export function fuseEpilogues(drafts: Drafts): Drafts {
  const reads = readers(drafts.steps);
  const steps: Draft[] = [];
  /** Where in `steps` each value is made; graph inputs come before all. */
  const places = new Map<number, number>();
  const madeAt = (value: number) => places.get(value) ?? -1;
  for (const next of drafts.steps) {
    // Of a sum's two operands only the one made last can take the other as its residual.
    const from = next.operands
      .flatMap((o) => (o.kind === "value" ? [o.value] : []))
      .toSorted((a, b) => madeAt(b) - madeAt(a))[0];
    const place = from === undefined ? undefined : places.get(from);
    const step = place === undefined ? undefined : steps[place];
    const alone = from !== undefined && reads.get(from) === 1 && !drafts.wanted.has(from);
    const merged = step && alone && opOf(step.op).fusesEpilogue ? fused(step, next, madeAt) : undefined;
    if (merged && place !== undefined) {
      steps[place] = merged;
      places.set(merged.output, place);
    } else {
      places.set(next.output, steps.push(next) - 1);
    }
  }
  return { ...drafts, steps };
}
