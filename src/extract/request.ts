/** What is asked of an extraction, as the command line and the library say it. */
import type { ExifRule, JpegMethod, PreprocessMode } from "../images/index.ts";
import * as rule from "../library/arguments.ts";
import { commonRules } from "../library/options.ts";
import type { NetworkOptions } from "../network/network.ts";
import type { WeightWishes } from "../network/weights.ts";
import { type ListOrder, listOrders } from "../node/images/list.ts";
import { type PickleProtocol, pickleProtocols } from "../tables/formats/pkl.ts";
import { dtypeWidth, type FeatureDtype } from "../tables/formats/table.ts";
import { type Pool, pools } from "../tables/numbers.ts";
import type { Shape } from "../tensor.ts";

/** What `extract` reads, computes and writes. All but `inputs` (or `list`) may be left out. */
export interface ExtractRequest extends Pick<WeightWishes, "checkpoint" | "weights"> {
  /** A network's name, or "auto" to have it told from the checkpoint; see `chooseModel` for when it is left out. */
  readonly model?: string;
  /**
   * A folder or a tar archive of images, or an image, or several of them, whose names then stand before the keys. It may be
   * left out beside a list.
   */
  readonly inputs?: string | readonly string[];
  /**
   * What the metadata call the source of the images, such as an address that they were copied from; `inputs` as they are given
   * when left out. Files of two runs that differ in nothing but the folder of a copy are the same bytes by it.
   */
  readonly source?: string | readonly string[];
  /** A list of files, as its bytes: names by lines or zero bytes, relative to `inputs` or else the working folder. */
  readonly list?: Uint8Array;
  /** Whether rows are sorted by name, each image once (the default), or stand as in the list, with its repeats. */
  readonly order?: ListOrder;
  /** Only paths that match one of these patterns, such as "cats/**". */
  readonly globs?: readonly string[];
  /** No paths that match one of these. */
  readonly excludes?: readonly string[];
  /** End points or aliases; the network's pooled feature when there are none. Each gives a file. */
  readonly layers?: readonly string[];
  /** Height and width of the network's input in pixels; its own when left out. */
  readonly imageSize?: number;
  /** Average the last map over its area, so that any input size fits. */
  readonly globalPool?: boolean;
  /** Whether moving averages of the variables are used; "auto" when left out: where the file has all. */
  readonly ema?: NetworkOptions["ema"];
  /** What stands in front of the network's names in the checkpoint, such as "student/"; found when left out. */
  readonly scope?: NetworkOptions["scope"];
  /** How images become input; "slim" when left out, the network's own way. */
  readonly preprocess?: PreprocessMode;
  /** Whether photographs are turned upright; "auto" when left out. The seed mode ignores EXIF whatever is said here, as Compute-Features did. */
  readonly exif?: ExifRule;
  /** How JPEG is decoded; as TensorFlow does by default (fast) when left out, or for the seed mode as Pillow does (accurate). */
  readonly jpeg?: JpegMethod;
  /** Whether ICC profiles are applied; TensorFlow ignores them. */
  readonly icc?: boolean;
  /** What shows through transparent pixels, as [r, g, b]; alpha is dropped when left out, as TensorFlow does. */
  readonly background?: readonly [number, number, number];
  /** Larger images are refused. */
  readonly maxPixels?: number;
  /** What computes: "webgpu", "cpu", or "auto" (when left out), which takes a GPU where there is one. */
  readonly device?: NetworkOptions["device"];
  /** Threads that compute on the CPU; one a core when left out. They change no result. */
  readonly threads?: NetworkOptions["threads"];
  /** How a GPU keeps the weights; "f32" when left out. */
  readonly precision?: NetworkOptions["precision"];
  /** Images computed at once; "auto" (when left out) takes 32 on a GPU and eight on processors, or what the device's limits allow. */
  readonly batchSize?: number | "auto";
  /** How maps become vectors; they stay maps when left out. */
  readonly pool?: Pool;
  /** How many principal components to fit and keep of each feature; written to <out>.pca.json. */
  readonly pca?: number;
  /** A file of principal components that an earlier run fitted, instead. */
  readonly pcaFile?: string;
  /** Whether features are divided by their length. */
  readonly l2?: boolean;
  /** The type of the numbers in the file; "float32" when left out. The others are lossy, and the loss is in the metadata. */
  readonly dtype?: FeatureDtype;
  /** How many predictions of each image to write beside the features. */
  readonly topk?: number;
  /** A file with the name of a class on each line. */
  readonly labels?: string;
  /** The file to write; features/<model>_features.<format> when left out. */
  readonly out?: string;
  /** Of the file, by name; told by the extension of `out` when left out, and `pkl` where there is none either. */
  readonly format?: string;
  /** Of the format pkl; 3 when left out, 2 for Python 2. */
  readonly pickleProtocol?: PickleProtocol;
  /** Forget what an earlier run into the same output computed. */
  readonly overwrite?: boolean;
  /** Try images again that failed in an earlier run. */
  readonly retryFailed?: boolean;
  /** Write files without a row where no image gives a feature: of a part of a whole that is no failure. */
  readonly mayBeEmpty?: boolean;
  /** Seconds of work that a kill may lose, at most; 2 when left out. */
  readonly commitEvery?: number;
  /** Decoding workers; one a core when left out. */
  readonly workers?: number;
}

/** What most requests leave out. */
const defaults = { preprocess: "slim", exif: "auto", device: "auto", batchSize: "auto" } as const;

/** A request with its defaults. */
export type SettledRequest = ExtractRequest & Required<Pick<ExtractRequest, keyof typeof defaults>>;

export function settled(request: ExtractRequest): SettledRequest {
  const given = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
  return { ...defaults, ...given };
}

/** What each argument of a request has to be. */
export const requestRules: rule.Rules<ExtractRequest> = {
  ...commonRules,
  inputs: rule.textOrTexts,
  source: rule.textOrTexts,
  list: rule.bytes,
  order: rule.oneOf(...listOrders),
  globs: rule.texts,
  excludes: rule.texts,
  pool: rule.oneOf(...pools),
  pca: rule.wholeNumber(65_536),
  pcaFile: rule.text,
  l2: rule.flag,
  dtype: rule.oneOf(...Object.keys(dtypeWidth)),
  topk: rule.wholeNumber(100_000),
  labels: rule.text,
  out: rule.text,
  format: rule.text,
  pickleProtocol: rule.oneOf(...pickleProtocols),
  overwrite: rule.flag,
  retryFailed: rule.flag,
  mayBeEmpty: rule.flag,
  commitEvery: rule.positive,
};

/** Of so few images the run tells what each shows, where the network says it at next to no cost. */
export const fewImages = 20;

/** A feature's place in the network's outputs, and its shape as it is kept. */
export interface KeptEndPoint {
  readonly name: string;
  readonly networkShape: Shape;
  readonly shape: Shape;
}

/** The shape that a feature has on disk: as numpy.squeeze leaves it, but never without a dimension. */
export function storedShape(shape: Shape): Shape {
  const squeezed = shape.filter((d) => d !== 1);
  return squeezed.length === 0 ? [1] : squeezed;
}
