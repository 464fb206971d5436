/**
 * Workers that take shards from a queue: BullMQ on Redis. The queue only spreads work. What is done is told by what is
 * published, so a queue may deliver twice, lose its worker, or be emptied in the middle: workers that have nothing to do look
 * what is missing, and put that into it again.
 */
import { BusyError, UsageError, UserError } from "../errors.ts";
import { ownRooms } from "../extract/rooms.ts";
import { Stopped } from "../stopped.ts";
import { type Checked, checkShards, longSilence, runningShards } from "./check.ts";
import { keepNetwork } from "./kept.ts";
import type { ShardPlan } from "./model.ts";
import { isPermanent, noteFailure, type RunShardOptions, runShard, type ShardReport } from "./run.ts";
import { optional, type Storage } from "./storage/index.ts";

type BullMq = typeof import("bullmq");

export interface WorkOptions extends Omit<RunShardOptions, "shard"> {
  /** The address of Redis: redis://[user:password@]host:port/number, or rediss://. */
  readonly queue: string;
  /** Seconds without a sign of life after which a worker's shard is another's; 60 when left out. */
  readonly patience?: number;
  /** Attempts at a shard that fails by what may pass. */
  readonly attempts?: number;
  /** Milliseconds between two looks at what is missing, for a worker without work. */
  readonly look?: number;
  readonly finished?: (report: ShardReport) => void;
  readonly failed?: (shard: number, error: Error, last: boolean) => void;
  readonly notice?: (sentence: string) => void;
}

export interface WorkReport {
  /** Shards that this worker published or found published. */
  readonly reports: readonly ShardReport[];
  /** How the plan stands at the end. */
  readonly checked: Checked;
}

/** One that is lost time and again may be what its workers die of; that many times it is given to another. */
const mostStalls = 20;

/** What is to be tried again in a minute, since somebody is at it. */
const busyWait = 60_000;

/** The queue of a plan. */
const queueName = ({ hash }: ShardPlan) => `slimfeatures-${hash.slice(0, 12)}`;

/** Whether what a queue gives is a shard's number: others may write there. */
const isShardOf = ({ shards }: ShardPlan, shard: unknown): shard is number =>
  Number.isSafeInteger(shard) && Object.hasOwn(shards, shard as number);

/** Where a queue is, without what is secret in its address. */
const shown = (address: string): string => {
  if (!URL.canParse(address)) return "that address";
  const { protocol, host, pathname } = new URL(address);
  return `${protocol}//${host}${pathname}`;
};

async function loaded(address: string): Promise<BullMq> {
  if (!/^rediss?:\/\//.test(address)) {
    throw new UsageError(`${shown(address)} is no queue.`, "Name it as redis://host:6379.");
  }
  await optional("ioredis", "queues");
  return (await optional("bullmq", "queues")) as BullMq;
}

/** Puts shards into the queue that are missing, and that nobody computes or gave up. Gives how many are missing. */
async function fill(
  queue: { addBulk: InstanceType<BullMq["Queue"]>["addBulk"] },
  plan: ShardPlan,
  out: Storage,
  attempts: number,
): Promise<number> {
  const { missing, failed } = await checkShards(plan, out);
  const given = new Set(failed.map(({ shard }) => shard));
  const running = await runningShards(plan, out);
  const taken = new Set(running.filter(({ seen }) => seen < longSilence).map(({ shard }) => shard));
  const wanted = missing.filter((shard) => !given.has(shard));
  const jobs = wanted
    .filter((shard) => !taken.has(shard))
    .map((shard) => ({
      name: "shard",
      data: { shard },
      // Of one name there is one in the queue, whoever adds it.
      opts: {
        jobId: `${plan.hash.slice(0, 12)}-${shard}`,
        attempts,
        backoff: { type: "exponential", delay: 5000 },
        removeOnComplete: true,
        removeOnFail: true,
      },
    }));
  for (let i = 0; i < jobs.length; i += 1000) await queue.addBulk(jobs.slice(i, i + 1000));
  return wanted.length;
}

/** Fills the queue of a plan with what is missing. @throws UserError where it cannot be reached */
export async function fillQueue(address: string, plan: ShardPlan, out: Storage): Promise<number> {
  const { Queue } = await loaded(address);
  const queue = new Queue(queueName(plan), { connection: { url: address } });
  queue.on("error", () => {});
  try {
    await reached(queue, address);
    return await fill(queue, plan, out, usualAttempts);
  } finally {
    await queue.close();
  }
}

const usualAttempts = 5;

/** @throws UserError where Redis does not answer */
async function reached(queue: { waitUntilReady(): Promise<unknown> }, address: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new UserError(`The queue ${shown(address)} does not answer.`, "Is Redis running there?")),
      10_000,
    );
  });
  try {
    await Promise.race([queue.waitUntilReady(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Takes shards from the plan's queue, one at a time, until all are published or given up.
 * @throws UserError where the queue cannot be reached, UsageError where its client is not installed; Stopped
 */
export async function workQueue(options: WorkOptions): Promise<WorkReport> {
  const { plan, out, queue: address, signal, notice, finished, failed } = options;
  const { patience = 60, attempts = usualAttempts, look = 30_000 } = options;
  const { Queue, Worker, UnrecoverableError, DelayedError } = await loaded(address);
  const connection = { url: address, maxRetriesPerRequest: null };
  const queue = new Queue(queueName(plan), { connection });
  let told = "";
  const fault = ({ message }: Error) => {
    if (message !== told) notice?.(`queue: ${message}`);
    told = message;
  };
  queue.on("error", fault);
  const reports: ShardReport[] = [];
  const kept = keepNetwork(options.rooms ?? ownRooms);
  let active = 0;
  let worker: { close(): Promise<void> } | undefined;
  try {
    await reached(queue, address);
    await fill(queue, plan, out, attempts);
    const taker = new Worker<{ readonly shard?: unknown } | undefined>(
      queueName(plan),
      async (job, token) => {
        const shard: unknown = job.data?.shard;
        if (!isShardOf(plan, shard)) throw new UnrecoverableError("it names no shard of the plan");
        const again = async (milliseconds: number) => {
          await job.moveToDelayed(Date.now() + milliseconds, token);
          throw new DelayedError();
        };
        if (signal?.aborted) return again(0);
        active++;
        try {
          const report = await runShard({ ...options, rooms: kept.rooms, shard });
          reports.push(report);
          finished?.(report);
          return report.outcome;
        } catch (error) {
          // Neither is an attempt that failed.
          if (error instanceof Stopped) return await again(0);
          if (error instanceof BusyError) return await again(busyWait);
          const last = isPermanent(error) || job.attemptsMade + 1 >= attempts;
          failed?.(shard, error as Error, last);
          if (last) await noteFailure(out, shard, error as Error);
          throw isPermanent(error) ? new UnrecoverableError(error.message) : error;
        } finally {
          active--;
        }
      },
      {
        connection,
        concurrency: 1,
        lockDuration: 1000 * patience,
        stalledInterval: 500 * patience,
        maxStalledCount: mostStalls,
        // Where a queue is emptied, the wait for its next job must end.
        drainDelay: Math.max(1, Math.round(look / 1000)),
      },
    );
    worker = taker;
    taker.on("error", fault);
    for (;;) {
      await pause(look, signal);
      if (signal?.aborted) throw new Stopped(signal.reason);
      if (active === 0 && (await fill(queue, plan, out, attempts)) === 0) break;
    }
    return { reports, checked: await checkShards(plan, out) };
  } finally {
    await worker?.close();
    await queue.close();
    await kept.close();
  }
}

/** Waits, or until the signal fires. */
function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done);
  });
}
