/** What is asked of a map, and how its making is watched. */
import { type LayoutMethod, layoutMethods } from "../analysis/layout.ts";
import * as rule from "../arguments.ts";
import type { DeviceName } from "../engine/devices.ts";
import { commonRules } from "../library/options.ts";

export interface MapRequest {
  /** A features file of any format. */
  readonly features: string;
  /** Of several files that one run wrote, the one of this end point. */
  readonly layer?: string;
  /** Where the images are: folders or archives; those of the features' metadata when left out. */
  readonly images?: string | readonly string[];
  /** The page to write; `map.html` when left out. Of more than 5,000 images, their pictures go into a folder beside it. */
  readonly out?: string;
  readonly method?: LayoutMethod;
  /** Another seed gives another map; 0 when left out. */
  readonly seed?: number;
  /** How many neighbours of an image are shown; 12 when left out. */
  readonly neighbours?: number;
  /** How many clusters, or "auto" for the dense spots of the map, which is what is taken when left out. */
  readonly clusters?: number | "auto";
  /** Labels to colour by: "folders", or a table with a column of paths and one of labels. */
  readonly labels?: string;
  readonly title?: string;
  readonly device?: DeviceName;
  readonly threads?: number;
}

/** How the work is watched and stopped. */
export interface MapOptions {
  readonly signal?: AbortSignal;
  /** Is told sentences that the user should see. */
  readonly onNotice?: (sentence: string) => void;
  /** Is told how far a step is. */
  readonly onProgress?: (progress: MapProgress) => void;
}

/** What a step counts: pairs of images compared for neighbours, and for duplicates, rounds of the layout, small pictures. */
export type MapUnit = "pairs" | "duplicates" | "rounds" | "pictures";

export interface MapProgress {
  readonly unit: MapUnit;
  readonly done: number;
  readonly total: number;
}

export const requestRules: rule.Rules<MapRequest> = {
  features: rule.text,
  layer: rule.text,
  images: rule.textOrTexts,
  out: rule.text,
  method: rule.oneOf(...layoutMethods),
  seed: {
    must: "a whole number from 0 on",
    fits: (value) => Number.isSafeInteger(value) && Number(value) >= 0,
  },
  neighbours: rule.wholeNumber(1000),
  clusters: rule.either(rule.wholeNumber(10_000), rule.oneOf("auto")),
  labels: rule.text,
  title: rule.text,
  device: commonRules.device,
  threads: commonRules.threads,
};

export const optionRules: rule.Rules<MapOptions> = {
  signal: rule.signal,
  onNotice: rule.callback,
  onProgress: rule.callback,
};
