/** `work`: takes shards of a plan from a queue until all are done. */
import { Option } from "commander";
import { ExitCode } from "../errors.ts";
import type { AddCommand } from "./command.ts";
import { environmentName } from "./config.ts";
import type { Io } from "./io.ts";
import { wholeNumber } from "./numbers.ts";
import { makeProgress } from "./progress.ts";
import { addWorkerOptions, limitsOf, tellsOf, type WorkerFlags } from "./shards.ts";
import { stoppable } from "./signals.ts";

interface WorkFlags extends WorkerFlags {
  readonly queue: string;
  readonly patience: number;
  readonly look: number;
}

export const addWork: AddCommand = (program, io, exit) => {
  const command = program
    .command("work")
    .description(
      "take shards of a plan from a queue until all are done; ends with 1 where some were given up",
    )
    .addHelpText(
      "after",
      `
Example:
  npm run work -- --plan s3://bucket/results --queue redis://queue:6379

As many as you like may work on a plan. The queue is filled by the workers themselves with what is not published, and again
where it was emptied; it needs Redis 5 or later, and the packages bullmq and ioredis beside this one.`,
    );
  addWorkerOptions(command);
  const own = [
    new Option(
      "--queue <address>",
      "Redis, as redis://host:6379 or rediss://user:password@host:6380",
    ).makeOptionMandatory(),
    new Option("--patience <seconds>", "how long a silent worker keeps its shard")
      .argParser(wholeNumber(86_400))
      .default(60),
    new Option("--look <seconds>", "how often a worker without work looks what is missing")
      .argParser(wholeNumber(86_400))
      .default(30),
  ];
  for (const each of own) command.addOption(each.env(environmentName(each)));
  command.action(async (flags: WorkFlags) => {
    const quiet: Io = { ...io, err: flags.quiet ? () => {} : io.err };
    const { readPlan, shardName, workQueue } = await import("../shards/index.ts");
    const { plan, out } = await readPlan(flags.plan);
    const progress = makeProgress(quiet, { unit: "images" });
    const { plan: _, ...choices } = flags;
    const { checked } = await stoppable(
      quiet,
      (signal) =>
        workQueue({
          ...choices,
          ...limitsOf(flags),
          plan,
          out,
          signal,
          look: 1000 * flags.look,
          events: tellsOf(progress),
          notice: (sentence) => progress.say(sentence),
          finished: ({ shard, outcome, stats: { successes, count } }) => {
            progress.end();
            const done = outcome === "there" ? "was published before" : "published";
            void io
              .out(`${shardName(shard)} ${done}: ${successes} images, ${count - successes} failed\n`)
              .catch(() => {});
          },
          failed: (shard, error, last) =>
            progress.say(
              `shard ${shardName(shard)} ${last ? "is given up" : "is tried again"}: ${error.message}`,
            ),
        }),
      flags.endWith,
    ).finally(() => progress.end());
    const { done, failed } = checked;
    io.err(`${done.size} of ${plan.shards.length} shards are done, ${failed.length} were given up\n`);
    if (done.size < plan.shards.length) exit(ExitCode.unexpected);
  });
};
