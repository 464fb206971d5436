/** What the extractor takes from its platform, and what it makes of images. */
import type { DecodeOptions, DecodeRules, PreprocessMode, PreprocessOptions } from "../images/index.ts";
import type { Model } from "../nets/index.ts";
import type { Network } from "../network/network.ts";
import type { FoundImage } from "./images.ts";
import type { ExtractorOptions } from "./options.ts";

/** The end points of one image by name, as flat float32 arrays; `Extractor.endPoints` has their shapes. */
export type Features = Readonly<Record<string, Float32Array>>;

/** An image as input for the network, or the clause that says why it is none. */
export type Prepared =
  | {
      readonly input: Float32Array;
      /** What its user should know of its pixels, as a clause. */
      readonly note?: string;
      /** Takes the input back: it must no longer be used. */
      release(): void;
    }
  | { readonly reason: string };

/** How images are decoded and become input. */
export interface Recipe {
  readonly decode: DecodeOptions;
  readonly preprocess: PreprocessOptions;
}

/** What makes inputs of files. */
export interface Reader {
  /** How many images may usefully be read at the same time. */
  readonly atOnce: number;
  /** Kinds of images that this platform has besides, such as a page's bitmaps. */
  readonly own?: { takes(image: unknown): boolean; read(image: unknown): Promise<Prepared> };
  /** Reads a file, or its bytes; `many` tells that others come, so that threads are worth their start. */
  read(image: string | URL | FoundImage | Uint8Array, many: boolean): Promise<Prepared>;
  close(): Promise<void>;
}

/** What the extractor has to know of a network before it is open. */
export type ModelFacts = Pick<Model, "name" | "inputChannels" | "preprocess">;

/** What an extractor takes from its platform. */
export interface ExtractorParts {
  /** The network that the options ask for. */
  chooseModel(options: ExtractorOptions): Promise<ModelFacts>;
  openNetwork(
    model: ModelFacts,
    options: ExtractorOptions,
    notice: ((sentence: string) => void) | undefined,
  ): Promise<Network>;
  decodeRules(mode: PreprocessMode, wishes: DecodeOptions): DecodeRules;
  openReader(recipe: Recipe, workers: number | undefined): Reader;
}
