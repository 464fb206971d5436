/** `cluster`: images in groups of their like, with words. */
import { InvalidArgumentError } from "commander";
import type { ChosenClusters } from "../analysis/silhouette.ts";
import { counted } from "../counted.ts";
import { UsageError } from "../errors.ts";
import type { Word } from "../extract/words.ts";
import type { FoundImages } from "../node/images/index.ts";
import type { StoredRows } from "../tables/row-store.ts";
import type { Vectors } from "../tables/vectors.ts";
import type { AddCommand } from "./command.ts";
import {
  commonOptions,
  type FeaturesFlags,
  imagesIn,
  onDevice,
  print,
  withProgress,
  withVectors,
} from "./features.ts";
import type { Io } from "./io.ts";
import { wholeNumber } from "./numbers.ts";
import type { Column } from "./table.ts";

interface Flags extends FeaturesFlags {
  readonly count: number | "auto";
  readonly images?: string;
  readonly seed: string;
  readonly restarts: number;
}

/** Images that words are taken of, and that are named. */
const typicalForWords = 10;
const typicalNamed = 3;
const wordsTold = 3;

interface Told {
  readonly cluster: number;
  readonly size: number;
  readonly typical: readonly string[];
  readonly words: readonly Word[];
}

const clusterColumns: readonly Column<Told>[] = [
  { title: "cluster", right: true, cell: ({ cluster }) => String(cluster) },
  { title: "images", right: true, cell: ({ size }) => String(size) },
  {
    title: "words",
    cell: ({ words }) =>
      words.map(({ word, probability }) => `${word} ${Math.round(100 * probability)} %`).join(", "),
  },
  { title: "most typical", cell: ({ typical }) => typical.slice(0, typicalNamed).join(", ") },
];

interface Assigned {
  readonly path: string;
  readonly cluster: number;
}

const assignedColumns: readonly Column<Assigned>[] = [
  { title: "path", cell: ({ path }) => path },
  { title: "cluster", cell: ({ cluster }) => String(cluster) },
];

function clusterCount(text: string): number | "auto" {
  if (text === "auto") return text;
  try {
    return wholeNumber(1e6)(text);
  } catch {
    throw new InvalidArgumentError("It must be a whole number from 1 to 1000000, or auto.");
  }
}

/** Words for each cluster's typical rows: from the features, where they go into the included network's last layer, else from the images. */
async function wordsOf(
  io: Io,
  vectors: Vectors<StoredRows>,
  typical: readonly number[][],
  inputs: FoundImages["inputs"] | undefined,
  flags: Flags,
): Promise<Word[][]> {
  const { includedHead, logitsOfImages, wordsFor } = await import("../extract/words.ts");
  const { takeRows } = await import("../analysis/sample.ts");
  const head = await includedHead(vectors.madeBy);
  if (head) {
    return Promise.all(
      typical.map(async (rows) => {
        const { data, width } = await takeRows(vectors.rows, rows);
        return wordsFor(
          rows.map((_, i) => head.logits(data.subarray(i * width, (i + 1) * width))),
          wordsTold,
        );
      }),
    );
  }
  if (inputs === undefined) {
    io.err(
      "No words: these features are not those of the included network. --images DIR lets it look at the images.\n",
    );
    return typical.map(() => []);
  }
  const logits = await logitsOfImages(
    typical.flat().map((row) => inputs[row]),
    { device: flags.device, threads: flags.threads, onNotice: (sentence) => io.err(`${sentence}\n`) },
    (reason) => io.err(`${reason}\n`),
  );
  let at = 0;
  return Promise.all(
    typical.map((rows) => {
      const own = logits.slice(at, at + rows.length).filter((l) => l !== undefined);
      at += rows.length;
      return wordsFor(own, wordsTold);
    }),
  );
}

export const addCluster: AddCommand = (program, io) => {
  const command = program
    .command("cluster")
    .description("put images into clusters of their like, with their most typical images and words")
    .argument("<features>", "a features file of any format")
    .option(
      "-k, --count <n>",
      "how many clusters, or auto: the number whose clusters are apart best",
      clusterCount,
      "auto",
    )
    .option(
      "--images <dir>",
      "the folder or archive of the images, for words where the features alone give none",
    )
    .option("--seed <text>", "another draw of the starts", "k-means")
    .option("--restarts <n>", "runs from other starts", wholeNumber(1000), 10);
  for (const option of commonOptions()) command.addOption(option);
  command
    .addHelpText(
      "after",
      `
By k-means, seeded: the same clusters each time. auto tries a few numbers from 2 to 30 and takes the one of
the largest mean silhouette. Words are the likeliest of ImageNet's classes of the most typical images, by the
included network. --csv prints the cluster of each image.

Examples:
  npm run cluster -- features/mobilenet_v1_features.pkl
  npm run cluster -- features/mobilenet_v1_features.pkl -k 12 --csv > clusters.csv`,
    )
    .action(async (file: string, flags: Flags) => {
      const { count, seed, restarts } = flags;
      await withVectors(io, file, flags.layer, async (vectors) => {
        const { rows, paths } = vectors;
        if (typeof count === "number" && count > rows.count) {
          throw new UsageError(
            `${count} clusters cannot be made of ${rows.count} ${rows.count === 1 ? "image" : "images"}.`,
            `Ask for 1 to ${rows.count}, or auto.`,
          );
        }
        const inputs = flags.images === undefined ? undefined : await imagesIn(io, [flags.images], vectors);
        const { kmeans } = await import("../analysis/kmeans.ts");
        const { kmeansAuto } = await import("../analysis/silhouette.ts");
        const { typicalRows } = await import("../analysis/typical.ts");
        const most = (count === "auto" ? 30 : count) * restarts * 10;
        const clusters = await onDevice(io, flags, rows.count * rows.width * most, (device) =>
          withProgress(io, "runs", async (onProgress): Promise<ChosenClusters> => {
            const options = { seed, restarts, device, onProgress };
            if (count === "auto") return kmeansAuto(rows, options);
            return { ...(await kmeans(rows, { ...options, k: count })), trials: [] };
          }),
        );
        const trial = clusters.trials.find(({ k }) => k === clusters.k);
        if (trial)
          io.err(
            `${counted(trial.k, "cluster")} are apart best: a mean silhouette of ${trial.silhouette.toFixed(3)}\n`,
          );
        if (typeof count === "number" && clusters.k < count)
          io.err(
            `There ${clusters.k === 1 ? "is" : "are"} only ${counted(clusters.k, "cluster")}: so many rows are different.\n`,
          );
        const typical = await typicalRows(rows, clusters, typicalForWords);
        const words = flags.csv ? [] : await wordsOf(io, vectors, typical, inputs, flags);
        const told = clusters.sizes.map(
          (size, c): Told => ({
            cluster: c,
            size,
            typical: typical[c].map((row) => paths[row]),
            words: words[c] ?? [],
          }),
        );
        const assigned = paths.map((path, row): Assigned => ({ path, cluster: clusters.labels[row] }));
        if (flags.csv) return print(io, flags, { columns: assignedColumns, rows: assigned, json: undefined });
        await print(io, flags, {
          columns: clusterColumns,
          rows: told,
          json: {
            k: clusters.k,
            inertia: clusters.inertia,
            trials: clusters.trials,
            clusters: told,
            images: assigned,
          },
        });
      });
    });
};
