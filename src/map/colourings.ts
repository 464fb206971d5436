/** What tells images apart by colour: clusters with words, the folders they are in, their likeliest classes. */

import { findSpots } from "../analysis/hdbscan.ts";
import { kmeans } from "../analysis/kmeans.ts";
import { rowOf } from "../analysis/matrix.ts";
import { kmeansAuto } from "../analysis/silhouette.ts";
import { typicalRows } from "../analysis/typical.ts";
import type { Device } from "../engine/device.ts";
import { wordsFor } from "../extract/words.ts";
import { imagenetNames } from "../nets/imagenet.ts";
import { findModel, usualModel } from "../nets/index.ts";
import type { Head } from "../network/head.ts";
import { ownFolders } from "../node/folder.ts";
import { colouringBy, mostGroups, toldApart } from "../page/colourings.ts";
import type { Colouring } from "../page/data.ts";
import type { Vectors } from "../tables/vectors.ts";

/** The name of each image's likeliest class by the included network. */
export async function classColouring({ rows }: Vectors, head: Head): Promise<Colouring | undefined> {
  const names = await imagenetNames(findModel(usualModel), head.classes, ownFolders.names);
  const classes = Array.from({ length: rows.count }, (_, row) => {
    const logits = head.logits(rowOf(rows, row));
    let best = 0;
    for (let c = 1; c < logits.length; c++) if (logits[c] > logits[best]) best = c;
    return names?.[best].split(",")[0] ?? `class ${best}`;
  });
  return colouringBy("Likeliest class", classes);
}

/** Gives the logits of images, by their numbers, by the included network; undefined for one that it cannot tell. */
export type LogitsOf = (images: readonly number[]) => Promise<readonly (Float32Array | undefined)[]>;

export interface ClusterOptions {
  /** How many; "auto" for the dense spots of the map. */
  readonly clusters: number | "auto";
  readonly seed: string;
  readonly device: Device;
  readonly logitsOf: LogitsOf;
}

/** A cluster's images, for its name. */
const typicalCount = 10;
/** A word that is less likely than this says nothing. */
const leastProbability = 0.12;

/**
 * Clusters: the dense spots of the map, or, where it has none or a number is asked for, those of k-means. They are called by the
 * likeliest classes of their most typical images where these say something, and else by numbers.
 */
export async function clusterColouring(
  { rows }: Vectors,
  xy: Float32Array,
  { clusters, seed, device, logitsOf }: ClusterOptions,
): Promise<Colouring> {
  const { labels, typical } = await clustersOf();
  const asked = typical.slice(0, mostGroups).flat();
  const logits = new Map((await logitsOf(asked)).map((own, i) => [asked[i], own]));
  const names: string[] = [];
  for (const [i, members] of typical.entries()) {
    const known = members.map((image) => logits.get(image)).filter((own) => own !== undefined);
    const words = await wordsFor(known, 2);
    const told = words.filter(({ probability }) => probability >= leastProbability).map(({ word }) => word);
    names.push(told.length === 0 ? `cluster ${i + 1}` : told.join(", "));
  }
  return { name: "Cluster", groups: toldApart(names), of: labels };

  async function clustersOf(): Promise<{ labels: Int32Array; typical: readonly (readonly number[])[] }> {
    if (clusters === "auto") {
      const { labels, spots } = await findSpots(xy);
      if (spots.length > 0) {
        const typical = spots.map(({ centre }, spot) => nearestOf(xy, labels, spot, centre));
        return { labels, typical };
      }
    }
    const options = { seed, device };
    const found =
      clusters === "auto"
        ? await kmeansAuto(rows, options)
        : await kmeans(rows, { ...options, k: Math.min(clusters, rows.count) });
    return { labels: found.labels, typical: await typicalRows(rows, found, typicalCount) };
  }
}

/** The images of a spot that lie nearest to its centre. */
function nearestOf(xy: Float32Array, labels: Int32Array, spot: number, centre: number): number[] {
  const distance = (i: number) =>
    (xy[2 * i] - xy[2 * centre]) ** 2 + (xy[2 * i + 1] - xy[2 * centre + 1]) ** 2;
  return Array.from(labels.keys())
    .filter((i) => labels[i] === spot)
    .sort((a, b) => distance(a) - distance(b) || a - b)
    .slice(0, typicalCount);
}
