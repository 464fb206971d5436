/** `map`: one HTML file that shows images on a map, near ones near to each other. */
import { stat } from "node:fs/promises";
import { basename, extname, resolve } from "node:path";
import { InvalidArgumentError, Option } from "commander";
import type { LayoutMethod } from "../analysis/layout.ts";
import { counted } from "../counted.ts";
import type { DeviceName } from "../engine/devices.ts";
import { ExitCode, UsageError } from "../errors.ts";
import type { MapReport } from "../map/map.ts";
import type { MapRequest, MapUnit } from "../map/request.ts";
import { usualModel } from "../nets/registry.ts";
import { shellWord } from "../text.ts";
import type { AddCommand } from "./command.ts";
import { runExtract } from "./extract.ts";
import { layerOption } from "./features.ts";
import type { Io } from "./io.ts";
import { threadsOption, wholeNumber } from "./numbers.ts";
import { makeProgress } from "./progress.ts";
import { repeated } from "./repeats.ts";
import { stoppable } from "./signals.ts";

interface Flags
  extends Pick<MapRequest, "layer" | "method" | "seed" | "neighbours" | "clusters" | "labels" | "title"> {
  readonly images?: readonly string[];
  readonly out: string;
  readonly model?: string;
  readonly device: DeviceName;
  readonly threads?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const methods: readonly LayoutMethod[] = ["auto", "umap", "pca"];

const seedNumber = (text: string): number => {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number from 0 on.");
};

const clusterCount = (text: string): number | "auto" => (text === "auto" ? text : wholeNumber(10_000)(text));

const units: Readonly<Record<MapUnit, string>> = {
  pairs: "pairs compared",
  duplicates: "pairs looked at for duplicates",
  rounds: "rounds of the layout",
  pictures: "pictures",
};

/** Whether what is named are images: then their features are extracted first. @throws UsageError for a mixture */
async function areImages(inputs: readonly string[], layer: string | undefined): Promise<boolean> {
  const { isPlaceOfImages } = await import("../node/images/index.ts");
  const { withLayer } = await import("../tables/formats/index.ts");
  const are: boolean[] = [];
  for (const input of inputs) {
    const there = await stat(input).catch(() => undefined);
    // The name that the files of several layers share need be no file.
    if (!there && layer !== undefined && (await stat(withLayer(input, layer)).catch(() => undefined))) {
      are.push(false);
      continue;
    }
    if (!there) {
      throw new UsageError(
        `There is no file or folder ${input}.`,
        "Name a features file, or a folder of images.",
      );
    }
    are.push(there.isDirectory() || (await isPlaceOfImages(input)));
  }
  if (are.every((is) => is)) return true;
  if (inputs.length === 1) return false;
  throw new UsageError(
    `A map is of one features file, or of images: ${inputs[are.indexOf(false)]} is no image and no folder.`,
    "Write several features files as one first: npm run merge -- all.npy FILE FILE",
  );
}

/** Where the features of images go that are named to be mapped: images of another name do not take their place. */
function featuresOf(inputs: readonly string[], model: string): string {
  const name = basename(resolve(inputs[0]));
  const stem =
    inputs.length === 1 ? basename(name, extname(name)) || name : `${name}_and_${inputs.length - 1}_more`;
  return `features/${stem}_${model}_features.pkl`;
}

export const addMap: AddCommand = (program, io, exit) => {
  program
    .command("map")
    .description("show images on a map, in one HTML file that opens from disk")
    .argument(
      "<inputs...>",
      "a features file of any format; or folders of images, whose features are extracted first",
    )
    .option(
      "--images <dir>",
      "where the images are, if not where they were extracted from; may be given several times",
      repeated,
    )
    .option("--out <file>", "the page to write", "map.html")
    .addOption(
      new Option("--method <method>", "how they are laid out; auto is umap up to 50,000 images")
        .choices(methods)
        .default("auto"),
    )
    .option("--seed <n>", "another seed gives another layout", seedNumber, 0)
    .option(
      "-k, --neighbours <n>",
      "how many nearest images are shown of each (default: 12)",
      wholeNumber(100),
    )
    .option(
      "--clusters <n>",
      "how many, by k-means; or auto: the dense spots of the map (default: auto)",
      clusterCount,
    )
    .option(
      "--labels <folders|file>",
      "colour by labels too: each image's folder, or a table with a column of paths and one of labels",
    )
    .option("--title <text>", "what stands above the map (default: the folder's name)")
    .option("--model <name>", `the network, where features are extracted first (default: ${usualModel})`)
    .addOption(layerOption())
    .addOption(
      new Option("--device <device>", "what computes").choices(["auto", "webgpu", "cpu"]).default("auto"),
    )
    .addOption(threadsOption())
    .option("--json", "print what was done as JSON instead of the file's name")
    .option("--quiet", "only errors on stderr")
    .addHelpText(
      "after",
      `
The page needs nothing else and asks for nothing: send it to whom you like. Of more than 5,000 images, their pictures lie in a
folder beside it, to be kept with it. Features of one file give the same map each time; images are never changed.

Examples:
  npm run map -- photos
  npm run map -- features/mobilenet_v1_features.pkl
  npm run map -- photos.parquet --images photos --out photos.html`,
    )
    .action(async (inputs: readonly string[], flags: Flags) => {
      const quiet = { ...io, err: flags.quiet ? () => {} : io.err };
      const { model, out, images, json, quiet: _, ...rest } = flags;
      let features = inputs[0];
      if (await areImages(inputs, flags.layer)) {
        if (flags.layer !== undefined) {
          throw new UsageError(
            `${inputs.join(", ")} holds images: --layer says which of several files of features is mapped.`,
            `Extract them first: npm run extract -- --layer ${flags.layer} --pool avg --out layer.npy ${inputs.map(shellWord).join(" ")}`,
          );
        }
        const { checkWritable } = await import("../node/atomic.ts");
        await checkWritable(out, inputs);
        const report = await runExtract(
          {
            inputs,
            model,
            out: featuresOf(inputs, model ?? usualModel),
            preprocess: "slim",
            exif: "auto",
            device: flags.device,
            threads: flags.threads,
            batchSize: "auto",
          },
          quiet,
        );
        features = report.files[0].path;
        if (report.files[0].metadata.images.failed > 0) exit(ExitCode.someImagesFailed);
      } else if (model !== undefined) {
        throw new UsageError(
          `${features} holds features already: --model says by which network images are extracted.`,
          "Leave out --model, or name the folder of the images.",
        );
      }
      const report = await mapped({ ...rest, features, out, images }, quiet);
      if (json) await io.out(`${JSON.stringify({ features, ...report }, null, 2)}\n`);
      else await io.out(`${report.path}\n`);
    });
};

/** Makes the map, and tells how far it is. */
async function mapped(request: MapRequest, io: Io): Promise<MapReport> {
  const { mapFeatures } = await import("../map/map.ts");
  // Billions of pairs are not read by anyone.
  const show = (n: number) => (n >= 1e7 ? `${Math.round(n / 1e6)} M` : String(Math.round(n)));
  const begin = (unit: string) => makeProgress(io, { unit, show });
  let shown: MapUnit | undefined;
  let progress = begin("");
  try {
    const report = await stoppable(io, (signal) =>
      mapFeatures(request, {
        signal,
        onNotice: (sentence) => progress.say(sentence),
        onProgress({ unit, done, total }) {
          if (unit !== shown) {
            progress.end();
            progress = begin(units[unit]);
            shown = unit;
          }
          progress.update(done, total);
        },
      }),
    );
    progress.end();
    const { images, clusters, duplicates, folder, method } = report;
    const laidOut = method === "umap" ? "UMAP" : "principal components";
    io.err(
      `map:         ${counted(images, "image")} by ${laidOut}, ${counted(clusters, "cluster")}, ${counted(duplicates, "group")} of duplicates\n`,
    );
    io.err(
      `written:     ${report.path}${folder === undefined ? "" : `, with its pictures in ${folder}`}; open it in a browser\n`,
    );
    return report;
  } finally {
    progress.end();
  }
}
