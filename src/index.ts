/** The library's public face. */
import { type Network, type NetworkOptions, openNetwork as openNetworkOn } from "./network/network.ts";
import { nodePlatform } from "./node/platform.ts";

export type { Checkpoint, TensorEntry, TensorValue } from "./checkpoint/index.ts";
export {
  CheckpointError,
  DeviceError,
  ImageError,
  NothingToDoError,
  OutputError,
  UsageError,
  UserError,
} from "./errors.ts";
export type { ExtractReport } from "./extract/extract.ts";
export { createExtractor } from "./extract/extractor.ts";
export { type ExtractOptions, type ExtractStart, extract } from "./extract/index.ts";
export type { ExtractRequest } from "./extract/request.ts";
export { type Pixels, preprocess } from "./images/index.ts";
export type { Extractor } from "./library/extractor.ts";
export type { FoundImage, ImageSource, RawImage } from "./library/images.ts";
export type { ExtractorOptions, FeaturesOptions, Progress, StreamOptions } from "./library/options.ts";
export type { Features } from "./library/parts.ts";
export type { StreamedFailure, StreamedFeatures } from "./library/stream.ts";
export { findModel, type Model, models } from "./nets/index.ts";
export type { Network, NetworkOptions } from "./network/network.ts";
export { openCheckpoint, writeCheckpoint } from "./node/checkpoint.ts";
export { decodeImage, listFolder } from "./node/images/index.ts";
export { Stopped } from "./stopped.ts";
export { type Comparison, compareFeatures } from "./tables/compare.ts";
export { type ConvertRequest, convertFeatures } from "./tables/convert.ts";
export { findFormat, formats } from "./tables/formats/index.ts";
export type { FeatureFormat, FeatureRow, FeatureTable } from "./tables/formats/table.ts";
export { readFeatures } from "./tables/readers/index.ts";

/**
 * Opens a checkpoint, compiles a network up to the end points and loads its weights.
 * @throws UsageError (unknown network, end point or size), CheckpointError (weights), DeviceError (no adapter).
 */
export const openNetwork = (options: NetworkOptions): Promise<Network> =>
  openNetworkOn(options, nodePlatform);
