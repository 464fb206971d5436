/** The networks: find one by name, build its graph, name its end points. */
import { createGraph, type Graph } from "../engine/graph.ts";
import { UsageError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import type { NetOptions } from "./layers.ts";
import { type Model, models } from "./registry.ts";

export type { Model } from "./registry.ts";
export { models, usualModel } from "./registry.ts";

/** The record of the network called `name`. @throws UsageError with the names that are like it, or all there are. */
export function findModel(name: string): Model {
  const model = models.find((m) => m.name === name);
  if (model) return model;
  const names = models.map((m) => m.name);
  throw new UsageError(
    `There is no network called "${name}".`,
    `${didYouMean(String(name), names) ?? `The networks are: ${names.join(", ")}.`} See all with: npm run models.`,
  );
}

/** What TF-Slim's builder returns beside the end points: the logits, under the name that the reference values use. */
export const returnedLogits = "__logits__";

export interface GraphOptions extends Partial<NetOptions> {
  /** Height and width of the input, when it is not the network's own. */
  readonly imageSize?: number;
}

/** The graph of a network for batches of `batch` images. @throws ShapeError when the input is too small for it. */
export function buildNetwork(model: Model, batch: number, options: GraphOptions = {}): Graph {
  const { imageSize = model.inputSize, classes = model.classes, globalPool = false } = options;
  const b = createGraph();
  const images = b.input("images", [batch, imageSize, imageSize, model.inputChannels]);
  const logits = model.build(b, images, { classes, globalPool });
  if (logits !== undefined) b.endPoint(returnedLogits, logits);
  return b.finish();
}
