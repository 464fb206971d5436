/** The library's public face. */
import { oneOf, wrongArgument } from "./arguments.ts";
import { deviceNames, type OpenDevice, openDevice as openDeviceOn } from "./engine/devices.ts";
import { type Network, type NetworkOptions, openNetwork as openNetworkOn } from "./network/network.ts";
import { nodePlatform } from "./node/platform.ts";

export {
  type ChosenClusters,
  type Classified,
  type Classifier,
  type ClassReport,
  type Clusters,
  classifierFromJson,
  classifierToJson,
  classifyRows,
  crossValidate,
  type Doubt,
  type DuplicateFacts,
  type DuplicateGroup,
  duplicates,
  findSpots,
  fitClassifier,
  type KeptClassifier,
  type KmeansOptions,
  kmeans,
  kmeansAuto,
  type Layout,
  type LayoutOptions,
  layout,
  type Metric,
  mapNeighbours,
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
  type Spot,
  type SpotOptions,
  type Spots,
  silhouette,
  trustworthiness,
  typicalRows,
  type ValidateOptions,
  type Validation,
} from "./analysis/index.ts";
export type { Checkpoint, TensorEntry, TensorValue } from "./checkpoint/index.ts";
export type { Device } from "./engine/device.ts";
export {
  CheckpointError,
  DeviceError,
  ImageError,
  NothingToDoError,
  OutputError,
  UsageError,
  UserError,
} from "./errors.ts";
export { featuresAlike } from "./extract/alike.ts";
export type { ExtractReport } from "./extract/extract.ts";
export { createExtractor } from "./extract/extractor.ts";
export {
  findLayer,
  type LayerFindings,
  type LayerOptions,
  type LayerRequest,
  type LayerTrial,
} from "./extract/find-layer.ts";
export { type ExtractOptions, type ExtractStart, extract } from "./extract/index.ts";
export type { ExtractRequest } from "./extract/request.ts";
export { type Pixels, preprocess } from "./images/index.ts";
export type { Extractor } from "./library/extractor.ts";
export type { FoundImage, ImageSource, RawImage } from "./library/images.ts";
export type { ExtractorOptions, FeaturesOptions, Progress, StreamOptions } from "./library/options.ts";
export type { Features } from "./library/parts.ts";
export type { StreamedFailure, StreamedFeatures } from "./library/stream.ts";
export { type MapReport, mapFeatures } from "./map/map.ts";
export type { MapOptions, MapProgress, MapRequest, MapUnit } from "./map/request.ts";
export { findModel, type Model, models } from "./nets/index.ts";
export type { Network, NetworkOptions } from "./network/network.ts";
export { openCheckpoint, writeCheckpoint } from "./node/checkpoint.ts";
export { decodeImage, listFolder } from "./node/images/index.ts";
export { readPlan } from "./shards/plan.ts";
export { type RunShardOptions, runShard, type ShardReport } from "./shards/run.ts";
export { Stopped } from "./stopped.ts";
export { type Comparison, compareFeatures } from "./tables/compare.ts";
export { type ConvertRequest, convertFeatures } from "./tables/convert.ts";
export { exportTargets } from "./tables/exports.ts";
export { findFormat, formats } from "./tables/formats/index.ts";
export type { FeatureFormat, FeatureRow, FeatureTable } from "./tables/formats/table.ts";
export { type ImageLabels, labelsByFolder, labelsFrom, labelsFromTable } from "./tables/labels.ts";
export { madeOtherwise } from "./tables/made-by.ts";
export { readFeatures } from "./tables/readers/index.ts";
export { openVectors, readVectors, type Vectors } from "./tables/vectors.ts";

/** Opens a device for what computes on one: `nearest`, `kmeans` and the like. Close it when it is no longer needed. @throws UsageError, DeviceError */
export const openDevice: OpenDevice = async (name, wishes) => {
  const known = oneOf(...deviceNames);
  if (!known.fits(name)) throw wrongArgument("openDevice", "name", known.must, name);
  return openDeviceOn(name, nodePlatform, wishes);
};

/**
 * Opens a checkpoint, compiles a network up to the end points and loads its weights.
 * @throws UsageError (unknown network, end point or size), CheckpointError (weights), DeviceError (no adapter).
 */
export const openNetwork = (options: NetworkOptions): Promise<Network> =>
  openNetworkOn(options, nodePlatform);
