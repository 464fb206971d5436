/** Networks in numbers, worked out from their graphs: what the tables of models and of layers show. */
import { needs } from "../engine/needs.ts";
import { type Shape, sizeOf } from "../tensor.ts";
import { buildNetwork, type GraphOptions, returnedLogits } from "./index.ts";
import type { Model } from "./registry.ts";

export interface ModelFacts {
  readonly model: Model;
  /** Floats of the variables up to the logits, batch norm's statistics included. */
  readonly parameters: number;
  /** Multiply-adds of convolutions and products up to the logits, for one image. */
  readonly macs: number;
  /** Values of the pooled feature. */
  readonly featureLength: number;
}

export function describeModel(model: Model): ModelFacts {
  const graph = buildNetwork(model, 1);
  const { parameters, macs } = needs(graph, [returnedLogits]);
  const feature = graph.nodes[graph.endPoints.get(model.featureEndPoint) as number];
  return { model, parameters, macs, featureLength: sizeOf(feature.shape) };
}

export interface EndPointFacts {
  readonly name: string;
  /** For one image, without the batch. */
  readonly shape: Shape;
  readonly elements: number;
  /** Multiply-adds up to there. */
  readonly macs: number;
  /** Floats of the variables up to there. */
  readonly parameters: number;
}

export interface LayersOfModel {
  readonly endPoints: readonly EndPointFacts[];
  /** End points that the input size does not allow, and why. */
  readonly unavailable: readonly { readonly name: string; readonly reason: string }[];
}

/** Every end point of a network in the order it makes them. @throws ShapeError where the input is too small. */
export function describeLayers(model: Model, options: GraphOptions = {}): LayersOfModel {
  const graph = buildNetwork(model, 1, options);
  const names = [...graph.endPoints.keys()].filter((name) => name !== returnedLogits);
  return {
    endPoints: names.map((name) => {
      const shape = graph.nodes[graph.endPoints.get(name) as number].shape.slice(1);
      const { macs, parameters } = needs(graph, [name]);
      return { name, shape, elements: sizeOf(shape), macs, parameters };
    }),
    unavailable: [...graph.unavailable].map(([name, error]) => ({ name, reason: error.message })),
  };
}
