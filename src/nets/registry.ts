/** The registry: one record a network. Everything that is known of a network besides its layers is here. */
import { inceptionResnetV2 } from "./inception-resnet-v2.ts";
import { inceptionV1 } from "./inception-v1.ts";
import { inceptionV2 } from "./inception-v2.ts";
import { inceptionV3 } from "./inception-v3.ts";
import { inceptionV4 } from "./inception-v4.ts";
import type { BuildNet } from "./layers.ts";
import { mobilenetV1, mobilenetV2 } from "./mobilenet.ts";
import { nasnet } from "./nasnet.ts";
import { alexnetV2, cifarnet, lenet, overfeat, vgg16, vgg19, vggA } from "./plain.ts";
import { resnetV1, resnetV2 } from "./resnet.ts";

/** Which of TF-Slim's evaluation preprocessings the published weights were trained for. */
export type PreprocessFamily = "inception" | "vgg" | "cifarnet" | "lenet";

/** A published archive of weights. */
export interface Archive {
  readonly url: string;
  /** The name of the checkpoint inside, as the user meets it after unpacking. */
  readonly checkpoint: string;
}

/** Published weights that come with the project. */
export interface IncludedWeights {
  /** The checkpoint's name in the folder of weights. */
  readonly checkpoint: string;
  /** The hash by which a checkpoint is known to be this one. */
  readonly sha256: string;
}

/** What is known of a network before it is opened. */
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
  /** Top-1 and top-5 accuracy on ImageNet in percent, as published for the archive. */
  readonly accuracy?: readonly [top1: number, top5: number];
  readonly archive?: Archive;
  readonly included?: IncludedWeights;
  /**
   * Whether the published file's plain variables are the ones to use although moving averages stand beside them: those of
   * NASNet and PNASNet were made good before publishing.
   */
  readonly plainVariables?: boolean;
  readonly build: BuildNet;
}

/** The bucket behind http://download.tensorflow.org, by its address under https. */
const published = "https://storage.googleapis.com/download.tensorflow.org/models";
const mobilenetV2Storage = "https://storage.googleapis.com/mobilenet_v2/checkpoints";

/** An archive that holds `<name>.ckpt`. */
const archive = (name: string, date: string, checkpoint = `${name}.ckpt`): Archive => ({
  url: `${published}/${name}_${date}.tar.gz`,
  checkpoint,
});

const imagenet = { inputSize: 224, inputChannels: 3, classes: 1001, preprocess: "inception" } as const;
const vggLike = { ...imagenet, classes: 1000, preprocess: "vgg" } as const;

const mobilenetV1Of = (suffix: string, multiplier: number, accuracy?: readonly [number, number]): Model => {
  const size = multiplier === 1 ? "1.0" : `${multiplier}`;
  const file = `mobilenet_v1_${size}_224`;
  return {
    ...imagenet,
    name: `mobilenet_v1${suffix}`,
    featureEndPoint: "AvgPool_1a",
    accuracy,
    archive: { url: `${published}/mobilenet_v1_2018_08_02/${file}.tgz`, checkpoint: `${file}.ckpt` },
    build: mobilenetV1(multiplier),
  };
};

const mobilenetV2Of = (suffix: string, multiplier: number, accuracy?: readonly [number, number]): Model => {
  const size = multiplier === 1 ? "1.0" : `${multiplier}`;
  const file = `mobilenet_v2_${size}_224`;
  return {
    ...imagenet,
    name: `mobilenet_v2${suffix}`,
    featureEndPoint: "global_pool",
    accuracy,
    archive: { url: `${mobilenetV2Storage}/${file}.tgz`, checkpoint: `${file}.ckpt` },
    build: mobilenetV2(multiplier),
  };
};

const resnetV1Of = (layers: number, accuracy?: readonly [number, number]): Model => ({
  ...vggLike,
  name: `resnet_v1_${layers}`,
  featureEndPoint: "global_pool",
  accuracy,
  archive: accuracy && archive(`resnet_v1_${layers}`, "2016_08_28"),
  build: resnetV1(layers),
});

/** The published accuracy belongs to 299 pixels and inception's preprocessing, whatever the factories of TF-Slim say. */
const resnetV2Of = (layers: number, accuracy?: readonly [number, number]): Model => ({
  ...imagenet,
  inputSize: 299,
  name: `resnet_v2_${layers}`,
  featureEndPoint: "global_pool",
  accuracy,
  archive: accuracy && archive(`resnet_v2_${layers}`, "2017_04_14"),
  build: resnetV2(layers),
});

const nasnetMobile = { kind: "imagenet", filters: 32 } as const;
const nasnetLarge = { kind: "imagenet", filters: 96 } as const;

/** The network that is meant where none is named: its trained weights are included. */
export const usualModel = "mobilenet_v1";

