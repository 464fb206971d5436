/** `npm run bench:peers`: the same networks and weights through other engines and ours, run by run in turn. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { refuseRepeats } from "../../src/cli/repeats.ts";
import { needs } from "../../src/engine/needs.ts";
import { ExitCode, UsageError, UserError } from "../../src/errors.ts";
import { buildNetwork, findModel } from "../../src/nets/index.ts";
import { unpackSwiftShader } from "../../test/support/swiftshader.ts";
import { readResult, resultPath, writeResult } from "../results.ts";
import { type Contender, contenders } from "./contenders.ts";
import { type Entry, type Figure, mergeEntries, type PeersResult, partOf, showPeers } from "./report.ts";
import { playRounds } from "./rounds.ts";

interface Options {
  readonly model: readonly string[];
  readonly batch: readonly number[];
  readonly contenders?: readonly string[];
  readonly runs: number;
  readonly timeout: number;
  readonly adapter: "system" | "swiftshader";
  readonly json?: true;
  readonly save?: true;
  readonly show?: string;
}

const root = join(import.meta.dirname, "../..");

const list = (text: string) => text.split(",").map((part) => part.trim());

function count(text: string): number {
  const n = Number(text);
  if (!Number.isInteger(n) || n < 1) throw new InvalidArgumentError("a whole number from 1 on is wanted.");
  return n;
}

/** Those asked for by name, or all. @throws UsageError where a name is unknown or none is ours. */
function chosen(names: readonly string[] | undefined): readonly Contender[] {
  if (!names) return contenders;
  for (const name of names) {
    if (!contenders.some((c) => c.name === name))
      throw new UsageError(
        `There is no contender called "${name}".`,
        `The contenders are: ${contenders.map((c) => c.name).join(", ")}.`,
      );
  }
  const picked = contenders.filter((c) => names.includes(c.name));
  if (!picked.some((c) => c.ours))
    throw new UsageError(
      "None of the contenders is ours.",
      "Add ours-webgpu or ours-cpu: every other one must agree with it before it is timed.",
    );
  return picked;
}

/** The variables that the engines and drivers look at. */
const telling = /^(LP_|VK_|GALLIUM_|OMP_|UV_|DAWN_|MESA_|LD_LIBRARY_PATH$|NODE_OPTIONS$)|_NUM_THREADS$/;

function commit(): string {
  try {
    const git = (...args: string[]) => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
    return `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain", "src") ? " and changes" : ""}`;
  } catch {
    return "unknown";
  }
}

async function play(options: Options, names: readonly Contender[]): Promise<PeersResult> {
  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    ...(options.adapter === "swiftshader" &&
      (await unpackSwiftShader(join(root, "node_modules/.cache/swiftshader")))),
  };
  const run = new Date().toISOString();
  const of = commit();
  const entries: Entry[] = [];
  for (const model of options.model) {
    const record = findModel(model);
    for (const batch of options.batch) {
      const { macs } = needs(buildNetwork(record, batch), [record.featureEndPoint]);
      const fitting = names.filter((c) => options.contenders || macs <= (c.mostMacs ?? macs));
      const outcomes = await playRounds(fitting, {
        model,
        batch,
        runs: options.runs,
        timeoutMs: 1000 * options.timeout,
        environment,
        notice: (sentence) => console.error(sentence),
      });
      entries.push({ model, batch, figures: outcomes.map((o): Figure => ({ ...o, run, commit: of })) });
    }
  }
  const processor = cpus()[0]?.model.trim() ?? "unknown processor";
  const adapter = entries.flatMap((e) => e.figures).flatMap((f) => ("adapter" in f && f.adapter) || []);
  return {
    device: adapter[0] ?? processor,
    processor,
    cores: availableParallelism(),
    node: process.version,
    environment: Object.fromEntries(
      Object.entries(environment).flatMap(([name, value]) =>
        telling.test(name) && value !== undefined ? [[name, value.replaceAll(root, ".")]] : [],
      ),
    ),
    entries,
  };
}

/**
 * Puts the figures into the file of the device that they were computed on, in the places of older ones of the same
 * contenders; gives the paths.
 */
async function save(result: PeersResult): Promise<string[]> {
  const paths: string[] = [];
  for (const on of ["adapter", "processor"] as const) {
    const part = partOf(result, on);
    if (part.entries.length === 0) continue;
    const path = resultPath("peers", part.device, "node", part.node);
    const older = existsSync(path) ? await readResult<PeersResult>(path, "entries") : undefined;
    await writeResult(path, { ...part, entries: mergeEntries(older?.entries ?? [], part.entries) });
    paths.push(path);
  }
  return paths;
}

async function bench(options: Options): Promise<void> {
  if (options.show) {
    console.log(showPeers(await readResult<PeersResult>(options.show, "entries")));
    return;
  }
  const names = chosen(options.contenders);
  if (names.some((c) => !c.ours) && !existsSync(join(import.meta.dirname, "node_modules")))
    throw new UsageError(
      "The other engines are not installed: they are a package of their own.",
      "Install them with: npm --prefix bench/peers ci --ignore-scripts",
    );
  const result = await play(options, names);
  console.log(options.json ? JSON.stringify(result, null, 2) : showPeers(result));
  if (options.save) console.error(`saved to ${(await save(result)).join(" and ")}`);
}

const program = new Command("bench:peers")
  .description("time other engines and ours on the same networks, weights and machine, run by run in turn")
  .option("--model <names>", "networks, by commas", list, [
    "inception_v1",
    "inception_v3",
    "resnet_v1_50",
    "vgg_16",
    "mobilenet_v1",
  ])
  .option("--batch <sizes>", "images computed at once, by commas", (text) => list(text).map(count), [1, 8])
  .option("--contenders <names>", `who runs, by commas: ${contenders.map((c) => c.name).join(", ")}`, list)
  .option("--runs <n>", "timed runs of each", count, 5)
  .option("--timeout <seconds>", "how long one answer of a contender may take", count, 300)
  .addOption(
    new Option("--adapter <which>", "the WebGPU adapter")
      .choices(["system", "swiftshader"])
      .default("system"),
  )
  .option("--json", "print the result as JSON")
  .option("--save", "put the figures into the device's file in bench/results")
  .option("--show <file>", "print the tables of a saved file and run nothing")
  .addHelpText(
    "after",
    "\nExample:\n  npm run bench:peers -- --model inception_v1 --batch 1 --contenders ours-webgpu,onnxruntime-webgpu",
  )
  .action(bench);

// An orderly exit ends the contenders too.
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)
  process.once(signal, () => process.exit(code));

try {
  refuseRepeats(program);
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.error(`error: ${error.message}${error.hint ? `\nhint: ${error.hint}` : ""}`);
  process.exitCode = error.exitCode ?? ExitCode.unexpected;
}
