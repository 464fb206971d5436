/** `shard` computes a part of a plan; `shards` looks after all of them. */
import { type Command, Option } from "commander";
import { ExitCode, UsageError } from "../errors.ts";
import type { RunShardOptions, ShardPlan, Status } from "../shards/index.ts";
import { formatFor } from "../tables/formats/index.ts";
import { dtypeNames, dtypeOf } from "../tables/formats/table.ts";
import type { AddCommand } from "./command.ts";
import { environmentName } from "./config.ts";
import { extractOptions } from "./extract.ts";
import { formatOption } from "./files.ts";
import type { Io } from "./io.ts";
import { wholeNumber } from "./numbers.ts";
import { type EndWith, endWithOption } from "./parent.ts";
import { duration, makeProgress, type Progress } from "./progress.ts";
import { stoppable } from "./signals.ts";

/** What each worker chooses for itself. */
export interface WorkerFlags extends Pick<RunShardOptions, "threads" | "batchSize" | "workers" | "scratch"> {
  readonly plan: string;
  readonly perSecond?: number;
  readonly endWith?: EndWith;
  readonly quiet?: boolean;
}

export const planOption = () =>
  new Option("--plan <place>", "the plan: OUT/_plan.json, or OUT").makeOptionMandatory();

/** Options of commands that compute shards. */
export function addWorkerOptions(command: Command): void {
  const all = [
    planOption(),
    new Option(
      "--scratch <dir>",
      "a folder of this machine for what is not published yet (default: in the system's temporary one)",
    ),
    ...extractOptions(["threads", "batch-size", "workers"]),
    new Option("--per-second <n>", "requests a second to one web server (default: 10)").argParser(
      wholeNumber(10_000),
    ),
    endWithOption(),
  ];
  for (const each of all) command.addOption(each.env(environmentName(each)));
  command.option("--quiet", "only errors on stderr");
}

/** What a worker tells on stderr as it goes. */
export const tellsOf = (progress: Progress): NonNullable<RunShardOptions["events"]> => {
  let total = 0;
  return {
    notice: (sentence) => progress.say(sentence),
    fetched: (done, all) => progress.update(done, all),
    started: (count, network, known) => {
      total = count;
      progress.say(`computing ${network.model} on ${network.backend} (${network.adapter})`);
      if (known > 0) progress.say(`going on: ${known} images are known from an earlier run`);
    },
    progressed: (done) => progress.update(done, total),
    failed: ({ path, reason }) => progress.say(`failed: ${path}: ${reason}`),
  };
};

export const limitsOf = ({ perSecond }: WorkerFlags) =>
  perSecond === undefined ? {} : { limits: { perSecond } };

interface ShardFlags extends WorkerFlags {
  readonly shard?: string;
  readonly indexFromEnv?: boolean;
  readonly of?: number;
  readonly strict?: boolean;
}

export const addShards: AddCommand = (program, io, exit) => {
  addShard(program, io, exit);
  const shards = program
    .command("shards")
    .description("look after the shards of a plan: check, status, merge");

  shards
    .command("check")
    .description(
      "name shards that are missing, failed or foreign, and write _SUCCESS where none is; ends with 1 where one is",
    )
    .addOption(planOption())
    .option("--thorough", "hold the bytes of every file against its hash, too")
    .option(
      "--requeue",
      "remove notes of failures and what is foreign; print what is to be computed, as arrays of jobs take it",
    )
    .option("--queue <address>", "with --requeue, put these into the queue")
    .option("--json", "as JSON")
    .action((flags: CheckFlags) => check(flags, io, exit));

  shards
    .command("status")
    .description("how far it is, and how fast it goes")
    .addOption(planOption())
    .option("--watch", "again every ten seconds, until all is done")
    .option("--json", "as JSON")
    .action((flags: { plan: string; watch?: boolean; json?: boolean }) => status(flags, io));

  shards
    .command("merge")
    .description("write all shards as one file")
    .argument("<out>", "the file to write, of any format")
    .addOption(planOption())
    .addOption(formatOption())
    .addOption(
      new Option("--dtype <type>", "type of the numbers (default: the plan's)").choices([...dtypeNames]),
    )
    .action(async (to: string, { plan: place, format, dtype }: MergeFlags) => {
      const { mergeShards, readPlan } = await import("../shards/index.ts");
      const { plan, out } = await readPlan(place);
      const { rows } = await mergeShards({
        plan,
        out,
        to,
        format: formatFor(to, format),
        dtype: dtype === undefined ? undefined : dtypeOf(dtype),
      });
      io.err(`${rows} features of ${plan.shards.length} shards\n`);
      await io.out(`${to}\n`);
    });
};

