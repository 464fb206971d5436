/** `plan`: a run over many machines, cut into shards and frozen. */
import { Option } from "commander";
import { UsageError } from "../errors.ts";
import { jpegMethods } from "../images/options.ts";
import { layouts } from "../shards/layouts.ts";
import type { LayoutName, ShardSettings } from "../shards/model.ts";
import { dtypeOf } from "../tables/formats/table.ts";
import { shellWord } from "../text.ts";
import type { AddCommand } from "./command.ts";
import { applyConfig, environmentName } from "./config.ts";
import { extractOptions } from "./extract.ts";
import { wholeNumber } from "./numbers.ts";
import { repeated } from "./repeats.ts";

/** What a plan fixes, as `extract` names it. */
const settingNames = [
  ...["model", "checkpoint", "scope", "weights", "ema", "layer", "image-size", "global-pool", "preprocess"],
  ...["precision", "exif", "icc", "background", "max-pixels", "glob", "exclude"],
  ...["pool", "pca-file", "l2", "dtype", "topk", "labels"],
];

interface PlanFlags extends Omit<ShardSettings, "layers" | "globs" | "excludes" | "dtype"> {
  readonly layer?: readonly string[];
  readonly glob?: readonly string[];
  readonly exclude?: readonly string[];
  readonly dtype?: string;
  readonly out: string;
  readonly perShard: number;
  readonly layout: LayoutName;
  readonly list?: readonly string[];
  readonly urlColumn?: string;
  readonly captionColumn?: string;
  readonly keyColumn?: string;
  readonly order?: "name" | "list";
  readonly dataDir?: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** An archive is a shard; of what lies loose, so many images are. img2dataset's archives have as many. */
const usualShard = 10_000;

const layoutNames = Object.keys(layouts) as LayoutName[];

/** Images of a shard at most: its results are held in memory as they are published. */
const mostPerShard = 1_000_000;

export const addPlan: AddCommand = (program, io) => {
  const command = program
    .command("plan")
    .description("cut a large run into shards, and freeze what is computed")
    .argument(
      "[inputs...]",
      "folders, tar archives, ranges of them ({000..099}.tar), patterns, s3:// and https:// addresses",
    )
    .requiredOption("--out <place>", "the folder or s3:// address of the plan and all results")
    .addHelpText("after", notes);
  const own = [
    new Option("--per-shard <n>", "images of a shard; a tar archive is a shard of its own")
      .argParser(wholeNumber(mostPerShard))
      .default(usualShard),
    new Option(
      "--list <file>",
      "a table of addresses (Parquet, CSV), or a list of files or addresses; may be given several times",
    ).argParser(repeated),
    new Option("--url-column <name>", "the addresses in a table (default: url)"),
    new Option("--caption-column <name>", "captions in a table, which are kept"),
    new Option("--key-column <name>", "keys in a table (default: the number of the row)"),
    new Option("--data-dir <dir>", "where the names in a list of files count from"),
    new Option("--layout <how>", "how results lie").choices(layoutNames).default("parquet"),
    new Option("--device <device>", "what computes each shard; the CPU gives the same bits on every machine")
      .choices(["cpu", "webgpu"])
      .default("cpu"),
    new Option(
      "--jpeg <method>",
      "how JPEG is decoded, by every worker (default: fast; accurate for seed and with --icc)",
    ).choices([...jpegMethods]),
  ];
  for (const each of [...own, ...extractOptions(["order", ...settingNames])]) {
    command.addOption(each.env(environmentName(each)));
  }
  command.option("--config <file>", "options from a JSON file; those given here win");
  command.option("--json", "print the plan's summary as one JSON object");
  command.action(async (inputs: readonly string[]) => {
    const flags = await applyConfig<PlanFlags>(command);
    const { makePlan, openStorage, planName, ranges } = await import("../shards/index.ts");
    const { ownRooms } = await import("../extract/rooms.ts");
    if (inputs.length === 0 && !flags.list) {
      throw new UsageError(
        "Nothing is named to be read.",
        "Name folders, archives or addresses, or a table with --list.",
      );
    }
    const out = await openStorage(flags.out);
    const plan = await makePlan(
      {
        ...flags,
        inputs,
        lists: flags.list ?? [],
        globs: flags.glob,
        excludes: flags.exclude,
        settings: settingsOf(flags),
        out,
        notice: (sentence) => io.err(`${sentence}\n`),
      },
      ownRooms,
    );
    const where = `${flags.out.replace(/\/$/, "")}/${planName}`;
    const { model, device, jpeg } = plan.settings;
    const summary = {
      plan: where,
      hash: plan.hash,
      shards: plan.shards.length,
      model,
      device,
      jpeg,
      layout: plan.layout,
    };
    io.err(
      `${summary.shards} shards (${ranges([...plan.shards.keys()])}), ${model} on ${device}, JPEG ${jpeg}; each with: npm run shard -- --plan ${shellWord(where)} --shard i/${summary.shards}\n`,
    );
    await io.out(flags.json ? `${JSON.stringify(summary, null, 2)}\n` : `${where}\n`);
  });
};

/** What a plan fixes, without what was not said. */
function settingsOf(flags: PlanFlags): ShardSettings {
  const { layer, glob, exclude, dtype = "f32", preprocess, icc, jpeg } = flags;
  const names = settingNames.map((name) => name.replace(/-(.)/g, (_, c: string) => c.toUpperCase()));
  const said = Object.fromEntries(
    Object.entries(flags).filter(([name]) => names.includes(name)),
  ) as unknown as ShardSettings;
  const { layer: _, glob: __, exclude: ___, ...rest } = said as ShardSettings & PlanFlags;
  return {
    ...rest,
    layers: layer,
    globs: glob,
    excludes: exclude,
    dtype: dtypeOf(dtype),
    device: flags.device,
    jpeg: jpeg ?? (preprocess === "seed" || icc ? "accurate" : "fast"),
  };
}

const notes = `
Examples:
  npm run plan -- photos --out results --per-shard 1000
  npm run plan -- 'shards/{00000..00239}.tar' --out s3://bucket/results --layout clip-retrieval
  npm run plan -- --list laion.parquet --url-column URL --caption-column TEXT --out results

The plan is OUT/_plan.json. It does not change once it is made; workers compute what it says, and nothing else. Names of
files in it (the checkpoint, labels) must mean the same files wherever a worker runs; their hashes are held against it.`;
