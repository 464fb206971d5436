/** What the extractor is asked for. */
import * as rule from "../arguments.ts";
import { type DeviceName, deviceNames } from "../engine/devices.ts";
import {
  type ExifRule,
  type JpegMethod,
  jpegMethods,
  type PreprocessMode,
  preprocessModes,
} from "../images/index.ts";
import { type Precision, precisions, type WeightOrigin } from "../network/network.ts";
import { type ShadowRule, shadowRules } from "../network/shadows.ts";

/** What `createExtractor` opens, and how images are read for it. Everything may be left out. */
export interface ExtractorOptions {
  /**
   * A network's name, or "auto" to have it told from the checkpoint. Left out: told from the checkpoint where one is named,
   * else mobilenet_v1, whose trained weights are included.
   */
  readonly model?: string;
  /** A checkpoint file, prefix, folder or archive; when left out, one in the folder `checkpoints`, or the included weights. */
  readonly checkpoint?: string;
  /** "seeded" for untrained weights, on purpose. */
  readonly weights?: WeightOrigin["kind"];
  /**
   * End points by TF-Slim's names, or "features", "logits", "penultimate", "-2"; the network's pooled feature when left out.
   * `extract` gives each a file.
   */
  readonly layers?: readonly string[];
  /** Height and width of the network's input in pixels; its own when left out. */
  readonly imageSize?: number;
  /** Average the last map over its area, so that any input size fits. */
  readonly globalPool?: boolean;
  /** Whether moving averages of the variables are used; "auto" when left out: where the file has all. */
  readonly ema?: ShadowRule;
  /** What stands in front of the network's names in the checkpoint, such as "student/"; found when left out. */
  readonly scope?: string;
  /** What computes: "webgpu", "cpu", or "auto" (when left out), which takes a GPU where there is one. */
  readonly device?: DeviceName;
  /** Threads that compute on the CPU; one a core when left out. They change no result. */
  readonly threads?: number;
  /** How a GPU keeps the weights; "f32" when left out. */
  readonly precision?: Precision;
  /**
   * Images computed at once; "auto" (when left out) takes 32 on a GPU and eight on processors, or what the device's limits
   * allow. It changes no result.
   */
  readonly batchSize?: number | "auto";
  /** How images become input; "slim" when left out, the network's own way. */
  readonly preprocess?: PreprocessMode;
  /** Whether photographs are turned upright by EXIF; "auto" when left out. The mode "seed" ignores EXIF whatever is said here. */
  readonly exif?: ExifRule;
  /**
   * How JPEG is decoded; when left out "fast", as TensorFlow does, where this platform can, or for the mode "seed" "accurate", as
   * Pillow does.
   */
  readonly jpeg?: JpegMethod;
  /** Whether ICC profiles are applied; TensorFlow ignores them. */
  readonly icc?: boolean;
  /** What shows through transparent pixels, as [r, g, b]; alpha is dropped when left out, as TensorFlow does. */
  readonly background?: readonly [number, number, number];
  /** Images of more pixels are refused; 2^28 when left out. */
  readonly maxPixels?: number;
  /** Threads that read and decode files; one a core when left out. */
  readonly workers?: number;
  /** Receives sentences that the user should see: which device was taken and why, what is odd about an image. */
  readonly onNotice?: (sentence: string) => void;
}

/** More than so many threads only take memory. */
const mostThreads = 256;

/** What decides how images are read and computed, the same for the extractor and for `extract`. */
export const commonRules = {
  model: rule.text,
  checkpoint: rule.text,
  weights: rule.oneOf("checkpoint", "seeded"),
  layers: rule.texts,
  imageSize: rule.wholeNumber(2 ** 20),
  globalPool: rule.flag,
  ema: rule.oneOf(...shadowRules),
  scope: rule.text,
  device: rule.oneOf(...deviceNames),
  threads: rule.wholeNumber(mostThreads),
  precision: rule.oneOf(...precisions),
  batchSize: rule.either(rule.wholeNumber(4096), rule.oneOf("auto")),
  preprocess: rule.oneOf(...preprocessModes),
  exif: rule.oneOf("auto", "ignore"),
  jpeg: rule.oneOf(...jpegMethods),
  icc: rule.flag,
  background: rule.colour,
  maxPixels: rule.wholeNumber(2 ** 40),
  workers: rule.wholeNumber(mostThreads),
} as const;

export const extractorRules: rule.Rules<ExtractorOptions> = { ...commonRules, onNotice: rule.callback };

/** How far a stream, or a run, is. */
export interface Progress {
  /** Images that are done with, those that failed among them. */
  readonly done: number;
  readonly failed: number;
  /** How many there are; undefined where nobody knows before the end. */
  readonly total: number | undefined;
}

/** How `features` is watched and stopped. */
export interface FeaturesOptions {
  /** Stops the work: the promise rejects with an error called AbortError. */
  readonly signal?: AbortSignal;
  /** Is told after each image. */
  readonly onProgress?: (progress: Progress) => void;
}

/** How a stream is watched and stopped, and what an image that fails does to it. */
export interface StreamOptions extends FeaturesOptions {
  /**
   * What an image does that gives no features: "throw" (when left out) ends the stream with its error, when its turn comes;
   * "skip" gives an item with the error in its place, and goes on.
   */
  readonly onError?: "throw" | "skip";
}

export const featuresRules: rule.Rules<FeaturesOptions> = {
  signal: rule.signal,
  onProgress: rule.callback,
};
export const streamRules: rule.Rules<StreamOptions> = {
  ...featuresRules,
  onError: rule.oneOf("throw", "skip"),
};
