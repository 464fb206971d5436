/** End points by the names that users give, and the input sizes at which they can be had. */
import type { Graph } from "../engine/graph.ts";
import { ShapeError, UsageError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import { buildNetwork, type GraphOptions, returnedLogits } from "./index.ts";
import type { Model } from "./registry.ts";

/** What stands for an end point of every network. */
export const layerAliases = {
  features: "the pooled feature, which is extracted when no layer is named",
  penultimate: "what the logits are computed from: the same",
  "-2": "the same",
  logits: "the scores before the softmax",
} as const;

/** The pooled feature: under global_pool=True it is the average that stands in for the fixed-size pool. */
const featureOf = (model: Model, graph: Graph, { globalPool }: GraphOptions): string =>
  globalPool && graph.endPoints.has("global_pool") ? "global_pool" : model.featureEndPoint;

/** The end point that TF-Slim stores the returned logits under. */
export function logitsOf(graph: Graph): string {
  const value = graph.endPoints.get(returnedLogits);
  const named = [...graph.endPoints].find(([name, v]) => v === value && name !== returnedLogits);
  return named?.[0] ?? returnedLogits;
}

/**
 * The end points called `wanted` (TF-Slim's names or aliases), once each, in that order; the feature when there are none.
 * @throws UsageError that lists the nearest names, or the sizes that fit where the input size does not.
 */
export function resolveEndPoints(
  model: Model,
  graph: Graph,
  wanted: readonly string[],
  options: GraphOptions = {},
): string[] {
  const feature = featureOf(model, graph, options);
  const names = (wanted.length === 0 ? ["features"] : wanted).map((name) => {
    if (name === "features" || name === "penultimate" || name === "-2") return feature;
    return name === "logits" ? logitsOf(graph) : name;
  });
  for (const name of names) {
    if (graph.endPoints.has(name)) continue;
    const why = graph.unavailable.get(name);
    if (why || name === returnedLogits) throw doesNotFit(model, name, options, why);
    const hint = didYouMean(name, [...graph.endPoints.keys(), ...Object.keys(layerAliases)]);
    throw new UsageError(
      `There is no end point called "${name}" in ${model.name}.`,
      `${hint ? `${hint} ` : ""}List them with: npm run layers -- ${model.name}.`,
    );
  }
  return [...new Set(names)];
}

function doesNotFit(
  model: Model,
  name: string,
  options: GraphOptions,
  why: ShapeError | undefined,
): UsageError {
  const [shown, it] =
    name === returnedLogits ? ["The logits are", "They"] : [`The end point ${name} is`, "It"];
  const size = options.imageSize ?? model.inputSize;
  const range = sizesThatFit(model, name, options);
  const averaged = { ...options, globalPool: true };
  const advice = [
    range && `${it} can be had from ${range}.`,
    !options.globalPool &&
      fits(model, "global_pool", averaged, size) &&
      "--global-pool averages the last map instead, whatever its size.",
    "Earlier end points fit other sizes.",
  ];
  return new UsageError(
    `${shown} not to be had from ${size}x${size} pixels: ${why?.message ?? "the network has a fixed head."}`,
    advice.filter(Boolean).join(" "),
  );
}

const largestSize = 2048;

/** Whether an end point can be had at a size. */
function fits(model: Model, name: string, options: GraphOptions, imageSize: number): boolean {
  try {
    return buildNetwork(model, 1, { ...options, imageSize }).endPoints.has(name);
  } catch (error) {
    if (error instanceof ShapeError) return false;
    throw error;
  }
}

/** The sizes around the network's own at which an end point can be had, in words such as "193 to 224 pixels". */
export function sizesThatFit(model: Model, name: string, options: GraphOptions = {}): string | undefined {
  const own = model.inputSize;
  if (!fits(model, name, options, own)) return undefined;
  /** The last size that fits on the way from one that does to one that may not. */
  const edge = (inside: number, outside: number): number => {
    let [good, bad] = [inside, outside];
    if (fits(model, name, options, bad)) return bad;
    while (Math.abs(bad - good) > 1) {
      const middle = Math.trunc((good + bad) / 2);
      if (fits(model, name, options, middle)) good = middle;
      else bad = middle;
    }
    return good;
  };
  const from = edge(own, 1);
  const to = edge(own, largestSize);
  return to === largestSize ? `${from} pixels or more` : `${from} to ${to} pixels`;
}

/** The largest input that is accepted; beyond it, one image would not fit in memory on most machines. */
export const maxImageSize = largestSize;
