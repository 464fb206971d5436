/** Features of new images, made as those of a file were: by the network, weights, preprocessing and reductions that it names. */
import { existsSync } from "node:fs";
import { CheckpointError, UsageError } from "../errors.ts";
import { type JpegMethod, jpegMethods, type PreprocessMode, preprocessModes } from "../images/index.ts";
import type { ImageSource } from "../library/images.ts";
import type { ExtractorOptions } from "../library/options.ts";
import { findModel } from "../nets/index.ts";
import { chooseWeights } from "../network/weights.ts";
import { nodePlatform } from "../node/platform.ts";
import { type Pca, project } from "../pca.ts";
import { besidePlaces } from "../tables/formats/index.ts";
import { type Pool, poolMap, pools, unitLength } from "../tables/numbers.ts";
import { loadPca } from "../tables/pca.ts";
import type { MadeBy, Vectors } from "../tables/vectors.ts";
import { createExtractor } from "./extractor.ts";

export interface AlikeOptions extends Pick<ExtractorOptions, "device" | "threads" | "onNotice"> {
  /** Where the weights lie, if not where the file says or extract looks. They must be the same ones. */
  readonly checkpoint?: string;
}

const among = <T extends string>(value: string | undefined, known: readonly T[]): T | undefined =>
  known.find((k) => k === value);

/**
 * The features of `images`, as rows that can be compared with those of `vectors`.
 * @throws UsageError where the file does not say how its features were made, or they are not of that; CheckpointError where the
 * weights at hand are others, or there are none; ImageError, DeviceError
 */
export async function featuresAlike(
  { file, madeBy, rows }: Pick<Vectors<{ readonly width: number }>, "file" | "madeBy" | "rows">,
  images: readonly ImageSource[],
  options: AlikeOptions = {},
): Promise<Float32Array[]> {
  const { model: name, endPoint, preprocess = {}, weights: from = {}, pool = "none" } = madeBy;
  if (name === undefined || endPoint === undefined) {
    throw new UsageError(
      `${file} does not say which network made its features: there is no ${file}.json that names it.`,
      "A new image can be compared with features that extract wrote, where that file lies beside them.",
    );
  }
  const model = findModel(name);
  const there = [options.checkpoint, from.path].find((path) => path !== undefined && existsSync(path));
  const seeded = from.kind === "seeded";
  if (seeded && options.checkpoint !== undefined) {
    throw new UsageError(`The features of ${file} are of untrained weights, which no checkpoint holds.`);
  }
  const weights = seeded
    ? ({ weights: "seeded" } as const)
    : await chooseWeights(
        model,
        { checkpoint: options.checkpoint ?? there, samplesOnly: false },
        nodePlatform,
      );
  const { device, threads, onNotice } = options;
  const extractor = await createExtractor({
    device,
    threads,
    onNotice,
    model: name,
    ...weights,
    layers: [endPoint],
    imageSize: madeBy.imageSize,
    globalPool: madeBy.globalPool,
    scope: seeded ? undefined : from.scope,
    ema: from.ema === undefined ? undefined : from.ema ? "on" : "off",
    preprocess: among<PreprocessMode>(preprocess.mode, preprocessModes),
    exif: among(preprocess.exif, ["auto", "ignore"] as const),
    jpeg: among<JpegMethod>(preprocess.jpeg, jpegMethods),
    icc: preprocess.icc,
    background: preprocess.background,
  });
  try {
    const { weights: found, endPoints } = extractor;
    if (found.kind === "checkpoint" && from.sha256 !== undefined && found.sha256 !== from.sha256) {
      throw new CheckpointError(
        `The features of ${file} were made with other weights of ${name} than those of ${found.path}: a new image cannot be compared with them.`,
        "Name the checkpoint that they were made with by --checkpoint FILE, or extract the features again.",
      );
    }
    const features = await extractor.features(images);
    const pooled = features.map((feature) =>
      poolMap(feature[endPoint], endPoints[0].shape, among<Pool>(pool, pools) ?? "none"),
    );
    const pca = madeBy.pca && pooled.length > 0 ? await pcaOf(file, madeBy.pca, pooled[0].length) : undefined;
    return pooled.map((feature) => {
      const reduced = pca ? project(pca, feature) : feature;
      const made = madeBy.l2 ? unitLength(reduced) : reduced;
      if (made.length === rows.width) return made;
      throw new UsageError(
        `A new image gives ${made.length} numbers by ${endPoint} of ${name}, and the features of ${file} have ${rows.width}.`,
        "The file beside it may belong to other features. Extract them again.",
      );
    });
  } finally {
    await extractor.close();
  }
}

/** The components that features were reduced by. @throws UsageError where what lies there was fitted to others since */
async function pcaOf(file: string, made: NonNullable<MadeBy["pca"]>, width: number): Promise<Pca> {
  // The file may have been moved with its own.
  const place = [made.file, ...besidePlaces(file, ".pca.json")].find((path) => existsSync(path)) ?? made.file;
  const pca = await loadPca(place, width);
  if (made.explained === undefined || String(made.explained) === String(pca.explained)) return pca;
  throw new UsageError(
    `${place} holds other principal components than those that the features of ${file} were reduced by.`,
    "Extract the features again, or put back the file that was written with them.",
  );
}
