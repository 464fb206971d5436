/** What features say: neighbours, duplicates, clusters, outliers. Numbers in, numbers out. */
export { type Metric, metrics } from "./distances.ts";
export { type DuplicateFacts, type DuplicateGroup, duplicates, nearThreshold } from "./duplicates.ts";
export { type Clusters, type KmeansOptions, kmeans } from "./kmeans.ts";
export { type Neighbours, type RowBlocks, type Rows, rowOf } from "./matrix.ts";
export { type NearestOptions, nearest } from "./neighbours.ts";
export { type Outlier, outliers } from "./outliers.ts";
export { nearGroups, pairsWithin } from "./pairs.ts";
export { type ChosenClusters, kmeansAuto, silhouette } from "./silhouette.ts";
export { typicalRows } from "./typical.ts";