const addShard: AddCommand = (program, io, exit) => {
  const command = program
    .command("shard")
    .description("compute a part of a plan; may be run twice, and killed anywhere")
    .option("--shard <i/n>", "part i of n, from 0 on: every n-th shard from the i-th")
    .option(
      "--index-from-env",
      "i from the environment of Kubernetes, Slurm, AWS Batch or Google Cloud Batch",
    )
    .addOption(
      new Option("--of <n>", "with --index-from-env: n (default: the plan's shards)").argParser(
        wholeNumber(1e9),
      ),
    )
    .option("--strict", "end with 3 when images failed; a shard is done all the same")
    .addHelpText("after", shardNotes);
  addWorkerOptions(command);
  command.action(async (flags: ShardFlags) => {
    const quiet: Io = { ...io, err: flags.quiet ? () => {} : io.err };
    const { keepNetwork, readPlan, runShard, shardName } = await import("../shards/index.ts");
    const { ownRooms } = await import("../extract/rooms.ts");
    const { plan, out } = await readPlan(flags.plan);
    const own = await shardsFor(flags, plan);
    const { plan: _, ...choices } = flags;
    const { rooms, close } = keepNetwork(ownRooms);
    let imagesFailed = 0;
    let first: unknown;
    await stoppable(
      quiet,
      async (signal) => {
        for (const shard of own) {
          const progress = makeProgress(quiet, { unit: "images" });
          try {
            const report = await runShard({
              ...choices,
              ...limitsOf(flags),
              plan,
              out,
              rooms,
              shard,
              signal,
              events: tellsOf(progress),
            });
            progress.end();
            const { successes, count } = report.stats;
            imagesFailed += count - successes;
            const done = report.outcome === "there" ? "was published before" : "published";
            await io.out(`${shardName(shard)} ${done}: ${successes} images, ${count - successes} failed\n`);
          } catch (error) {
            progress.end();
            // The others are computed all the same; the first fault is what it ends with.
            if (signal.aborted || own.length === 1) throw error;
            io.err(`error: shard ${shardName(shard)}: ${(error as Error).message}\n`);
            first ??= error;
          }
        }
      },
      flags.endWith,
    ).finally(close);
    if (first !== undefined) throw first;
    if (flags.strict && imagesFailed > 0) exit(ExitCode.someImagesFailed);
  });
};

async function shardsFor({ shard, indexFromEnv, of }: ShardFlags, plan: ShardPlan): Promise<number[]> {
  const { indexFromEnvironment, shardsOfPart } = await import("../shards/index.ts");
  const count = plan.shards.length;
  if ((shard === undefined) === !indexFromEnv) {
    throw new UsageError("Which part it is must be said once.", "Say --shard i/n, or --index-from-env.");
  }
  if (of !== undefined && !indexFromEnv) {
    throw new UsageError(
      `--of ${of} goes with --index-from-env.`,
      "With --shard, n stands behind i: --shard i/n.",
    );
  }
  if (indexFromEnv) return shardsOfPart(indexFromEnvironment(process.env), of ?? count, count);
  const [, index, parts] = /^(\d+)\/(\d+)$/.exec(shard ?? "") ?? [];
  if (index === undefined || Number(parts) < 1) {
    throw new UsageError(`--shard ${shard} is no part.`, `Say --shard i/n, such as 0/${count}.`);
  }
  return shardsOfPart(Number(index), Number(parts), count);
}