export const models: readonly Model[] = [
  {
    ...imagenet,
    name: "inception_v1",
    featureEndPoint: "AvgPool_0a_7x7",
    accuracy: [69.8, 89.6],
    archive: archive("inception_v1", "2016_08_28"),
    build: inceptionV1,
  },
  {
    ...imagenet,
    name: "inception_v2",
    featureEndPoint: "AvgPool_1a",
    accuracy: [73.9, 91.8],
    archive: archive("inception_v2", "2016_08_28"),
    build: inceptionV2,
  },
  {
    ...imagenet,
    name: "inception_v3",
    inputSize: 299,
    featureEndPoint: "AvgPool_1a",
    accuracy: [78.0, 93.9],
    archive: archive("inception_v3", "2016_08_28"),
    build: inceptionV3,
  },
  {
    ...imagenet,
    name: "inception_v4",
    inputSize: 299,
    featureEndPoint: "global_pool",
    accuracy: [80.2, 95.2],
    archive: archive("inception_v4", "2016_09_09"),
    build: inceptionV4,
  },
  {
    ...imagenet,
    name: "inception_resnet_v2",
    inputSize: 299,
    featureEndPoint: "global_pool",
    accuracy: [80.4, 95.3],
    // The date is part of the name inside this archive alone.
    archive: archive("inception_resnet_v2", "2016_08_30", "inception_resnet_v2_2016_08_30.ckpt"),
    build: inceptionResnetV2,
  },
  resnetV1Of(50, [75.2, 92.2]),
  resnetV1Of(101, [76.4, 92.9]),
  resnetV1Of(152, [76.8, 93.2]),
  resnetV1Of(200),
  resnetV2Of(50, [75.6, 92.8]),
  resnetV2Of(101, [77.0, 93.7]),
  resnetV2Of(152, [77.8, 94.1]),
  resnetV2Of(200),
  { ...vggLike, name: "vgg_a", featureEndPoint: "vgg_a/fc7", build: vggA },
  {
    ...vggLike,
    name: "vgg_16",
    featureEndPoint: "vgg_16/fc7",
    accuracy: [71.5, 89.8],
    archive: archive("vgg_16", "2016_08_28"),
    build: vgg16,
  },
  {
    ...vggLike,
    name: "vgg_19",
    featureEndPoint: "vgg_19/fc7",
    accuracy: [71.1, 89.8],
    archive: archive("vgg_19", "2016_08_28"),
    build: vgg19,
  },
  { ...vggLike, name: "alexnet_v2", featureEndPoint: "alexnet_v2/fc7", build: alexnetV2 },
  { ...vggLike, name: "overfeat", inputSize: 231, featureEndPoint: "overfeat/fc7", build: overfeat },
  {
    ...mobilenetV1Of("", 1, [70.9, 89.9]),
    included: {
      checkpoint: "mobilenet_v1_1.0_224.ckpt",
      sha256: "e7a06bd0f80dcdd3942e23bc3b04336a600ae1c3c88750ba9580b9d008cb94dc",
    },
  },
  mobilenetV1Of("_075", 0.75, [68.4, 88.2]),
  mobilenetV1Of("_050", 0.5),
  mobilenetV1Of("_025", 0.25),
  mobilenetV2Of("_140", 1.4, [74.9, 92.5]),
  mobilenetV2Of("_130", 1.3),
  mobilenetV2Of("", 1, [71.9, 91.0]),
  mobilenetV2Of("_075", 0.75),
  mobilenetV2Of("_050", 0.5),
  mobilenetV2Of("_035", 0.35),
  {
    ...imagenet,
    name: "nasnet_mobile",
    featureEndPoint: "global_pool",
    accuracy: [74.0, 91.6],
    archive: { url: `${published}/nasnet-a_mobile_04_10_2017.tar.gz`, checkpoint: "model.ckpt" },
    plainVariables: true,
    build: nasnet({
      kind: "nasnet",
      filters: 44,
      cells: 12,
      stem: nasnetMobile,
      skipReductionInput: false,
      epsilon: 0.001,
    }),
  },
  {
    ...imagenet,
    name: "nasnet_large",
    inputSize: 331,
    featureEndPoint: "global_pool",
    accuracy: [82.7, 96.2],
    archive: { url: `${published}/nasnet-a_large_04_10_2017.tar.gz`, checkpoint: "model.ckpt" },
    plainVariables: true,
    build: nasnet({
      kind: "nasnet",
      filters: 168,
      cells: 18,
      stem: nasnetLarge,
      skipReductionInput: true,
      epsilon: 0.001,
    }),
  },
  {
    ...imagenet,
    name: "nasnet_cifar",
    inputSize: 32,
    classes: 10,
    featureEndPoint: "global_pool",
    build: nasnet({
      kind: "nasnet",
      filters: 32,
      cells: 18,
      stem: { kind: "cifar", filters: 96 },
      skipReductionInput: false,
      epsilon: 1e-5,
    }),
  },
  {
    ...imagenet,
    name: "pnasnet_mobile",
    featureEndPoint: "global_pool",
    accuracy: [74.2, 91.9],
    archive: { url: `${published}/pnasnet-5_mobile_2017_12_13.tar.gz`, checkpoint: "model.ckpt" },
    plainVariables: true,
    build: nasnet({
      kind: "pnasnet",
      filters: 54,
      cells: 9,
      stem: nasnetMobile,
      skipReductionInput: true,
      epsilon: 0.001,
    }),
  },
  {
    ...imagenet,
    name: "pnasnet_large",
    inputSize: 331,
    featureEndPoint: "global_pool",
    accuracy: [82.9, 96.2],
    archive: { url: `${published}/pnasnet-5_large_2017_12_13.tar.gz`, checkpoint: "model.ckpt" },
    plainVariables: true,
    build: nasnet({
      kind: "pnasnet",
      filters: 216,
      cells: 12,
      stem: nasnetLarge,
      skipReductionInput: true,
      epsilon: 0.001,
    }),
  },
  {
    ...imagenet,
    name: "cifarnet",
    inputSize: 32,
    classes: 10,
    preprocess: "cifarnet",
    featureEndPoint: "fc4",
    build: cifarnet,
  },
  {
    ...imagenet,
    name: "lenet",
    inputSize: 28,
    inputChannels: 1,
    classes: 10,
    preprocess: "lenet",
    featureEndPoint: "fc3",
    build: lenet,
  },
];
