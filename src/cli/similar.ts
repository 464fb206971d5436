/** `similar`: the images that are nearest to one. */
import type { Metric } from "../analysis/distances.ts";
import { ImageError, NothingToDoError, UsageError } from "../errors.ts";
import type { AddCommand } from "./command.ts";
import {
  commonOptions,
  type FeaturesFlags,
  metricOption,
  onDevice,
  print,
  refuseOne,
  rowNamed,
  withVectors,
} from "./features.ts";
import { wholeNumber } from "./numbers.ts";
import { type Column, distanceText } from "./table.ts";

interface Flags extends FeaturesFlags {
  readonly image?: string;
  readonly path?: string;
  readonly count: number;
  readonly model?: string;
  readonly checkpoint?: string;
}

interface Found {
  readonly path: string;
  readonly distance: number;
}

const columns = (metric: Metric): readonly Column<Found>[] => [
  { title: "distance", right: true, cell: ({ distance }) => distanceText(distance, metric) },
  { title: "path", cell: ({ path }) => path },
];

export const addSimilar: AddCommand = (program, io) => {
  const command = program
    .command("similar")
    .description("find the images that are most like one")
    .argument("<features>", "a features file of any format")
    .option("--path <key>", "an image of the file, by its path there")
    .option("--image <file>", "a new image; the network that made the features computes it")
    .option("-k, --count <n>", "how many", wholeNumber(1e6), 10)
    .addOption(metricOption())
    .option("--model <name>", "refuse features of any other network")
    .option("--checkpoint <path>", "where that network's weights lie, if they were moved");
  for (const option of commonOptions()) command.addOption(option);
  command
    .addHelpText(
      "after",
      `
Distances are in float64, the nearest first: by cosine from 0 (the same direction) to 2, or Euclidean.

Examples:
  npm run similar -- features/mobilenet_v1_features.pkl --path hills_01.jpg
  npm run similar -- features/mobilenet_v1_features.pkl --image new.jpg -k 5`,
    )
    .action(async (file: string, flags: Flags) => {
      const { image, path, count, metric } = flags;
      if ((image === undefined) === (path === undefined)) {
        throw new UsageError(
          image === undefined ? "No image is named." : "A new image and one of the file are named.",
          "Name one: --path KEY for an image of the file, or --image FILE for a new one.",
        );
      }
      if (image !== undefined && /^(?:https?|file|data|blob):/i.test(image)) {
        throw new UsageError(`${image} is an address, and --image names a file.`, "Download it first.");
      }
      await withVectors(io, file, flags.layer, async (vectors) => {
        const { rows, paths, madeBy } = vectors;
        if (flags.model !== undefined && flags.model !== madeBy.model) {
          throw new UsageError(
            `The features of ${vectors.file} are of ${madeBy.model ?? "a network that it does not name"}, not of ${flags.model}.`,
            "Features of two networks cannot be compared. Name a file that this network made.",
          );
        }
        const { nearest } = await import("../analysis/neighbours.ts");
        const { blocksOf } = await import("../analysis/matrix.ts");
        const own = path === undefined ? undefined : rowNamed(vectors, path);
        if (own !== undefined) refuseOne(vectors);
        let query: Float32Array;
        if (own !== undefined) query = await blocksOf(rows).read(own, own + 1);
        else {
          const { featuresAlike } = await import("../extract/alike.ts");
          [query] = await featuresAlike(vectors, [image as string], {
            device: flags.device,
            threads: flags.threads,
            checkpoint: flags.checkpoint,
            onNotice: (sentence) => io.err(`${sentence}\n`),
          }).catch((error: unknown) => {
            // It is the only image: nothing is done without it.
            if (!(error instanceof ImageError)) throw error;
            throw new NothingToDoError(error.message, error.hint, { cause: error });
          });
        }
        const others = rows.count - (own === undefined ? 0 : 1);
        const k = Math.min(count, others);
        // The image itself is among the rows, and is taken out below.
        const asked = own === undefined ? k : k + 1;
        const { indices, distances } = await onDevice(io, flags, rows.count * rows.width, (device) =>
          nearest(rows, asked, { metric, device, queries: { count: 1, width: rows.width, data: query } }),
        );
        const found = Array.from(indices, (row, i) => ({ row, path: paths[row], distance: distances[i] }))
          .filter(({ row }) => row !== own)
          .slice(0, k)
          .map(({ path, distance }): Found => ({ path, distance }));
        await print(io, flags, {
          columns: columns(metric),
          rows: found,
          json: { query: path ?? image, metric, neighbours: found },
        });
      });
    });
};
