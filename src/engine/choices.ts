/** Which kernel each step of a program would run, why, and what else would fit: the choice of variants.ts, to be read. */
import { opOf } from "../kernels/index.ts";
import type { Caps, Variant } from "../kernels/op.ts";
import type { Tuning } from "../platform/index.ts";
import { arrangedFor } from "./join-siblings.ts";
import type { Program, Step } from "./program.ts";
import { tunedFor } from "./tuning.ts";
import { capsFor, chooseVariant, gpuVariants } from "./variants.ts";

export interface Fitting {
  readonly name: string;
  /** Estimated instructions, where the operation's kernels say them. */
  readonly work?: number;
}

export interface KernelChoice extends Fitting {
  readonly step: Step;
  readonly idea: string;
  /** What the kernel computes at once, where it has a choice. */
  readonly tile?: string;
  /** Whether it was chosen by measurement on this adapter, not by estimate. */
  readonly measured: boolean;
  /** What fits besides, from the least work to the most. */
  readonly others: readonly Fitting[];
}

interface Described {
  readonly tile?: string;
}

function choose<K extends Described>(
  step: Step,
  variants: readonly Variant<Step["geometry"], K>[],
  caps: Caps,
  tuning?: Tuning,
): KernelChoice {
  const tuned = tunedFor(tuning, step);
  const chosen = chooseVariant(variants, step.geometry, caps, tuned.variant);
  if (!chosen)
    return {
      step,
      name: "reference",
      idea: "The operation's plain loop, on one thread.",
      measured: false,
      others: [],
    };
  const fitting = (v: Variant<Step["geometry"], K>): Fitting => ({
    name: v.name,
    work: v.work?.(step.geometry, caps),
  });
  const others = variants
    .filter((v) => v !== chosen && v.fits(step.geometry, caps))
    .map(fitting)
    .sort((a, b) => (a.work ?? Number.POSITIVE_INFINITY) - (b.work ?? Number.POSITIVE_INFINITY));
  const { tile } = chosen.build(step.geometry, step.epilogue, caps, tuned.tile);
  const measured = tuned.variant !== undefined || tuned.tile !== undefined;
  return { step, ...fitting(chosen), idea: chosen.idea, tile, measured, others };
}

/** The kernels of `program` on a device of these limits, step by step. */
export function kernelChoices(
  program: Program,
  backend: "webgpu" | "cpu",
  caps: Caps,
  tuning?: Tuning,
): KernelChoice[] {
  const allowed = capsFor(program, caps);
  return backend === "cpu"
    ? program.steps.map((step) => choose(step, opOf(step.op).cpu, allowed))
    : arrangedFor(program, caps).steps.map((step) => choose(step, gpuVariants(step), allowed, tuning));
}
