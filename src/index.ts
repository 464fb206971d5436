/** The library's public face. */
export {
  type Checkpoint,
  openCheckpoint,
  type TensorEntry,
  type TensorValue,
  writeCheckpoint,
} from "./checkpoint/index.ts";
export { UserError } from "./errors.ts";
export { type ExtractEvents, type ExtractReport, type ExtractRequest, extract } from "./extract/extract.ts";
export {
  createExtractor,
  type Extractor,
  type ExtractorOptions,
  type Features,
} from "./extract/extractor.ts";
export { ownRooms } from "./extract/rooms.ts";
export { decodeImage, listFolder, type Pixels, preprocess } from "./images/index.ts";
export { type MapEvents, type MapReport, type MapRequest, mapFeatures } from "./map/map.ts";
export { findModel, type Model, models } from "./nets/index.ts";
export { type Network, type NetworkOptions, openNetwork } from "./network/network.ts";
export { type Comparison, compareFeatures } from "./tables/compare.ts";
export { type ConvertRequest, convertFeatures } from "./tables/convert.ts";
export { findFormat, formats } from "./tables/formats/index.ts";
export type { FeatureFormat, FeatureRow, FeatureTable } from "./tables/formats/table.ts";
export { readFeatures } from "./tables/readers/index.ts";
