/** `npm run bench`: every layer of a network with its kernel, shape, multiply-adds, time and speed, and its start. */
import { availableParallelism } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { refuseRepeats } from "../src/cli/repeats.ts";
import type { DeviceName } from "../src/engine/devices.ts";
import { ExitCode, UsageError, UserError } from "../src/errors.ts";
import { findModel } from "../src/nets/index.ts";
import { openTuned } from "../src/network/tuned.ts";
import { nodePlatform } from "../src/node/platform.ts";
import { type BenchResult, benchLayers } from "./layers.ts";
import { microKernelGflops } from "./micro-kernel.ts";
import { compareTable, describeResult, layersTable } from "./report.ts";
import { readResult, resultPath, writeResult } from "./results.ts";
import { benchSpeedUp, describeSpeedUp } from "./speed-up.ts";
import { benchStartUp } from "./start-up.ts";

interface Options {
  readonly model: string;
  readonly device: DeviceName;
  readonly threads?: readonly number[];
  readonly batch: number;
  readonly precision: "f32" | "f16";
  readonly runs: number;
  readonly starts: number;
  readonly json?: true;
  readonly save?: true;
  readonly compare?: string;
}

const wholeFrom =
  (least: number) =>
  (text: string): number => {
    const n = Number(text);
    if (!Number.isInteger(n) || n < least)
      throw new InvalidArgumentError(`a whole number from ${least} on is wanted.`);
    return n;
  };

/** One number of threads, or two to be held against each other. */
function threadNumbers(text: string): number[] {
  const numbers = text.split(",").map(wholeFrom(1));
  if (numbers.length > 2) throw new InvalidArgumentError("one number or two are wanted, such as 1,16.");
  return numbers;
}

/** How much of what its inner kernel could do the CPU path does. */
function ofTheMicroKernel({ multiplied }: BenchResult, threads = availableParallelism()): string {
  const alone = microKernelGflops();
  const told = (gflops: number) =>
    `${gflops.toFixed(2)} GFLOP/s (${((100 * gflops) / (threads * alone)).toFixed(0)} %)`;
  return `inner kernel alone ${alone.toFixed(2)} GFLOP/s a thread; layers on ${threads} threads, Winograd by what it multiplies: ${told(multiplied.average)} averaged by multiply-adds, ${told(multiplied.together)} all together`;
}

/** Few threads against many. */
async function speedUp(options: Options, few: number, many: number): Promise<void> {
  if (options.device === "webgpu" || options.save || options.compare)
    throw new UsageError(
      "Two numbers of --threads hold the CPU path against itself.",
      "Leave out --device webgpu, --save and --compare.",
    );
  const result = await benchSpeedUp(findModel(options.model), options.batch, options.runs, [few, many]);
  console.log(options.json ? JSON.stringify(result, null, 2) : describeSpeedUp(result));
}

async function bench(options: Options): Promise<void> {
  const [threads, many] = options.threads ?? [];
  if (threads && many) return speedUp(options, threads, many);
  const model = findModel(options.model);
  // Read first: a wrong path should not cost a run.
  const earlier = options.compare ? await readResult<BenchResult>(options.compare, "layers") : undefined;
  const device = await openTuned(options.device, nodePlatform, {
    notice: (sentence) => console.error(sentence),
    threads,
    halfWeights: options.precision === "f16",
  });
  let layers: BenchResult;
  try {
    layers = await benchLayers(model, device, options.batch, options.runs);
  } finally {
    await device.close();
  }
  const startUp = options.starts > 0 ? await benchStartUp(model, device.backend, options.starts) : undefined;
  const result = { ...layers, startUp };
  if (options.json) console.log(JSON.stringify(result, null, 2));
  else {
    console.log(`${describeResult(result)}\n`);
    console.log(earlier ? compareTable(earlier, result) : layersTable(result));
    if (result.backend === "cpu") console.log(`\n${ofTheMicroKernel(result, threads)}`);
  }
  if (options.save) {
    const path = resultPath("layers", model.name, `x${options.batch}`, result.adapter, "node", result.node);
    await writeResult(path, result);
    console.error(`saved to ${path}`);
  }
}

const program = new Command("bench")
  .description("time every layer of a network")
  .requiredOption("--model <name>", "the network, such as inception_v1")
  .addOption(
    new Option("--device <device>", "what computes").choices(["auto", "webgpu", "cpu"]).default("auto"),
  )
  .option(
    "--threads <n>",
    "threads that compute on the CPU (default: one a core); two numbers, 1,16, are held against each other",
    threadNumbers,
  )
  .option("--batch <n>", "images computed at once", wholeFrom(1), 1)
  .addOption(
    new Option("--precision <type>", "weights in float32 or in half precision")
      .choices(["f32", "f16"])
      .default("f32"),
  )
  .option("--runs <n>", "runs to take the minimum and the median of", wholeFrom(1), 10)
  .option("--starts <n>", "processes started for the time to the first feature; 0 for none", wholeFrom(0), 3)
  .option("--compare <file>", "an earlier result, shown layer by layer beside this one")
  .option("--save", "write the result into bench/results")
  .option("--json", "print the result as JSON")
  .addHelpText(
    "after",
    "\nExamples:\n  npm run bench -- --model inception_v1 --device cpu --json > result.json\n  npm run bench -- --model inception_v1 --device cpu --batch 8 --runs 3 --threads 1,16",
  )
  .action(bench);

try {
  refuseRepeats(program);
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.error(`error: ${error.message}${error.hint ? `\nhint: ${error.hint}` : ""}`);
  process.exitCode = error.exitCode ?? ExitCode.unexpected;
}
