/** What every contender computes: a network up to its feature, seeded weights and images. */
import { type Graph, variablesOf } from "../../src/engine/graph.ts";
import type { WeightSource } from "../../src/engine/weights.ts";
import { buildNetwork, findModel } from "../../src/nets/index.ts";
import { seededWeights } from "../../src/nets/seeded-weights.ts";
import { ownFolders } from "../../src/node/folder.ts";
import { seededUnits } from "../../src/seeded.ts";
import { sizeOf } from "../../src/tensor.ts";

export interface Workload {
  readonly model: string;
  readonly batch: number;
  readonly graph: Graph;
  readonly endPoint: string;
  readonly weights: WeightSource;
  /** [batch, height, width, channels]. */
  readonly images: Float32Array;
}

export async function workload(name: string, batch: number): Promise<Workload> {
  const model = findModel(name);
  const graph = buildNetwork(model, batch);
  const weights = await seededWeights(name, variablesOf(graph), ownFolders.statistics);
  const images = seededUnits("bench/images", batch * model.inputSize ** 2 * model.inputChannels);
  const input = graph.nodes.find((n) => n.kind === "input");
  if (!input || sizeOf(input.shape) !== images.length) throw new Error(`${name} takes other images`);
  return { model: name, batch, graph, endPoint: model.featureEndPoint, weights, images };
}

/** A contender with a workload loaded. */
export interface Engine {
  /** Versions, adapter, threads: what a reader wants to know. */
  readonly about: string;
  /** The adapter, where there is one. */
  readonly adapter?: string;
  /** From images in host memory to features in host memory. */
  run(images: Float32Array): Promise<Float32Array>;
  /** Milliseconds that the GPU needs for one run's layers by its own clock, where the engine can tell. */
  readonly gpu?: (images: Float32Array) => Promise<number>;
  close(): Promise<void>;
}

export type OpenEngine = (work: Workload) => Promise<Engine>;
