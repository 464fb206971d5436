/** `npm run bench`: every layer of a network with its shape, multiply-adds, time and speed. */
import { availableParallelism } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { type DeviceName, openDevice } from "../src/engine/devices.ts";
import { ExitCode, UserError } from "../src/errors.ts";
import { findModel } from "../src/nets/index.ts";
import { type BenchResult, benchLayers } from "./layers.ts";
import { microKernelGflops } from "./micro-kernel.ts";

interface Options {
  readonly model: string;
  readonly device: DeviceName;
  readonly threads?: number;
  readonly batch: number;
  readonly runs: number;
  readonly json?: true;
}

function count(text: string): number {
  const n = Number(text);
  if (!Number.isInteger(n) || n < 1) throw new InvalidArgumentError("a whole number from 1 on is wanted.");
  return n;
}

function table(result: BenchResult): string {
  const head = ["layer", "kernel", "output", "M multiply-adds", "ms min", "ms median", "GFLOP/s", "share"];
  const rows = result.layers.map((l) => [
    l.layer,
    `${l.op}/${l.variant}`,
    l.shape,
    (l.macs / 1e6).toFixed(1),
    l.milliseconds.min.toFixed(3),
    l.milliseconds.median.toFixed(3),
    l.macs > 0 ? l.gflops.toFixed(2) : "",
    `${(100 * l.share).toFixed(1)} %`,
  ]);
  const { total, run } = result;
  const totals = [
    "total of the layers",
    "",
    "",
    (total.macs / 1e6).toFixed(1),
    total.milliseconds.min.toFixed(3),
    total.milliseconds.median.toFixed(3),
    total.gflops.toFixed(2),
    "100 %",
  ];
  const whole = [
    "whole run, input to feature",
    "",
    "",
    "",
    run.min.toFixed(3),
    run.median.toFixed(3),
    "",
    "",
  ];
  const all = [head, ...rows, totals, whole];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  return all
    .map((row) =>
      row.map((cell, i) => (i < 3 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  "),
    )
    .join("\n");
}

/** How much of what its inner kernel could do the CPU path does. */
function ofTheMicroKernel({ multiplied }: BenchResult, threads = availableParallelism()): string {
  const alone = microKernelGflops();
  const share = ((100 * multiplied) / (threads * alone)).toFixed(0);
  return `inner kernel alone ${alone.toFixed(2)} GFLOP/s a thread; layers ${multiplied.toFixed(2)} GFLOP/s on ${threads} threads (Winograd by what it multiplies): ${share} %`;
}

async function bench(options: Options): Promise<void> {
  const model = findModel(options.model);
  const device = await openDevice(options.device, {
    notice: (sentence) => console.error(sentence),
    threads: options.threads,
  });
  try {
    const result = await benchLayers(model, device, options.batch, options.runs);
    if (options.json) {
      console.log(JSON.stringify(result, null, 2));
      return;
    }
    const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
    console.log(
      `${result.model} up to ${result.endPoint}, batch ${result.batch}, ${result.runs} runs, seeded weights`,
    );
    console.log(`${result.backend}: ${result.adapter}; layers timed by ${result.clock}`);
    console.log(`weights ${mib(result.weightBytes)}, activations ${mib(result.activationBytes)}\n`);
    console.log(table(result));
    if (result.backend === "cpu") console.log(`\n${ofTheMicroKernel(result, options.threads)}`);
  } finally {
    await device.close();
  }
}

const program = new Command("bench")
  .description("time every layer of a network")
  .requiredOption("--model <name>", "the network, such as inception_v1")
  .addOption(
    new Option("--device <device>", "what computes").choices(["auto", "webgpu", "cpu"]).default("auto"),
  )
  .option("--threads <n>", "threads that compute on the CPU (default: one a core)", count)
  .option("--batch <n>", "images computed at once", count, 1)
  .option("--runs <n>", "runs to take the minimum and the median of", count, 10)
  .option("--json", "print the result as JSON")
  .addHelpText(
    "after",
    "\nExample:\n  npm run bench -- --model inception_v1 --device cpu --json > result.json",
  )
  .action(bench);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.error(`error: ${error.message}${error.hint ? `\nhint: ${error.hint}` : ""}`);
  process.exitCode = error.exitCode ?? ExitCode.unexpected;
}
