/** `extract`: the features of images into files. */
import { readFile } from "node:fs/promises";
import { InvalidArgumentError, Option } from "commander";
import { ExitCode, UsageError } from "../errors.ts";
import type { ExtractReport } from "../extract/extract.ts";
import type { ExtractRequest } from "../extract/request.ts";
import { jpegMethods } from "../images/options.ts";
import { preprocessModes } from "../images/preprocess.ts";
import { precisions } from "../network/network.ts";
import { shadowRules } from "../network/shadows.ts";
import { listOrders } from "../node/images/list.ts";
import { samplesDirectory } from "../node/package.ts";
import { formats } from "../tables/formats/index.ts";
import { dtypeNames, dtypeOf, dtypeWidth } from "../tables/formats/table.ts";
import { pools } from "../tables/numbers.ts";
import { formatShape } from "../tensor.ts";
import type { AddCommand } from "./command.ts";
import { applyConfig, environmentName } from "./config.ts";
import type { Io } from "./io.ts";
import { imageSize } from "./models.ts";
import { pickleProtocolOption, threadsOption, wholeNumber } from "./numbers.ts";
import { type EndWith, endWithOption } from "./parent.ts";
import { byteCount, duration, makeProgress } from "./progress.ts";
import { repeated } from "./repeats.ts";
import { stoppable } from "./signals.ts";
import { jsonOf, pathsOf, summary, whatTheyShow } from "./summary.ts";

interface ExtractFlags
  extends Omit<ExtractRequest, "inputs" | "layers" | "list" | "globs" | "excludes" | "background"> {
  readonly layer?: readonly string[];
  readonly list?: string;
  readonly glob?: readonly string[];
  readonly exclude?: readonly string[];
  readonly background?: ExtractRequest["background"];
  readonly dataDir?: readonly string[];
  readonly data_dir?: string;
  readonly checkpoint_file?: string;
  readonly config?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly strict?: boolean;
  readonly endWith?: EndWith;
}

/** Names that Compute-Features used: accepted, and left out of the help. */
const formerNames = [
  { former: "data_dir", now: "dataDir" },
  { former: "checkpoint_file", now: "checkpoint" },
] as const;

const formatNames = formats.map((format) => format.name);

/** The options that most runs are content with: they stand first in the help. */
const usual = [
  ...["model", "data-dir", "checkpoint", "layer", "device"],
  ...["topk", "out", "format", "overwrite", "quiet"],
].map((name) => `--${name}`);

