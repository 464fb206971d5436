/** Words for images: the likeliest of ImageNet's classes, by the network whose trained weights are included. */
import { UserError } from "../errors.ts";
import type { FoundImage } from "../library/images.ts";
import type { ExtractorOptions } from "../library/options.ts";
import { imagenetNames } from "../nets/imagenet.ts";
import { findModel, usualModel } from "../nets/index.ts";
import { type Head, readHead } from "../network/head.ts";
import { nodePlatform } from "../node/platform.ts";
import type { MadeBy } from "../tables/vectors.ts";
import { createExtractor } from "./extractor.ts";

export interface Word {
  readonly word: string;
  /** The mean probability of its class, from 0 to 1. */
  readonly probability: number;
}

/**
 * The included network's last layer, where the features are what it takes: of that network with its published weights, from its
 * own feature's end point, and not reduced. Undefined for others, whose words need the images.
 */
export async function includedHead(madeBy: MadeBy): Promise<Head | undefined> {
  const model = findModel(usualModel);
  const { included } = model;
  const whole = madeBy.pca === undefined && !madeBy.l2;
  if (!included || !whole || madeBy.weights?.sha256 !== included.sha256) return undefined;
  if (madeBy.endPoint !== model.featureEndPoint) return undefined;
  return readHead(included, nodePlatform);
}

/**
 * The logits of images by the included network, one each; undefined for one that is not there, or cannot be read, of which
 * `failed` is told.
 */
export async function logitsOfImages(
  images: readonly (FoundImage | undefined)[],
  options: Pick<ExtractorOptions, "device" | "threads" | "onNotice">,
  failed: (reason: string) => void,
): Promise<(Float32Array | undefined)[]> {
  if (images.every((image) => image === undefined)) return images.map(() => undefined);
  const extractor = await createExtractor({ ...options, model: usualModel, layers: ["logits"] });
  try {
    const [{ name }] = extractor.endPoints;
    const found: (Float32Array | undefined)[] = [];
    for (const image of images) {
      if (image === undefined) {
        found.push(undefined);
        continue;
      }
      try {
        const [features] = await extractor.features([image]);
        found.push(features[name]);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        failed(error.message);
        found.push(undefined);
      }
    }
    return found;
  } finally {
    await extractor.close();
  }
}

/** The `count` likeliest words for images together: by the mean of their classes' probabilities. */
export async function wordsFor(logits: readonly Float32Array[], count: number): Promise<Word[]> {
  if (logits.length === 0) return [];
  const classes = logits[0].length;
  const names = await imagenetNames(findModel(usualModel), classes, nodePlatform.own.names);
  const means = new Float64Array(classes);
  for (const own of logits) {
    const peak = own.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const odds = Float64Array.from(own, (v) => Math.exp(v - peak));
    const total = odds.reduce((a, b) => a + b, 0);
    for (let c = 0; c < classes; c++) means[c] += odds[c] / total / logits.length;
  }
  return Array.from(means, (probability, c) => ({ c, probability }))
    .sort((a, b) => b.probability - a.probability || a.c - b.c)
    .slice(0, count)
    .map(({ c, probability }) => ({ word: (names?.[c] ?? `class ${c}`).split(",")[0], probability }));
}
