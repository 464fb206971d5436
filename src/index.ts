/** The library's public face. */
export {
  type Checkpoint,
  openCheckpoint,
  type TensorEntry,
  type TensorValue,
  writeCheckpoint,
} from "./checkpoint/index.ts";
export { UserError } from "./errors.ts";
export { type Comparison, compareFeatures } from "./features/compare.ts";
export { type ConvertRequest, convertFeatures } from "./features/convert.ts";
export { type ExtractEvents, type ExtractReport, type ExtractRequest, extract } from "./features/extract.ts";
export {
  createExtractor,
  type Extractor,
  type ExtractorOptions,
  type Features,
} from "./features/extractor.ts";
export { findFormat, formats } from "./features/formats/index.ts";
export type { FeatureFormat, FeatureRow, FeatureTable } from "./features/formats/table.ts";
export { type Network, type NetworkOptions, openNetwork } from "./features/network.ts";
export { readFeatures } from "./features/readers/index.ts";
export { ownRooms } from "./features/rooms.ts";
export { decodeImage, listFolder, type Pixels, preprocess } from "./images/index.ts";
export { findModel, type Model, models } from "./nets/index.ts";
