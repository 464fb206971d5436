/** What is asked of an extraction, as the command line and the library say it. */
import type { ExifRule, JpegMethod, PreprocessMode } from "../images/index.ts";
import type { NetworkOptions } from "../network/network.ts";
import type { WeightWishes } from "../network/weights.ts";
import type { ListOrder } from "../node/images/index.ts";
import type { PickleProtocol } from "../tables/formats/pkl.ts";
import type { FeatureDtype } from "../tables/formats/table.ts";
import type { Pool } from "../tables/numbers.ts";
import type { Shape } from "../tensor.ts";

export interface ExtractRequest extends Pick<WeightWishes, "checkpoint" | "weights"> {
  /** A network's name, or "auto" to have it told from the checkpoint; see `chooseModel` for when it is left out. */
  readonly model?: string;
  /**
   * A folder or a tar archive of images, or several of them, whose names then stand before the keys; the project's own
   * samples when left out and there is no list.
   */
  readonly dataDir?: string | readonly string[];
  /** A list of files, as its bytes: names by lines or zero bytes, relative to `dataDir` or else the working folder. */
  readonly list?: Uint8Array;
  /** Whether rows are sorted by name, each image once (the default), or stand as in the list, with its repeats. */
  readonly order?: ListOrder;
  readonly globs?: readonly string[];
  readonly excludes?: readonly string[];
  /** End points or aliases; the network's pooled feature when there are none. Each gives a file. */
  readonly layers?: readonly string[];
  readonly imageSize?: number;
  readonly globalPool?: boolean;
  readonly ema?: NetworkOptions["ema"];
  readonly scope?: NetworkOptions["scope"];
  readonly preprocess: PreprocessMode;
  /** The seed mode ignores EXIF whatever is said here, as Compute-Features did. */
  readonly exif: ExifRule;
  /** How JPEG is decoded; as TensorFlow does by default (fast) when left out, or for the seed mode as Pillow does (accurate). */
  readonly jpeg?: JpegMethod;
  /** Whether ICC profiles are applied; TensorFlow ignores them. */
  readonly icc?: boolean;
  /** What shows through transparent pixels, as [r, g, b]; alpha is dropped when left out, as TensorFlow does. */
  readonly background?: readonly [number, number, number];
  /** Larger images are refused. */
  readonly maxPixels?: number;
  readonly device: NetworkOptions["device"];
  readonly threads?: NetworkOptions["threads"];
  readonly precision?: NetworkOptions["precision"];
  /** Images computed at once; `auto` takes 32 on a GPU and eight on processors, or what the device's limits allow. */
  readonly batchSize: number | "auto";
  /** How maps become vectors; they stay maps when left out. */
  readonly pool?: Pool;
  /** How many principal components to fit and keep of each feature; written to <out>.pca.json. */
  readonly pca?: number;
  /** A file of principal components that an earlier run fitted, instead. */
  readonly pcaFile?: string;
  /** Whether features are divided by their length. */
  readonly l2?: boolean;
  readonly dtype?: FeatureDtype;
  /** How many predictions of each image to write beside the features. */
  readonly topk?: number;
  /** A file with the name of a class on each line. */
  readonly labels?: string;
  readonly out?: string;
  /** Of the file, by name; told by the extension of `out` when left out, and `pkl` where there is none either. */
  readonly format?: string;
  /** Of the format pkl; 3 when left out, 2 for Python 2. */
  readonly pickleProtocol?: PickleProtocol;
  /** Forget what an earlier run into the same output computed. */
  readonly overwrite?: boolean;
  readonly retryFailed?: boolean;
  /** Seconds of work that a kill may lose, at most; 2 when left out. */
  readonly commitEvery?: number;
  /** Decoding workers; one a core when left out. */
  readonly workers?: number;
}

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
