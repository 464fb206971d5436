/** `extract`: the features of a folder of images into one file. */
import { InvalidArgumentError, Option } from "commander";
import { ExitCode } from "../errors.ts";
import type { ExtractReport, ExtractRequest } from "../features/extract.ts";
import { samplesDirectory } from "../features/package.ts";
import { formats } from "../features/writers/index.ts";
import { shadowRules } from "../match/shadows.ts";
import { formatShape } from "../tensor.ts";
import type { AddCommand } from "./command.ts";
import type { Io } from "./io.ts";
import { imageSize } from "./models.ts";
import { makeProgress } from "./progress.ts";
import { stoppable } from "./signals.ts";

interface ExtractFlags extends Omit<ExtractRequest, "layers"> {
  readonly layer?: readonly string[];
  readonly data_dir?: string;
  readonly checkpoint_file?: string;
}

/** Names that Compute-Features used: accepted, and left out of the help. */
const formerNames = [
  { former: "data_dir", now: "dataDir" },
  { former: "checkpoint_file", now: "checkpoint" },
] as const;

export const addExtract: AddCommand = (program, io, exit) => {
  const command = program
    .command("extract")
    .description("extract the features of every image in a folder")
    .requiredOption(
      "--model <name>",
      "the network, such as inception_v1 (npm run models lists them), or auto: told from the checkpoint",
    )
    .option(
      "--data-dir <dir>",
      "folder of images, read with all its folders (default: the project's own samples)",
    )
    .option(
      "--checkpoint <path>",
      "weights: a checkpoint file, prefix, folder or archive (default: from checkpoints/)",
    )
    .addOption(
      choice("--weights <kind>", "where the weights come from; seeded ones are untrained", [
        "checkpoint",
        "seeded",
      ]),
    )
    .addOption(
      choice("--ema <rule>", "moving averages instead of the variables; auto: where the file has all", [
        ...shadowRules,
      ]).default("auto"),
    )
    .option(
      "--layer <end-point>",
      "an end point by TF-Slim's name (npm run layers -- NAME lists them), or features, logits, penultimate, -2; may be given several times (default: features)",
      (name: string, names: readonly string[] = []) => [...names, name],
    )
    .option("--image-size <n>", "height and width of the input (default: the network's own)", imageSize)
    .option("--global-pool", "average the last map over its area, so that any input size fits")
    .addOption(
      choice("--preprocess <mode>", "how images become input", ["slim", "resize", "seed"]).default("slim"),
    )
    .addOption(
      choice("--exif <rule>", "whether photographs are turned upright (seed: never)", [
        "auto",
        "ignore",
      ]).default("auto"),
    )
    .addOption(choice("--device <device>", "what computes", ["auto", "webgpu", "cpu"]).default("auto"))
    .option("--batch-size <n>", "images computed at once; changes no result", positiveInteger, 8)
    .option("--out <path>", "the file to write (default: features/<model>_features.<format>)")
    .addOption(choice("--format <format>", "of that file", formatNames).default("pkl"))
    .addHelpText("after", notes);
  for (const { former, now } of formerNames) {
    command.addOption(new Option(`--${former} <path>`).conflicts(now).hideHelp());
  }
  command.action(async (flags: ExtractFlags) => {
    const { data_dir, checkpoint_file, layer: layers, ...rest } = flags;
    const request: ExtractRequest = {
      ...rest,
      layers,
      dataDir: rest.dataDir ?? data_dir,
      checkpoint: rest.checkpoint ?? checkpoint_file,
    };
    const report = await run(request, io);
    for (const { path } of report.files) await io.out(`${path}\n`);
    if (report.files[0].metadata.images.failed > 0) exit(ExitCode.someImagesFailed);
  });
};

const formatNames = formats.map((format) => format.name);

const notes = `
Examples:
  npm run extract -- --model inception_v1
  npm run extract -- --model inception_v1 --data-dir photos --format npy --out photos.npy
  npm run extract -- --model auto --data-dir photos --checkpoint fine-tuned.ckpt
  npm run extract -- --model resnet_v1_50 --data-dir photos --layer features --layer logits

Keys are the paths of the images in the folder, sorted by bytes. How the features were made stands in
<out>.json, with the images that could not be read and, for npy, the paths of the rows. Several layers are
computed in one pass and give a file each, <out> with the layer's name before its extension.
The formats:
${formats.map(({ name, description }) => `  ${name.padEnd(6)} ${description}`).join("\n")}

Nothing is downloaded: see "npm run fetch -- --help".`;

async function run(request: ExtractRequest, io: Io): Promise<ExtractReport> {
  const { extract } = await import("../features/extract.ts");
  const { ownRooms } = await import("../features/rooms.ts");
  const progress = makeProgress(io, { unit: "images" });
  let total = 0;
  if (request.dataDir === undefined) io.err(`images: ${samplesDirectory} (the project's own samples)\n`);
  try {
    const report = await stoppable(io, (signal) =>
      extract(
        request,
        ownRooms,
        {
          notice: (sentence) => progress.say(sentence),
          started: (count, network) => {
            total = count;
            if (network.weights.kind === "seeded") progress.say(untrained(io));
            progress.update(0, total);
          },
          progressed: (written, failed) => progress.update(written + failed, total),
          failed: ({ path, reason }) => progress.say(`skipped: ${path}: ${reason}`),
        },
        signal,
      ),
    );
    progress.end();
    io.err(summary(report));
    if (!report.files[0].metadata.weights.trained) io.err(`${untrained(io)}\n`);
    return report;
  } finally {
    progress.end();
  }
}

function untrained(io: Io): string {
  const [red, plain] = io.colour ? ["\x1b[1;31m", "\x1b[0m"] : ["", ""];
  return `${red}UNTRAINED weights: the features show that the pipeline works and mean nothing.${plain}`;
}

function summary({ files, seconds }: ExtractReport): string {
  const [{ metadata }] = files;
  const { images, weights, preprocess } = metadata;
  const averages = weights.ema ? ", moving averages" : "";
  const facts: readonly (readonly [string, string])[] = [
    ["images", `${images.written} done, ${images.failed} failed`],
    ...files.map(
      ({ metadata: m }) => ["feature", `${m.endPoint} ${formatShape(m.featureShape)} float32`] as const,
    ),
    ["computed by", `${metadata.backend} (${metadata.adapter})`],
    ["speed", `${(images.written / Math.max(seconds, 1e-9)).toPrecision(3)} images a second`],
    ["weights", weights.trained ? `${weights.path} (${metadata.model}${averages})` : "seeded, UNTRAINED"],
    ["preprocess", `${preprocess.mode}, EXIF ${preprocess.exif}: ${preprocess.description}`],
    ...files.map(({ path }) => ["written", `${path} and ${path}.json`] as const),
  ];
  return facts.map(([name, value]) => `${`${name}:`.padEnd(13)}${value}\n`).join("");
}

function choice(flags: string, description: string, values: readonly string[]): Option {
  return new Option(flags, description).choices([...values]);
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= 4096) return value;
  throw new InvalidArgumentError("It must be a whole number from 1 to 4096.");
}