/** The options, under the headings of the help. */
const options: readonly (Option | string)[] = [
  option(
    "--model <name>",
    "the network, such as inception_v1 (npm run models lists them), or auto: told from the checkpoint (default: mobilenet_v1, whose trained weights are included; with --checkpoint, auto)",
  ),
  "What is read:",
  option(
    "--data-dir <dir>",
    "folder of images, read with all its folders, or a tar archive of them; given several times, keys begin with its name (default: the project's own samples)",
  ).argParser(repeated),
  option(
    "--list <file>",
    "a list of files instead: a name a line, between zero bytes, or in a column of a table; - is stdin",
  ),
  choice("--order <how>", "rows sorted by name, each image once, or as in the list, with its repeats", [
    ...listOrders,
  ]).default("name"),
  option(
    "--source <name>",
    "what the metadata call the images' source (default: the folders as named); for copies in a scratch folder",
  ),
  option(
    "--glob <pattern>",
    'only paths that match, such as "cats/**"; may be given several times',
  ).argParser(repeated),
  option("--exclude <pattern>", "no paths that match; may be given several times").argParser(repeated),
  choice("--exif <rule>", "whether photographs are turned upright (seed: never)", ["auto", "ignore"]).default(
    "auto",
  ),
  choice(
    "--jpeg <method>",
    "how JPEG is decoded (default: fast, as TensorFlow does; accurate for seed, as Pillow does, and with --icc)",
    [...jpegMethods],
  ),
  option("--icc", "apply ICC profiles, which TensorFlow ignores"),
  option(
    "--background <colour>",
    "shows through transparent pixels, as #rrggbb (default: alpha is dropped)",
  ).argParser(colour),
  option("--max-pixels <n>", "refuse larger images (default: 268435456)").argParser(wholeNumber(2 ** 40)),
  "What is computed:",
  option(
    "--checkpoint <path>",
    "weights: a checkpoint, SavedModel or frozen graph, in a folder or archive too (default: from checkpoints/, or the included ones)",
  ),
  option(
    "--scope <name/>",
    "what stands in front of the network's names in the checkpoint, where two would fit (default: found)",
  ),
  choice("--weights <kind>", "where the weights come from; seeded ones are untrained", [
    "checkpoint",
    "seeded",
  ]),
  choice("--ema <rule>", "moving averages instead of the variables; auto: where the file has all", [
    ...shadowRules,
  ]).default("auto"),
  option(
    "--layer <end-point>",
    "an end point by TF-Slim's name (npm run layers -- NAME lists them), or features, logits, penultimate, -2; may be given several times (default: features)",
  ).argParser(repeated),
  option("--image-size <n>", "height and width of the input (default: the network's own)").argParser(
    imageSize,
  ),
  option("--global-pool", "average the last map over its area, so that any input size fits"),
  choice(
    "--preprocess <mode>",
    "how images become input: slim is the network's own (npm run models), inception and vgg are these whatever the network",
    [...preprocessModes],
  ).default("slim"),
  choice("--device <device>", "what computes", ["auto", "webgpu", "cpu"]).default("auto"),
  threadsOption(),
  choice("--precision <p>", "how the GPU keeps weights; f16 takes half the memory, and the loss is told", [
    ...precisions,
  ]).default("f32"),
  option("--batch-size <n>", "images computed at once, or auto: what suits the device; changes no result")
    .argParser((text) => (text === "auto" ? text : wholeNumber(4096)(text)))
    .default("auto"),
  option("--workers <n>", "decoding workers (default: one a core)").argParser(wholeNumber(256)),
  "What is written:",
  choice("--pool <how>", "how maps become vectors", [...pools]).default("none"),
  option(
    "--pca <k>",
    "keep so many principal components, fitted to these features; written to <out>.pca.json",
  ).argParser(wholeNumber(65_536)),
  option("--pca-file <file>", "keep those of an earlier run instead").conflicts("pca"),
  option("--l2", "divide features by their length"),
  choice("--dtype <type>", "type of the numbers; f16 and i8 are lossy, and the loss is told", [
    ...dtypeNames,
  ]).default("f32"),
  option("--topk <n>", "write the likeliest classes too, into <out>.predictions.jsonl").argParser(
    wholeNumber(100_000),
  ),
  option("--labels <file>", "names of the classes, one a line, where they are not ImageNet's"),
  option("--out <path>", "the file to write (default: features/<model>_features.<format>)"),
  choice("--format <format>", "of that file (default: by its extension, or else pkl)", formatNames),
  pickleProtocolOption(),
  option("--commit-every <seconds>", "how much work a kill may lose (default: 2)").argParser(
    wholeNumber(86_400),
  ),
  option("--overwrite", "forget what an earlier run into the same output computed"),
  option("--retry-failed", "try images again that failed in an earlier run"),
  "How it is told:",
  option("--config <file>", 'options from a JSON file, such as {"model": "vgg_16"}; those given here win'),
  option("--dry-run", "say what would be done, and how long it would take"),
  endWithOption(),
  option("--strict", "end with 3 when files were skipped, too"),
  option("--json", "print one JSON object on stdout instead of the files' names"),
  option("--quiet", "only errors on stderr"),
];

/** Options of `extract` by their names, for commands that say the same of other work. */
export const extractOptions = (names: readonly string[]): Option[] =>
  names.map((name) => {
    const option = options.find((o): o is Option => typeof o !== "string" && o.long === `--${name}`);
    if (!option) throw new Error(`extract has no option ${name}`);
    return option;
  });

export const addExtract: AddCommand = (program, io, exit) => {
  const command = program
    .command("extract")
    .description("extract the features of images")
    .argument(
      "[inputs...]",
      "folders of images, tar archives of them, images; as --data-dir, and as many as you like",
    )
    .addHelpText("after", notes);
  let heading = "";
  for (const each of options) {
    if (typeof each === "string") heading = each;
    else {
      const isUsual = usual.includes(each.long ?? "");
      command.addOption(each.env(environmentName(each)).helpGroup(isUsual ? "The usual ones:" : heading));
    }
  }
  command.addHelpOption(new Option("-h, --help", "display help for command").helpGroup(heading));
  for (const { former, now } of formerNames) {
    command.addOption(new Option(`--${former} <path>`).conflicts(now).hideHelp());
  }
  command.action(async (inputs: readonly string[]) => {
    const flags = await applyConfig<ExtractFlags>(command);
    const quiet = { ...io, err: flags.quiet ? () => {} : io.err };
    const request = await requestOf(flags, inputs);
    if (flags.dryRun) return printDryRun(request, quiet, flags.json === true);
    if (flags.endWith === "stdin" && flags.list === "-") {
      throw new UsageError(
        "stdin is the list, and ends with it.",
        "Name the list by a file, or leave --end-with out.",
      );
    }
    const report = await runExtract(request, quiet, flags.endWith);
    quiet.err(summary(report, io));
    const { failed, skipped } = report.files[0].metadata.images;
    if (failed > 0 || (flags.strict && skipped > 0)) exit(ExitCode.someImagesFailed);
    if (flags.json) await io.out(`${JSON.stringify(jsonOf(report), null, 2)}\n`);
    else for (const path of pathsOf(report)) await io.out(`${path}\n`);
  });
};

