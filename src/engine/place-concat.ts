/**
 * A concat over channels copies nothing where the steps before it can write straight into their places in the joint
 * value. They must be all the readers' business: a part that somebody else reads, or that is wanted, stays as it is.
 */

import { opOf } from "../kernels/index.ts";
import type { ConcatAttrs } from "../kernels/layout.ts";
import { type Draft, type Drafts, readers } from "./drafts.ts";

/** The places of a concat's parts, by value, or undefined where a part cannot be written in place. */
function placesOf(
  concat: Draft,
  writers: ReadonlyMap<number, readonly Draft[]>,
  isFree: (value: number) => boolean,
) {
  const { axis } = concat.attrs as ConcatAttrs;
  const rank = concat.shape.length;
  if ((axis < 0 ? axis + rank : axis) !== rank - 1) return undefined;
  const of = concat.shape[rank - 1];
  const places = new Map<number, { channel: number; of: number }>();
  let channel = 0;
  for (const [i, operand] of concat.operands.entries()) {
    const own = concat.inputShapes[i][rank - 1];
    // Kernels write whole vectors of four channels.
    const whole = own % 4 === 0 && channel % 4 === 0 && of % 4 === 0;
    if (operand.kind !== "value" || !whole || !isFree(operand.value)) return undefined;
    const made = writers.get(operand.value) ?? [];
    if (made.length === 0 || !made.every((s) => opOf(s.op).placesOutput)) return undefined;
    places.set(operand.value, { channel, of });
    channel += own;
  }
  return places.size === concat.operands.length ? places : undefined;
}

export function placeConcats(drafts: Drafts): Drafts {
  const reads = readers(drafts.steps);
  const isFree = (value: number) => reads.get(value) === 1 && !drafts.wanted.has(value);
  let steps = drafts.steps;
  for (const concat of drafts.steps) {
    if (concat.op !== "concat") continue;
    const writers = new Map<number, Draft[]>();
    for (const step of steps) writers.set(step.output, [...(writers.get(step.output) ?? []), step]);
    const places = placesOf(concat, writers, isFree);
    if (!places) continue;
    steps = steps.flatMap((step): Draft[] => {
      if (step.output === concat.output) return [];
      const place = places.get(step.output);
      if (!place) return [step];
      // A part may itself be joint: its own parts move along.
      const inner = step.epilogue.placement?.channel ?? 0;
      const placement = { channel: place.channel + inner, of: place.of };
      return [{ ...step, output: concat.output, epilogue: { ...step.epilogue, placement } }];
    });
  }
  return { ...drafts, steps };
}