interface MergeFlags {
  readonly plan: string;
  readonly format?: string;
  readonly dtype?: string;
}

interface CheckFlags {
  readonly plan: string;
  readonly thorough?: boolean;
  readonly requeue?: boolean;
  readonly queue?: string;
  readonly json?: boolean;
}

async function check(flags: CheckFlags, io: Io, exit: (code: number) => void): Promise<void> {
  const { checkShards, fillQueue, markSuccess, ranges, readPlan, requeue } = await import(
    "../shards/index.ts"
  );
  if (flags.queue !== undefined && !flags.requeue) throw new UsageError("--queue goes with --requeue.");
  const { plan, out } = await readPlan(flags.plan);
  const checked = await checkShards(plan, out, { thorough: flags.thorough });
  const { missing, failed, foreign, done } = checked;
  for (const { shard, error, host, time } of failed)
    io.err(`failed: ${shard}: ${error} (${host}, ${time})\n`);
  for (const { shard, why } of foreign) io.err(`foreign: ${shard}: ${why}\n`);
  io.err(
    `${done.size} of ${plan.shards.length} shards are done; ${missing.length} missing (${failed.length} of them failed), ${foreign.length} foreign\n`,
  );
  const whole = await markSuccess(plan, out, checked);
  if (flags.json) {
    const numbers = { done: done.size, missing, failed, foreign, success: whole };
    await io.out(`${JSON.stringify(numbers, null, 2)}\n`);
  }
  if (flags.requeue) {
    const again = await requeue(plan, out, checked);
    if (flags.queue !== undefined) await fillQueue(flags.queue, plan, out);
    if (again.length > 0 && !flags.json) await io.out(`${ranges(again)}\n`);
  } else if (!whole && !flags.json) {
    await io.out(`${ranges([...missing, ...foreign.map(({ shard }) => shard)])}\n`);
  }
  if (!whole) exit(ExitCode.unexpected);
}

/** Seconds between two looks of --watch. */
const watchEvery = 10;

async function status(flags: { plan: string; watch?: boolean; json?: boolean }, io: Io): Promise<void> {
  const { readPlan, statusOf } = await import("../shards/index.ts");
  const { plan, out } = await readPlan(flags.plan);
  await stoppable(io, async (signal) => {
    for (;;) {
      const now = await statusOf(plan, out);
      await io.out(flags.json ? `${JSON.stringify(now)}\n` : statusLines(now));
      if (!flags.watch || signal.aborted || now.done === now.shards) return;
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, 1000 * watchEvery);
        signal.addEventListener("abort", () => resolve(clearTimeout(timer)), { once: true });
      });
      if (signal.aborted) return;
    }
  });
}

const oneOf = ({ shard, done, total, rate, host, pid, seen }: Status["running"][number]) =>
  `  ${shard}: ${done}/${total} images, ${rate.toPrecision(3)} a second, ${host} ${pid}, seen ${duration(seen)} ago\n`;

function statusLines(now: Status): string {
  const left = now.secondsLeft === undefined ? "" : `, about ${duration(now.secondsLeft)} left`;
  return [
    `shards: ${now.done} of ${now.shards} done, ${now.failed} failed, ${now.foreign} foreign, ${now.running.length} running\n`,
    `images: ${now.images} done, ${now.failedImages} of them failed; ${now.imagesPerSecond.toPrecision(3)} a second${left}\n`,
    ...now.running.map(oneOf),
    ...(now.silent.length > 0 ? ["silent for long:\n", ...now.silent.map(oneOf)] : []),
  ].join("");
}

const shardNotes = `
Examples:
  npm run shard -- --plan results --shard 3/24
  npm run shard -- --plan s3://bucket/results/_plan.json --index-from-env --of 1000 --scratch /scratch

A shard is done when OUT/_stats/NNNNN_stats.json is there. It ends with 0 where it is, whoever put it there; with 8 where
another process of this machine has it (try later), with 9 where it is published with other bytes, or weights differ.`;
