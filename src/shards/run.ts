/**
 * One shard, from its inputs to its published files. It may be run by any number of workers, twice, and killed anywhere: it
 * works in a scratch folder of the worker's own, and a shard is done when its last file is there, which is put only where
 * none is. Who comes second compares, and is content with the same bytes.
 */
import { mkdir, rm } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { ExitCode, OtherSettingsError, UsageError, UserError } from "../errors.ts";
import { type ExtractEvents, extract } from "../extract/extract.ts";
import { takeLock } from "../extract/lock.ts";
import type { ManifestRecord } from "../extract/manifest.ts";
import type { ExtractRequest } from "../extract/request.ts";
import { type ExtractRooms, ownRooms } from "../extract/rooms.ts";
import { outputError } from "../node/atomic.ts";
import { throwIfStopped } from "../stopped.ts";
import { type GatherOptions, gather } from "./gather.ts";
import { places } from "./layouts.ts";
import { makeFiles, ofAnyMachine } from "./made.ts";
import type { ShardPlan } from "./model.ts";
import { shardName } from "./names.ts";
import { hashOfFile, weightsOf } from "./plan.ts";
import { damagedStats, publish, readStats, type Stats } from "./publish.ts";
import { isRecord, jsonBytes, parseJson, readJson, type Storage } from "./storage/index.ts";
import { checkUnread } from "./unread.ts";

/** What is each worker's own to choose, and changes no bit. */
export type WorkerChoices = Pick<ExtractRequest, "threads" | "batchSize" | "workers" | "commitEvery">;

export interface RunShardOptions extends Partial<WorkerChoices>, Pick<GatherOptions, "limits"> {
  readonly plan: ShardPlan;
  readonly out: Storage;
  readonly shard: number;
  /** A folder of this machine, not shared with others; the system's temporary one when left out. */
  readonly scratch?: string;
  readonly events?: ExtractEvents & Pick<GatherOptions, "fetched">;
  readonly signal?: AbortSignal;
  readonly rooms?: ExtractRooms;
}

export interface ShardReport {
  readonly shard: number;
  /** `there`: somebody had published it. */
  readonly outcome: "published" | "there";
  readonly stats: Stats;
}

/** Milliseconds between two notes of how far a shard is. */
const noteEvery = 60_000;

/**
 * Computes and publishes a shard, unless it is there.
 * @throws what `extract` throws; BusyError where another process of this machine has the shard; OtherSettingsError where the
 * shard is published with other bytes, or weights or files are not those that were planned; UserError where its images
 * cannot be had here; OutputError
 */
export async function runShard(options: RunShardOptions): Promise<ShardReport> {
  const { plan, out, shard, signal } = options;
  const input = plan.shards[shard];
  if (!input) {
    throw new UserError(
      `There is no shard ${shard}: the plan has ${plan.shards.length}, from 0 to ${plan.shards.length - 1}.`,
    );
  }
  if (out.readOnly) {
    throw new UsageError(
      `The plan is in ${out.place}, where nothing can be written, and results lie beside their plan.`,
      "Plan into a folder or an s3:// address.",
    );
  }
  const there = await readStats(out, shard);
  if (there) return { shard, outcome: "there", stats: checked(there, plan, shard) };
  await checkWorker(plan);
  const scratch = join(
    options.scratch ?? join(tmpdir(), `slimfeatures-${process.getuid?.() ?? "shards"}`),
    `${plan.hash.slice(0, 12)}-${shardName(shard)}`,
  );
  // A folder for all has names that others know.
  await mkdir(scratch, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw outputError(scratch, error);
  });
  const lock = await takeLock(scratch);
  const note = startNote(out, shard);
  try {
    const began = new Date();
    const { inputs, about } = await gather(input, { ...options, ...options.events, scratch });
    throwIfStopped(signal);
    const { records, metadata } =
      inputs.length === 0
        ? { records: [], metadata: undefined }
        : await compute(options, inputs, scratch, note.progressed);
    throwIfStopped(signal);
    await checkUnread(shard, { inputs, records, scratch });
    const published = metadata && ofAnyMachine(metadata, plan);
    const files = await makeFiles({ plan, shard, scratch, records, metadata: published, about });
    const stats = statsOf(plan, records, metadata, began);
    await lock.check();
    const report = await publish(out, shard, files, stats);
    await rm(scratch, { recursive: true, force: true });
    await out.remove(places.failure(shard)).catch(() => {});
    return { shard, ...report };
  } catch (error) {
    if (isPermanent(error)) await noteFailure(out, shard, error);
    throw error;
  } finally {
    await note.end();
    await lock.release();
  }
}