const notes = `
Examples:
  npm run extract
  npm run extract -- photos --topk 5
  npm run extract -- photo.jpg more.tar --model inception_v1
  npm run extract -- photos --model inception_v1 --format parquet --out photos.parquet
  npm run extract -- photos --checkpoint fine-tuned.ckpt --topk 1 --labels labels.txt
  find photos -name "*.jpg" -print0 | npm run extract -- --model vgg_16 --list -

What is computed is kept in <out>.run as it goes. A run that was stopped or killed goes on when the same command is
given again; images that were added, renamed or repeated cost only what is new in them.

Keys are the paths of the images in the folder, sorted by bytes. How the features were made stands in <out>.json, and
what became of every file in <out>.manifest.jsonl; in _<out>... where a format's files are read by the folder, whose readers
leave out such names (parquet, arrow, csv, jsonl). Several layers are computed in one pass and give a file each, <out>
with the layer's name before its extension.
The formats:
${formats.map(({ name, description }) => `  ${name.padEnd(11)} ${description}`).join("\n")}

Every option can be set in the environment too: --batch-size as SLIMFEATURES_BATCH_SIZE.
Nothing is downloaded: see "npm run fetch -- --help".`;

async function requestOf(flags: ExtractFlags, inputs: readonly string[]): Promise<ExtractRequest> {
  const { dataDir, data_dir, checkpoint_file, layer, list, glob, exclude, ...others } = flags;
  const { config, dryRun, json, quiet, strict, endWith, ...rest } = others;
  const dtype = dtypeOf(flags.dtype ?? "f32");
  if (list !== undefined && inputs.length > 0) {
    throw new UsageError(
      `${inputs[0]} is named, and a list too.`,
      "Name images either way; the folder that the names of a list count from goes with --data-dir.",
    );
  }
  const places = [dataDir ?? data_dir ?? [], inputs].flat(2);
  const unnamed = list === undefined ? samplesDirectory : undefined;
  return {
    ...rest,
    layers: layer,
    list: list === undefined ? undefined : await readList(list),
    globs: glob,
    excludes: exclude,
    dtype,
    inputs: places.length > 0 ? places : unnamed,
    checkpoint: rest.checkpoint ?? checkpoint_file,
  };
}

async function readList(path: string): Promise<Uint8Array> {
  try {
    if (path !== "-") return await readFile(path);
    const parts: Buffer[] = [];
    for await (const part of process.stdin) parts.push(part as Buffer);
    return Buffer.concat(parts);
  } catch (cause) {
    throw new UsageError(
      `The list ${path} cannot be read.`,
      "Name a text file with a path on each line, or - for stdin.",
      { cause },
    );
  }
}

/** Extracts, tells how far it is, and of a few images what they show. */
export async function runExtract(request: ExtractRequest, io: Io, endWith?: EndWith): Promise<ExtractReport> {
  const { extract } = await import("../extract/index.ts");
  const { isSamples } = await import("../extract/plan.ts");
  const progress = makeProgress(io, { unit: "images" });
  if (isSamples(request)) io.err(`images: ${samplesDirectory} (the project's own samples)\n`);
  try {
    const report = await stoppable(
      io,
      (signal) =>
        extract(request, {
          signal,
          onNotice: (sentence) => progress.say(sentence),
          onStart({ total, known, model, backend, adapter }) {
            progress.say(`computing ${model} on ${backend} (${adapter})`);
            if (known > 0) progress.say(`going on: ${known} images are known from an earlier run`);
            progress.update(0, total);
          },
          onProgress: ({ done, total = 0 }) => progress.update(done, total),
          onFailure: ({ path, reason }) => progress.say(`failed: ${path}: ${reason}`),
        }),
      endWith,
    );
    progress.end();
    io.err(whatTheyShow(report));
    return report;
  } finally {
    progress.end();
  }
}

async function printDryRun(request: ExtractRequest, io: Io, json: boolean): Promise<void> {
  const { dryRun } = await import("../extract/plan.ts");
  const { ownRooms } = await import("../extract/rooms.ts");
  const plan = await dryRun(request, ownRooms, (sentence) => io.err(`${sentence}\n`));
  if (json) return io.out(`${JSON.stringify(plan, null, 2)}\n`);
  const width = dtypeWidth[request.dtype ?? "float32"];
  const lines = [
    `files: ${plan.images}`,
    `network: ${plan.network} on ${plan.device}`,
    ...plan.endPoints.map(
      ({ name, shape, bytes }) =>
        `feature: ${name} ${formatShape(shape)}, ${byteCount((bytes / 4) * width)} in all`,
    ),
    `time: about ${duration(plan.secondsOfCompute)} of computing`,
  ];
  await io.out(`${lines.join("\n")}\n`);
}

function option(flags: string, description: string): Option {
  return new Option(flags, description);
}

function choice(flags: string, description: string, values: readonly string[]): Option {
  return new Option(flags, description).choices([...values]);
}

function colour(text: string): readonly [number, number, number] {
  const digits = /^#?([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(text);
  if (!digits) throw new InvalidArgumentError("It must be a colour such as #ffffff.");
  return [1, 2, 3].map((i) => Number.parseInt(digits[i], 16)) as unknown as readonly [number, number, number];
}
