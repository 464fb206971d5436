/**
 * Batch norm at inference is a scale and an offset a channel, so behind a convolution or a product it becomes part of
 * the filter and a bias: w * s and beta - mean * s with s = gamma / sqrt(variance + epsilon), in float64.
 */
import type { BatchNormAttrs } from "../kernels/elementwise.ts";
import { type Draft, type Drafts, readers } from "./drafts.ts";
import type { Operand, Weight } from "./program.ts";

const foldable: ReadonlySet<string> = new Set(["conv2d", "depthwise_conv2d", "matmul"]);

function scaleOf(
  variance: Float32Array,
  gamma: Float32Array | undefined,
  epsilon: number,
  c: number,
): number {
  return (gamma ? gamma[c] : 1) / Math.sqrt(variance[c] + epsilon);
}

function weightsOf(operands: readonly Operand[]): Weight[] {
  return operands.flatMap((o) => (o.kind === "weight" ? [o.weight] : []));
}

function fold(step: Draft, norm: Draft): Draft {
  const [filter] = weightsOf(step.operands);
  const statistics = weightsOf(norm.operands);
  const { epsilon } = norm.attrs as BatchNormAttrs;
  const variables = [...filter.variables, ...statistics.flatMap((w) => w.variables)];
  const foldedFilter: Weight = {
    key: `${filter.key}*batch_norm`,
    variables,
    make([weights, , variance, , gamma]) {
      const channels = variance.length;
      const scale = Float64Array.from(variance, (_, c) => scaleOf(variance, gamma, epsilon, c));
      const folded = new Float32Array(weights.length);
      for (let row = 0; row < folded.length; row += channels) {
        for (let c = 0; c < channels; c++) folded[row + c] = weights[row + c] * scale[c];
      }
      return folded;
    },
  };
  const bias: Weight = {
    key: `${filter.key}+batch_norm`,
    variables: variables.slice(filter.variables.length),
    make: ([mean, variance, beta, gamma]) =>
      mean.map((m, c) => beta[c] - m * scaleOf(variance, gamma, epsilon, c)),
  };
  return {
    ...step,
    operands: [step.operands[0], { kind: "weight", weight: foldedFilter }, { kind: "weight", weight: bias }],
    epilogue: { ...step.epilogue, bias: true },
    output: norm.output,
    shape: norm.shape,
  };
}

/** Folds every batch norm whose input is made by a convolution or product for it alone. */
export function foldBatchNorm(drafts: Drafts): Drafts {
  const reads = readers(drafts.steps);
  const producers = new Map(drafts.steps.map((s) => [s.output, s]));
  const replaced = new Map<Draft, Draft | undefined>();
  for (const norm of drafts.steps) {
    const from = norm.operands[0];
    if (norm.op !== "batch_norm" || from.kind !== "value") continue;
    const step = producers.get(from.value);
    if (!step || !foldable.has(step.op) || reads.get(from.value) !== 1 || drafts.wanted.has(from.value))
      continue;
    replaced.set(step, fold(step, norm));
    replaced.set(norm, undefined);
  }
  const steps = drafts.steps.flatMap((s) => (replaced.has(s) ? (replaced.get(s) ?? []) : s));
  return { ...drafts, steps };
}
