/** What features say: neighbours, duplicates, clusters, outliers. Numbers in, numbers out. */

export {
  type Classified,
  type Classifier,
  type ClassReport,
  classifyRows,
  crossValidate,
  type Doubt,
  fitClassifier,
  strengths,
  type ValidateOptions,
  type Validation,
} from "./classifier.ts";
export { classifierFromJson, classifierToJson, type KeptClassifier } from "./classifier-json.ts";
export { type Metric, metrics } from "./distances.ts";
export { type DuplicateFacts, type DuplicateGroup, duplicates, nearThreshold } from "./duplicates.ts";
export { findSpots, type Spot, type SpotOptions, type Spots } from "./hdbscan.ts";
export { type Clusters, type KmeansOptions, kmeans } from "./kmeans.ts";
export {
  type Layout,
  type LayoutMethod,
  type LayoutOptions,
  layout,
  layoutMethods,
  mapNeighbours,
  trustworthiness,
} from "./layout.ts";
export { type Neighbours, type RowBlocks, type Rows, rowOf } from "./matrix.ts";
export { type NearestOptions, nearest } from "./neighbours.ts";
export { type Outlier, outliers } from "./outliers.ts";
export { nearGroups, pairsWithin } from "./pairs.ts";
export { type ChosenClusters, kmeansAuto, silhouette } from "./silhouette.ts";
export { typicalRows } from "./typical.ts";
