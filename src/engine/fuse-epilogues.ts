/**
 * Bias, residual sum and activation are written by the step that makes the value, while it is still in a register.
 * A step takes at most one of each, in that order, and only of values that nobody else reads.
 */
import type { AddAttrs } from "../kernels/elementwise.ts";
import { opOf } from "../kernels/index.ts";
import { type Draft, type Drafts, readers } from "./drafts.ts";
import type { Operand } from "./program.ts";

/** `step` with its value times `factor`, by its epilogue's scale and bias. */
function scaled(step: Draft, factor: number): Draft {
  const channels = step.shape.at(-1) ?? 1;
  const times = (o: Operand): Operand => {
    if (o.kind === "value") return o;
    const { key, variables, make } = o.weight;
    const product = (values: readonly Float32Array[]) => make(values).map((v) => v * factor);
    return { kind: "weight", weight: { key: `${key}*${factor}`, variables, make: product } };
  };
  const constant: Operand = {
    kind: "weight",
    weight: {
      key: `${channels} x ${factor}`,
      variables: [],
      make: () => new Float32Array(channels).fill(factor),
    },
  };
  const own = step.inputShapes.length;
  const extra = step.operands.slice(own).map(times);
  return {
    ...step,
    operands: [...step.operands.slice(0, own), ...(step.epilogue.scale ? [] : [constant]), ...extra],
    epilogue: { ...step.epilogue, scale: true },
  };
}

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
      const { scale = 1 } = next.attrs as AddAttrs;
      const other = next.operands.find((o) => o.kind === "value" && o.value !== step.output);
      if (epilogue.residual || other?.kind !== "value" || madeAt(other.value) >= madeAt(step.output))
        return undefined;
      // The scale belongs to the sum's second operand.
      if (scale !== 1 && next.operands[0] !== other) return undefined;
      const sum = scale === 1 ? step : scaled(step, scale);
      return {
        ...sum,
        ...rest,
        operands: [...sum.operands, other],
        epilogue: { ...sum.epilogue, residual: true },
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
