/**
 * Batch norm at inference is a scale and an offset a channel: s = gamma / sqrt(variance + epsilon) and beta - mean * s,
 * worked out in float64. Behind a convolution or a product they go into its epilogue. The weights stay as they are:
 * s rounded into each of them would cost as much exactness as all other roundings of the layer.
 */
import type { BatchNormAttrs } from "../kernels/elementwise.ts";
import { opOf } from "../kernels/index.ts";
import { type Draft, type Drafts, readers } from "./drafts.ts";
import type { Operand, Weight } from "./program.ts";

function scaleOf(
  variance: Float32Array,
  gamma: Float32Array | undefined,
  epsilon: number,
  c: number,
): number {
  return (gamma ? gamma[c] : 1) / Math.sqrt(variance[c] + epsilon);
}

function fold(step: Draft, norm: Draft): Draft {
  const statistics = norm.operands.flatMap((o) => (o.kind === "weight" ? [o.weight] : []));
  const { epsilon } = norm.attrs as BatchNormAttrs;
  const variables = statistics.flatMap((w) => w.variables);
  const key = statistics[0].key;
  const scale: Weight = {
    key: `scale of ${key}`,
    variables,
    make: ([, variance, , gamma]) => variance.map((_, c) => scaleOf(variance, gamma, epsilon, c)),
  };
  const offset: Weight = {
    key: `offset of ${key}`,
    variables,
    make: ([mean, variance, beta, gamma]) =>
      mean.map((m, c) => beta[c] - m * scaleOf(variance, gamma, epsilon, c)),
  };
  const added = [scale, offset].map((weight): Operand => ({ kind: "weight", weight }));
  return {
    ...step,
    operands: [...step.operands, ...added],
    epilogue: { ...step.epilogue, scale: true, bias: true },
    output: norm.output,
    shape: norm.shape,
  };
}

/** Folds every batch norm whose input is made, for it alone, by a step that can scale what it writes. */
export function foldBatchNorm(drafts: Drafts): Drafts {
  const reads = readers(drafts.steps);
  const producers = new Map(drafts.steps.map((s) => [s.output, s]));
  const replaced = new Map<Draft, Draft | undefined>();
  for (const norm of drafts.steps) {
    const from = norm.operands[0];
    if (norm.op !== "batch_norm" || from.kind !== "value") continue;
    const step = producers.get(from.value);
    if (!step || !opOf(step.op).fusesEpilogue || reads.get(from.value) !== 1 || drafts.wanted.has(from.value))
      continue;
    replaced.set(step, fold(step, norm));
    replaced.set(norm, undefined);
  }
  const steps = drafts.steps.flatMap((s) => (replaced.has(s) ? (replaced.get(s) ?? []) : s));
  return { ...drafts, steps };
}
