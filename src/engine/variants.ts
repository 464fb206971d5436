/** The choice of a variant, and the making of packed weights, shared by both executors. */
import type { Caps, Packing, Variant } from "../kernels/op.ts";
import type { Weight } from "./program.ts";
import type { WeightSource } from "./weights.ts";

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

/** Reads a weight's variables and makes its value. */
export async function makeWeight(weight: Weight, source: WeightSource): Promise<Float32Array> {
  const values: Float32Array[] = [];
  for (const name of weight.variables) values.push(await source.read(name));
  return weight.make(values);
}
