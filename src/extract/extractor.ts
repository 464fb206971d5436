/** The library's extractor: images in, features out, in memory. Files of features are `extract`'s work. */
import type { DeviceName } from "../engine/devices.ts";
import { ImageError } from "../errors.ts";
import {
  checkPreprocess,
  type DecodeOptions,
  decodeRules,
  describePreprocess,
  type PreprocessMode,
  preprocess,
} from "../images/index.ts";
import {
  type EndPoint,
  identifyCheckpoint,
  type Network,
  type NetworkOptions,
  openNetwork,
} from "../network/network.ts";
import { chooseModel, chooseWeights } from "../network/weights.ts";
import { decodeImage, nativeDecoder } from "../node/images/index.ts";
import { nodePlatform } from "../node/platform.ts";
import { sizeOf } from "../tensor.ts";

export interface ExtractorOptions
  extends Pick<
      NetworkOptions,
      "layers" | "imageSize" | "globalPool" | "ema" | "scope" | "threads" | "precision" | "notice"
    >,
    DecodeOptions {
  /**
   * A network's name, or "auto" to have it told from the checkpoint. Left out: told from the checkpoint where one is named,
   * else mobilenet_v1, whose published weights are included.
   */
  readonly model?: string;
  /** A checkpoint file, prefix, folder or archive; when left out, one in `checkpoints`, or included weights. */
  readonly checkpoint?: string;
  /** "seeded" for untrained weights, on purpose. */
  readonly weights?: NetworkOptions["weights"];
  readonly device?: DeviceName;
  readonly preprocess?: PreprocessMode;
}

/** The end points of one image by name, as flat float32 arrays. */
export type Features = Readonly<Record<string, Float32Array>>;

export interface Extractor {
  readonly model: string;
  /** Names and shapes of what each image gives. */
  readonly endPoints: readonly EndPoint[];
  readonly weights: Network["weights"];
  readonly backend: Network["backend"];
  readonly adapter: string;
  /** The preprocessing in words. */
  readonly preprocess: string;
  /**
   * The features of images, given as paths or as the bytes of files, in their order. They are computed as one batch.
   * @throws ImageError for an image that cannot be read; DeviceError.
   */
  features(images: readonly (string | Buffer)[]): Promise<Features[]>;
  close(): Promise<void>;
}

/**
 * Opens a network for use from a program. Close it when it is no longer needed, or the process may not end.
 * @throws UsageError, CheckpointError, DeviceError.
 */
export async function createExtractor(options: ExtractorOptions = {}): Promise<Extractor> {
  const { exif, jpeg, icc, background, maxPixels, preprocess: mode = "slim", device = "auto" } = options;
  const decode = decodeRules(mode, { exif, jpeg, icc, background, maxPixels }, nativeDecoder);
  const model = await chooseModel(options, (path, wishes) => identifyCheckpoint(path, wishes, nodePlatform));
  checkPreprocess(mode, model.inputChannels);
  const weights = await chooseWeights(model, { ...options, samplesOnly: false }, nodePlatform);
  const network = await openNetwork({ ...options, model: model.name, device, ...weights }, nodePlatform);
  const [size, , channels] = network.inputShape;
  const recipe = { family: model.preprocess, mode, size, channels };
  return {
    model: network.model,
    endPoints: network.endPoints,
    weights: network.weights,
    backend: network.backend,
    adapter: network.adapter,
    preprocess: describePreprocess(recipe),
    async features(images) {
      if (images.length === 0) return [];
      const nameOf = (i: number) => (typeof images[i] === "string" ? images[i] : `image ${i}`);
      const inputs = await Promise.all(
        images.map(async (image, i) => {
          const decoded = await decodeImage(image, decode);
          if (decoded.note) options.notice?.(`${nameOf(i)}: ${decoded.note}.`);
          return preprocess(decoded, recipe);
        }),
      );
      const { outputs } = await network.run(inputs);
      for (const [k, { name }] of network.endPoints.entries()) {
        const width = outputs[k].length / images.length;
        const bad = Math.floor(outputs[k].findIndex((v) => !Number.isFinite(v)) / width);
        if (bad < 0) continue;
        const why = await network.explain(inputs[bad]);
        throw new ImageError(`${name} of ${nameOf(bad)} is not all numbers: ${why}.`);
      }
      return images.map((_, i) =>
        Object.fromEntries(
          network.endPoints.map(({ name, shape }, k) => {
            const width = sizeOf(shape);
            return [name, outputs[k].slice(i * width, (i + 1) * width)];
          }),
        ),
      );
    },
    close: () => network.close(),
  };
}
