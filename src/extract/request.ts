/** What is asked of an extraction, as the command line and the library say it. */
import * as rule from "../arguments.ts";
import { commonRules, type ExtractorOptions } from "../library/options.ts";
import { type ListOrder, listOrders } from "../node/images/list.ts";
import { type PickleProtocol, pickleProtocols } from "../tables/formats/pkl.ts";
import { dtypeWidth, type FeatureDtype } from "../tables/formats/table.ts";
import { type Pool, pools } from "../tables/numbers.ts";
import type { Shape } from "../tensor.ts";

/** What `extract` reads, computes and writes. All but `inputs` (or `list`) may be left out. */
export interface ExtractRequest extends Omit<ExtractorOptions, "onNotice"> {
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
