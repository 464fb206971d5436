/** What the page asks its helper for, a worker that knows the networks, writes files and lays out maps. */
import type { MapData } from "../src/page/data.ts";

/** A network as the page's table shows it. */
export interface NetworkRow {
  readonly name: string;
  readonly inputSize: number;
  /** Numbers of its feature. */
  readonly width: number;
  readonly top1?: number;
  readonly included: boolean;
  /** Where its published weights are, for whoever wants to fetch them. */
  readonly archive?: string;
}

/** Features in memory: `count` rows of `width`. */
export interface FeatureRows {
  readonly paths: readonly string[];
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface SaveArgument extends FeatureRows {
  readonly format: string;
  readonly metadata: object;
}

export interface MapArgument extends FeatureRows {
  /** The likeliest of ImageNet's classes for each image, where the network tells them. */
  readonly classes?: Int32Array;
  readonly about: string;
  readonly notes: readonly string[];
}

/** All of a map but its pictures, which the page has. */
export type LaidOut = Omit<MapData, "thumbnails">;

export interface HelperCalls {
  networks: { argument: undefined; value: readonly NetworkRow[] };
  save: { argument: SaveArgument; value: Blob };
  map: { argument: MapArgument; value: LaidOut };
}
