/** The library's public face. */
export {
  type ChosenClusters,
  type Clusters,
  type DuplicateFacts,
  type DuplicateGroup,
  duplicates,
  type KmeansOptions,
  kmeans,
  kmeansAuto,
  type Metric,
  type NearestOptions,
  type Neighbours,
  nearest,
  nearGroups,
  nearThreshold,
  type Outlier,
  outliers,
  pairsWithin,
  type RowBlocks,
  type Rows,
  silhouette,
  typicalRows,
} from "./analysis/index.ts";
export {
  type Checkpoint,
  openCheckpoint,
  type TensorEntry,
  type TensorValue,
  writeCheckpoint,
} from "./checkpoint/index.ts";
export { UserError } from "./errors.ts";
export { featuresAlike } from "./extract/alike.ts";
export { type ExtractEvents, type ExtractReport, type ExtractRequest, extract } from "./extract/extract.ts";
export {
  createExtractor,
  type Extractor,
  type ExtractorOptions,
  type Features,
} from "./extract/extractor.ts";
export { ownRooms } from "./extract/rooms.ts";
export { decodeImage, listFolder, type Pixels, preprocess } from "./images/index.ts";
export { findModel, type Model, models } from "./nets/index.ts";
export { type Network, type NetworkOptions, openNetwork } from "./network/network.ts";
export { type Comparison, compareFeatures } from "./tables/compare.ts";
export { type ConvertRequest, convertFeatures } from "./tables/convert.ts";
export { exportTargets } from "./tables/exports.ts";
export { findFormat, formats } from "./tables/formats/index.ts";
export type { FeatureFormat, FeatureRow, FeatureTable } from "./tables/formats/table.ts";
export { readFeatures } from "./tables/readers/index.ts";
export { openVectors, readVectors, type Vectors } from "./tables/vectors.ts";