/** @throws OtherSettingsError where what is published is of another plan, or damaged */
function checked(stats: Stats | "damaged", plan: ShardPlan, shard: number): Stats {
  if (stats === "damaged") throw damagedStats(shard);
  if (stats.plan === plan.hash) return stats;
  throw new OtherSettingsError(
    `Shard ${shard} was published by another plan (${stats.plan.slice(0, 12)}, and this is ${plan.hash.slice(0, 12)}).`,
    "Publish into another folder; or remove the other plan's shards: npm run shards -- check --requeue",
  );
}

/** @throws OtherSettingsError where files of this worker would give other results than the plan's others */
async function checkWorker({ files }: ShardPlan): Promise<void> {
  for (const [path, hash] of Object.entries(files)) {
    if ((await hashOfFile(path)) !== hash)
      throw new OtherSettingsError(`${path} is not the file that was planned with.`, "Copy it from there.");
  }
}

async function compute(
  options: RunShardOptions,
  inputs: Awaited<ReturnType<typeof gather>>["inputs"],
  scratch: string,
  progressed: (done: number, total: number) => void,
) {
  const {
    plan,
    events = {},
    signal,
    rooms = ownRooms,
    threads,
    batchSize = "auto",
    workers,
    commitEvery,
  } = options;
  const { globs, excludes, ...settings } = plan.settings;
  const request: ExtractRequest = {
    ...settings,
    ...{ threads, batchSize, workers, commitEvery },
    inputs: plan.source,
    source: plan.source,
    out: join(scratch, "features.npy"),
    format: "npy",
    mayBeEmpty: true,
  };
  let total = 0;
  const report = await extract(
    request,
    { ...rooms, listSources: async () => ({ inputs: [...inputs] }) },
    {
      ...events,
      started(count, network, known) {
        total = count;
        if (weightsOf(network) !== plan.weights) {
          throw new OtherSettingsError(
            `The weights here are ${weightsOf(network)}, and the plan's are ${plan.weights}.`,
            "Copy the plan's checkpoint to where this worker looks for it.",
          );
        }
        events.started?.(count, network, known);
      },
      progressed(done, failed) {
        progressed(done, total);
        events.progressed?.(done, failed);
      },
    },
    signal,
  );
  const [{ metadata }] = report.files;
  return { records: report.records, metadata };
}

/** Statistics by img2dataset's names, with what tells a shard from another. */
function statsOf(
  plan: ShardPlan,
  records: readonly ManifestRecord[],
  metadata: { readonly backend: string; readonly adapter: string } | undefined,
  began: Date,
): Omit<Stats, "objects"> {
  const images = records.filter(({ status }) => status !== "skipped");
  const reasons: Record<string, number> = {};
  for (const { status, reason = "" } of images) {
    const name = status === "ok" ? "success" : reason;
    reasons[name] = (reasons[name] ?? 0) + 1;
  }
  const failed = images.length - (reasons.success ?? 0);
  const unfetched = images.filter(({ reason }) => reason?.startsWith("it cannot be fetched")).length;
  const ended = new Date();
  return {
    count: images.length,
    successes: images.length - failed,
    failed_to_download: unfetched,
    failed_to_resize: failed - unfetched,
    duration: (ended.getTime() - began.getTime()) / 1000,
    start_time: began.getTime() / 1000,
    end_time: ended.getTime() / 1000,
    status_dict: reasons,
    plan: plan.hash,
    device: metadata && `${metadata.backend} ${metadata.adapter}`,
  };
}

