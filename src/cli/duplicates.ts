/** `duplicates`: images that are there more than once. It deletes nothing. */
import { InvalidArgumentError } from "commander";
import type { Metric } from "../analysis/distances.ts";
import type { Sameness } from "../analysis/duplicates.ts";
import { counted } from "../counted.ts";
import type { FoundImages } from "../node/images/index.ts";
import type { AddCommand } from "./command.ts";
import {
  commonOptions,
  type FeaturesFlags,
  imagesIn,
  metricOption,
  onDevice,
  print,
  withProgress,
  withVectors,
} from "./features.ts";
import type { Io } from "./io.ts";
import { type Column, distanceText } from "./table.ts";

interface Flags extends FeaturesFlags {
  readonly images?: string;
  readonly threshold?: number;
}

interface Line {
  readonly group: number;
  readonly same: Sameness | "keep";
  readonly distance?: number;
  readonly path: string;
  readonly width?: number;
  readonly height?: number;
}

const words: Readonly<Record<Line["same"], string>> = {
  keep: "keep",
  content: "same content",
  pixels: "same pixels",
  near: "nearly the same",
};

const columns = (metric: Metric): readonly Column<Line>[] => [
  { title: "group", right: true, cell: ({ group }) => String(group) },
  { title: "what", cell: ({ same }) => words[same] },
  {
    title: "distance",
    right: true,
    cell: ({ distance }) => (distance === undefined ? "" : distanceText(distance, metric)),
  },
  {
    title: "pixels",
    right: true,
    cell: ({ width, height }) => (width && height ? `${width}x${height}` : ""),
  },
  { title: "path", cell: ({ path }) => path },
];

function distanceOption(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError("It must be a number, 0 or more.");
}

/** Hashes of the pixels of images; one that is gone has none, and one that is damaged is told once. */
function pixelHashes(io: Io, inputs: FoundImages["inputs"]) {
  const known = new Map<number, Promise<string | undefined>>();
  const hash = async (row: number): Promise<string | undefined> => {
    const input = inputs[row];
    if (input === undefined) return undefined;
    const { createHash } = await import("node:crypto");
    const { decodeInput } = await import("../node/images/index.ts");
    try {
      const { width, height, data } = await decodeInput(input);
      return `${width}x${height} ${createHash("sha256").update(data).digest("hex")}`;
    } catch (error) {
      io.err(`${error instanceof Error ? error.message : error}\n`);
      return undefined;
    }
  };
  return (row: number): Promise<string | undefined> => {
    const there = known.get(row) ?? hash(row);
    known.set(row, there);
    return there;
  };
}

export const addDuplicates: AddCommand = (program, io) => {
  const command = program
    .command("duplicates")
    .description("list images that are there more than once, as groups with the one to keep; deletes nothing")
    .argument("<features>", "a features file of any format")
    .option("--images <dir>", "the folder or archive of the images, to tell those of the same pixels")
    .option(
      "--threshold <distance>",
      "what counts as nearly the same (default: by what is usual between two of these images)",
      distanceOption,
    )
    .addOption(metricOption());
  for (const option of commonOptions()) command.addOption(option);
  command
    .addHelpText(
      "after",
      `
The same content is told by the hashes in the manifest beside the file, the same pixels by decoding (--images), nearly the
same by the distance of the features. The one to keep has the most pixels; of equal ones it is the first.

Examples:
  npm run duplicates -- features/mobilenet_v1_features.pkl
  npm run duplicates -- features/mobilenet_v1_features.pkl --images photos --csv > duplicates.csv`,
    )
    .action(async (file: string, flags: Flags) => {
      const { metric, threshold } = flags;
      await withVectors(io, file, flags.layer, async (vectors) => {
        const { rows, paths, madeBy } = vectors;
        const inputs = flags.images === undefined ? undefined : await imagesIn(io, [flags.images], vectors);
        const { manifestOf, readManifest } = await import("../extract/manifest.ts");
        const manifest = manifestOf(vectors.file, madeBy.endPoint);
        if (manifest === undefined)
          io.err("There is no manifest beside the file: the same content is told by its features alone.\n");
        const records = new Map((manifest ? readManifest(manifest) : []).map((r) => [r.path, r]));
        const facts = paths.map((path) => {
          const { sha256: content, width, height } = records.get(path) ?? {};
          return { content, width, height };
        });
        const { duplicates } = await import("../analysis/duplicates.ts");
        const found = await onDevice(io, flags, rows.count ** 2 * rows.width, (device) =>
          withProgress(io, "pairs", (onProgress) =>
            duplicates(rows, {
              metric,
              threshold,
              facts,
              device,
              onProgress,
              pixelsOf: inputs && pixelHashes(io, inputs),
            }),
          ),
        );
        const line = (group: number, row: number, same: Line["same"], distance?: number): Line => ({
          group: group + 1,
          same,
          distance,
          path: paths[row],
          width: facts[row].width,
          height: facts[row].height,
        });
        const lines = found.groups.flatMap(({ keep, others }, g) => [
          line(g, keep, "keep"),
          ...others.map(({ row, same, distance }) => line(g, row, same, distance)),
        ]);
        const spare = lines.length - found.groups.length;
        await print(io, flags, {
          columns: columns(metric),
          rows: lines,
          json: {
            metric,
            threshold: found.threshold,
            groups: found.groups.map(({ keep, others }) => ({
              keep: paths[keep],
              others: others.map(({ row, same, distance }) => ({ path: paths[row], same, distance })),
            })),
          },
        });
        io.err(
          `${counted(found.groups.length, "group")}, ${counted(spare, "image")} of ${paths.length} besides those to keep; nearly the same: a ${metric} distance of ${found.threshold.toPrecision(3)} or less\n`,
        );
      });
    });
};
