/** The choice of a variant, and the making of packed weights, shared by both executors. */
import { opOf } from "../kernels/index.ts";
import type { Caps, Geometry, GpuKernel, Packing, Variant } from "../kernels/op.ts";
import { checkFinite } from "./finite.ts";
import type { Program, Step, Weight } from "./program.ts";
import type { WeightSource } from "./weights.ts";

/**
 * Whether a program leaves room for kernels that round more. Measured on all networks against float64: with Winograd's
 * tiles of 4x4 those of up to 16 residual sums stay below 0.85 of their bound, ResNet v2 101 (33 sums) goes past it; with
 * tiles of 2x2 none comes near.
 */
const roundsFreely = ({ steps }: Program): boolean =>
  steps.filter((s) => s.epilogue.residual || s.op === "add").length <= 16;

/** What kernels may count on in `program` on a device of these limits. */
export const capsFor = (program: Program, caps: Caps): Caps => ({
  ...caps,
  roundsFreely: caps.roundsFreely && roundsFreely(program),
});

/** What may run a step on a GPU. */
export function gpuVariants({ op, epilogue }: Step): readonly Variant<Geometry, GpuKernel>[] {
  const { gpu } = opOf(op);
  return epilogue.parts ? gpu.filter((v) => v.writesParts) : gpu;
}

/** The variant that fits with the least work, or the one called `forced` where it fits. */
export function chooseVariant<G, K>(
  variants: readonly Variant<G, K>[],
  geometry: G,
  caps: Caps,
  forced?: string,
): Variant<G, K> | undefined {
  const fitting = variants.filter((v) => v.fits(geometry, caps));
  const work = (v: Variant<G, K>) => v.work?.(geometry, caps) ?? Number.POSITIVE_INFINITY;
  return (
    fitting.find((v) => v.name === forced) ??
    fitting.reduce<Variant<G, K> | undefined>(
      (best, v) => (best && work(best) <= work(v) ? best : v),
      undefined,
    )
  );
}

/** Identifies a weight in a layout. */
export const layoutKey = (weight: Weight, packing: Packing | undefined): string =>
  `${weight.key} ${packing?.layout ?? "plain"}`;

/** Reads a weight's variables and makes its value. @throws CheckpointError where a number is none. */
export async function makeWeight(weight: Weight, source: WeightSource): Promise<Float32Array> {
  const values: Float32Array[] = [];
  for (const name of weight.variables) {
    const variable = await source.read(name);
    checkFinite(variable, `${source.name}: ${name} holds`);
    values.push(variable);
  }
  const made = weight.make(values);
  if (made !== values[0])
    checkFinite(made, `${source.name}: what is made of ${weight.variables.join(", ")} holds`);
  return made;
}
