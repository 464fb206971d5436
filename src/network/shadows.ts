/**
 * Exponential moving averages: training may keep beside each trainable variable a smoothed shadow, and the published
 * accuracy of some networks belongs to the shadows (tf.train.ExponentialMovingAverage.variables_to_restore).
 */
import type { WeightSource } from "../engine/weights.ts";
import { CheckpointError } from "../errors.ts";
import type { Model } from "../nets/index.ts";

export const shadowSuffix = "/ExponentialMovingAverage";

/** auto: the shadows, where there is one for every trainable variable. */
export const shadowRules = ["auto", "on", "off"] as const;
export type ShadowRule = (typeof shadowRules)[number];

/** Whether training changes a variable by gradients; the statistics of batch norm are measured instead. */
const isTrainable = (name: string) => !/\/moving_(mean|variance)$/.test(name);

/** Whether the averages are used for the variables called `names`. @throws CheckpointError where "on" cannot be had. */
export function useShadows(
  rule: ShadowRule,
  model: Model,
  source: WeightSource,
  names: readonly string[],
): boolean {
  if (rule === "off") return false;
  const trainable = names.filter(isTrainable);
  const without = trainable.filter((name) => source.shapeOf(name + shadowSuffix) === undefined);
  if (rule === "on") {
    if (without.length === 0) return true;
    const some =
      without.length < trainable.length ? `for ${without.length} of ${trainable.length} variables` : "in it";
    throw new CheckpointError(
      `There are no moving averages ${some}: ${source.name}${without.length < trainable.length ? `, such as ${without[0]}` : ""}.`,
      "Use --ema off for the plain variables.",
    );
  }
  if (without.length > 0) return false;
  const allPlain = names.every((name) => source.shapeOf(name) !== undefined);
  return !(model.plainVariables && allPlain);
}

/** `source` with every shadow in the place of its variable; a statistic without a shadow is taken as it is. */
export function withShadows(source: WeightSource): WeightSource {
  const pick = (name: string) =>
    source.shapeOf(name + shadowSuffix) === undefined ? name : name + shadowSuffix;
  return {
    ...source,
    shapeOf: (name) => source.shapeOf(pick(name)),
    read: (name) => source.read(pick(name)),
  };
}
