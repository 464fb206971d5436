/** The registry: one record a network. Everything that is known of a network besides its layers is here. */
import { createGraph, type Graph, type GraphBuilder, type Value } from "../engine/graph.ts";
import { UsageError } from "../errors.ts";
import { inceptionV1 } from "./inception-v1.ts";

/** Which of TF-Slim's evaluation preprocessings the published weights were trained for. */
export type PreprocessFamily = "inception" | "vgg" | "cifarnet" | "lenet";

/** A published archive of weights. */
export interface Archive {
  readonly url: string;
  /** The name of the checkpoint inside, as the user meets it after unpacking. */
  readonly checkpoint: string;
}

export interface Model {
  readonly name: string;
  /** Height and width of the input in pixels. */
  readonly inputSize: number;
  /** 3 for RGB, 1 for grey. */
  readonly inputChannels: number;
  /** Width of the logits, the background class included where the published file has one. */
  readonly classes: number;
  readonly preprocess: PreprocessFamily;
  /** The pooled feature: the end point that is extracted when none is named. */
  readonly featureEndPoint: string;
  readonly archive?: Archive;
  /** Builds the network on images [N, inputSize, inputSize, inputChannels]; returns the logits [N, classes]. */
  readonly build: (b: GraphBuilder, images: Value, classes: number) => Value;
}

export const models: readonly Model[] = [
  {
    name: "inception_v1",
    inputSize: 224,
    inputChannels: 3,
    classes: 1001,
    preprocess: "inception",
    featureEndPoint: "AvgPool_0a_7x7",
    archive: {
      url: "http://download.tensorflow.org/models/inception_v1_2016_08_28.tar.gz",
      checkpoint: "inception_v1.ckpt",
    },
    build: inceptionV1,
  },
];

/** The record of the network called `name`. @throws UsageError that lists the names there are. */
export function findModel(name: string): Model {
  const model = models.find((m) => m.name === name);
  if (model) return model;
  throw new UsageError(
    `There is no network called "${name}".`,
    `The networks are: ${models.map((m) => m.name).join(", ")}.`,
  );
}

/** What TF-Slim's builder returns beside the end points: the logits, under the name that the reference values use. */
export const returnedLogits = "__logits__";

/** The graph of a network for batches of `batch` images. */
export function buildNetwork(model: Model, batch: number): Graph {
  const b = createGraph();
  const images = b.input("images", [batch, model.inputSize, model.inputSize, model.inputChannels]);
  b.endPoint(returnedLogits, model.build(b, images, model.classes));
  return b.finish();
}
