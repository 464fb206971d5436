/** `outliers`: the images that are least like any other. */
import type { Metric } from "../analysis/distances.ts";
import type { Outlier } from "../analysis/outliers.ts";
import type { AddCommand } from "./command.ts";
import {
  commonOptions,
  type FeaturesFlags,
  metricOption,
  onDevice,
  print,
  refuseOne,
  withProgress,
  withVectors,
} from "./features.ts";
import { wholeNumber } from "./numbers.ts";
import { type Column, distanceText } from "./table.ts";

interface Flags extends FeaturesFlags {
  readonly neighbours: number;
  readonly count: number;
}

interface Told extends Omit<Outlier, "row" | "nearest"> {
  readonly path: string;
  readonly nearest: string;
}

const columns = (metric: Metric): readonly Column<Told>[] => [
  { title: "distance", right: true, cell: ({ distance }) => distanceText(distance, metric) },
  {
    title: "times the usual",
    right: true,
    cell: ({ times }) => (Number.isFinite(times) ? times.toFixed(2) : ""),
  },
  { title: "path", cell: ({ path }) => path },
  { title: "most like", cell: ({ nearest }) => nearest },
];

export const addOutliers: AddCommand = (program, io) => {
  const command = program
    .command("outliers")
    .description("list the images that are least like any other")
    .argument("<features>", "a features file of any format")
    .option("-n, --count <n>", "how many", wholeNumber(1e9), 20)
    .option("-k, --neighbours <n>", "an image is judged by so many", wholeNumber(1000), 5)
    .addOption(metricOption());
  for (const option of commonOptions()) command.addOption(option);
  command
    .addHelpText(
      "after",
      `
The distance is the mean one of the nearest other images; the usual one is the median over all images.

Example:
  npm run outliers -- features/mobilenet_v1_features.pkl -n 10`,
    )
    .action(async (file: string, flags: Flags) => {
      const { metric, count, neighbours } = flags;
      await withVectors(io, file, flags.layer, async (vectors) => {
        const { rows, paths } = vectors;
        refuseOne(vectors);
        const { outliers } = await import("../analysis/outliers.ts");
        const all = await onDevice(io, flags, rows.count ** 2 * rows.width, (device) =>
          withProgress(io, "pairs", (onProgress) =>
            outliers(rows, { metric, k: neighbours, device, onProgress }),
          ),
        );
        const told = all.slice(0, count).map(
          ({ row, nearest, ...rest }): Told => ({
            path: paths[row],
            ...rest,
            nearest: paths[nearest],
          }),
        );
        await print(io, flags, {
          columns: columns(metric),
          rows: told,
          json: { metric, neighbours, outliers: told },
        });
      });
    });
};
