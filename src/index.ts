/** The library's public face. */
import { type Network, type NetworkOptions, openNetwork as openNetworkOn } from "./network/network.ts";
import { nodePlatform } from "./node/platform.ts";

export type { Checkpoint, TensorEntry, TensorValue } from "./checkpoint/index.ts";
export { UserError } from "./errors.ts";
export { type ExtractEvents, type ExtractReport, type ExtractRequest, extract } from "./extract/extract.ts";
export {
  createExtractor,
  type Extractor,
  type ExtractorOptions,
  type Features,
} from "./extract/extractor.ts";
export { ownRooms } from "./extract/rooms.ts";
export { type Pixels, preprocess } from "./images/index.ts";
export { type MapEvents, type MapReport, type MapRequest, mapFeatures } from "./map/map.ts";
export { findModel, type Model, models } from "./nets/index.ts";
export type { Network, NetworkOptions } from "./network/network.ts";
export { openCheckpoint, writeCheckpoint } from "./node/checkpoint.ts";
export { decodeImage, listFolder } from "./node/images/index.ts";
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