/** How far a running shard is, for whoever asks for the status. A note that cannot be written costs nothing but that. */
export interface RunningNote {
  readonly host: string;
  readonly pid: number;
  readonly done: number;
  readonly total: number;
  /** Images a second since it began. */
  readonly rate: number;
  /** When it was written, in seconds since 1970 by its worker's clock. */
  readonly time: number;
}

/** What a worker says of the shard that it computes; undefined where there is no such note. */
export async function readRunning(out: Storage, shard: number): Promise<RunningNote | undefined> {
  const note = await readJson<unknown>(out, places.running(shard));
  if (!isRecord(note) || typeof note.host !== "string") return undefined;
  const numbers = [note.pid, note.done, note.total, note.rate, note.time];
  return numbers.every(Number.isFinite) ? (note as unknown as RunningNote) : undefined;
}

function startNote(out: Storage, shard: number) {
  const began = performance.now();
  let [done, total] = [0, 0];
  let first: number | undefined;
  let writing: Promise<unknown> = Promise.resolve();
  const write = () => {
    const seconds = (performance.now() - began) / 1000;
    const note: RunningNote = {
      host: hostname(),
      pid: process.pid,
      done,
      total,
      rate: (done - (first ?? 0)) / Math.max(seconds, 1e-3),
      time: Date.now() / 1000,
    };
    writing = out.put(places.running(shard), jsonBytes(note), { ifAbsent: false }).catch(() => {});
  };
  write();
  const timer = setInterval(write, noteEvery);
  timer.unref();
  return {
    progressed(now: number, all: number) {
      first ??= now;
      [done, total] = [now, all];
    },
    async end() {
      clearInterval(timer);
      await writing;
      await out.remove(places.running(shard)).catch(() => {});
    },
  };
}

/** Why a shard failed. */
export interface FailureNote {
  readonly error: string;
  readonly hint?: string;
  /** That the command ends with. */
  readonly exitCode: number;
  readonly host: string;
  readonly time: string;
}

/** Why a shard was given up; undefined where nobody gave it up. */
export async function readFailure(out: Storage, shard: number): Promise<FailureNote | undefined> {
  const bytes = await out.read(places.failure(shard));
  if (!bytes) return undefined;
  const note = parseJson(bytes);
  const { error, hint, exitCode, host, time } = isRecord(note) ? note : {};
  const text = (value: unknown, otherwise: string) => (typeof value === "string" ? value : otherwise);
  return {
    error: text(error, "the note of its failure is damaged"),
    ...(typeof hint === "string" && { hint }),
    exitCode: typeof exitCode === "number" ? exitCode : ExitCode.unexpected,
    host: text(host, "unknown"),
    time: text(time, "unknown"),
  };
}

/** What ends a command that another attempt would end alike: the recipes of `deploy/` tell it to their engines. */
export const permanentCodes: readonly ExitCode[] = [
  ExitCode.usage,
  ExitCode.nothingToDo,
  ExitCode.model,
  ExitCode.otherSettings,
];

/** Errors that another attempt meets again; those that it may not are no failure of the shard. */
export const isPermanent = (error: unknown): error is UserError =>
  error instanceof UserError && permanentCodes.includes(error.exitCode);

/** Leaves a note of why a shard was given up, until it is computed or queued again. */
export async function noteFailure(out: Storage, shard: number, error: Error): Promise<void> {
  const { message } = error;
  const { hint, exitCode = 1 } = error as Partial<UserError>;
  const note: FailureNote = {
    error: message,
    hint,
    exitCode,
    host: hostname(),
    time: new Date().toISOString(),
  };
  await out.put(places.failure(shard), jsonBytes(note), { ifAbsent: false }).catch(() => {});
}
