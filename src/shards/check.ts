/** What of a plan is done, what is not, and what runs now; told by what lies in the folder of its results. */

import { workAhead } from "../ahead.ts";
import { BusyError } from "../errors.ts";
import { places } from "./layouts.ts";
import type { ShardPlan } from "./model.ts";
import { isPublishedName, shardIn } from "./names.ts";
import { readStats, type Stats } from "./publish.ts";
import { type FailureNote, type RunningNote, readFailure, readRunning } from "./run.ts";
import { jsonBytes, readJson, type Storage } from "./storage/index.ts";

/** A shard that gave up, and why. */
export interface FailedShard extends FailureNote {
  readonly shard: number;
}

/** A shard that is there, and is not this plan's, or is not whole. */
export interface ForeignShard {
  readonly shard: number;
  /** As a clause. */
  readonly why: string;
}

export interface Checked {
  /** Numbers of shards that nobody has published, those that failed among them. */
  readonly missing: readonly number[];
  readonly failed: readonly FailedShard[];
  readonly foreign: readonly ForeignShard[];
  readonly done: ReadonlyMap<number, Stats>;
}

/** As many files are read at once. */
const limits = { atOnce: 32, ahead: 128 };

async function numbersIn(out: Storage, folder: string, plan: ShardPlan): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { name } of out.list(folder)) numbers.push(shardIn(name));
  // A copy of a file that somebody made beside it has its number, too.
  return [...new Set(numbers)].filter((n) => n < plan.shards.length).sort((a, b) => a - b);
}

/** The size of every published file of the plan's layout and of what lies beside it. */
async function sizesIn(out: Storage, folders: Iterable<string>): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const folder of folders) for await (const { name, bytes } of out.list(folder)) sizes.set(name, bytes);
  return sizes;
}

/**
 * Looks at every shard: its last file, and whether the files that it names are there in their sizes; with `thorough` also
 * whether they have their hashes.
 */
export async function checkShards(
  plan: ShardPlan,
  out: Storage,
  { thorough = false }: { readonly thorough?: boolean } = {},
): Promise<Checked> {
  const there = await numbersIn(out, "_stats/", plan);
  const done = new Map<number, Stats>();
  const foreign: ForeignShard[] = [];
  const read = workAhead(there, limits, async (shard) => ({
    shard,
    stats: await readStats(out, shard),
  }));
  const folders = new Set<string>();
  for await (const { shard, stats } of read) {
    // One that went meanwhile is missing.
    if (!stats) continue;
    if (stats === "damaged") foreign.push({ shard, why: "its statistics are damaged" });
    else if (stats.plan !== plan.hash)
      foreign.push({ shard, why: `it is of another plan, ${stats.plan.slice(0, 12)}` });
    else {
      done.set(shard, stats);
      for (const name of Object.keys(stats.objects)) folders.add(name.slice(0, name.lastIndexOf("/") + 1));
    }
  }
  const sizes = await sizesIn(out, folders);
  const held = workAhead([...done], limits, async ([shard, { objects }]) => {
    for (const [name, { bytes, sha256 }] of Object.entries(objects)) {
      if (sizes.get(name) === undefined) return { shard, why: `${name} is missing` };
      if (sizes.get(name) !== bytes)
        return { shard, why: `${name} has ${sizes.get(name)} bytes instead of ${bytes}` };
      if (thorough && (await out.hashOf(name)) !== sha256) return { shard, why: `${name} has other bytes` };
    }
    return undefined;
  });
  for await (const fault of held) {
    if (!fault) continue;
    foreign.push(fault);
    done.delete(fault.shard);
  }
  const failed: FailedShard[] = [];
  for (const shard of await numbersIn(out, "_failed/", plan)) {
    const note = await readFailure(out, shard);
    if (note && !done.has(shard)) failed.push({ shard, ...note });
  }
  const isForeign = new Set(foreign.map(({ shard }) => shard));
  const missing = [...plan.shards.keys()].filter((shard) => !done.has(shard) && !isForeign.has(shard));
  return { missing, failed, foreign, done };
}

/** Writes `_SUCCESS` where all is done, as Hadoop's programs do, and takes it away where it is not. Gives whether it is. */
export async function markSuccess(plan: ShardPlan, out: Storage, { done }: Checked): Promise<boolean> {
  const whole = done.size === plan.shards.length;
  if (!whole) {
    await out.remove(places.success);
    return false;
  }
  const sum = (count: (stats: Stats) => number) =>
    [...done.values()].reduce((n, stats) => n + count(stats), 0);
  const summary = {
    plan: plan.hash,
    shards: plan.shards.length,
    count: sum((s) => s.count),
    successes: sum((s) => s.successes),
  };
  await out.put(places.success, jsonBytes(summary), { ifAbsent: false });
  await out.sweep();
  return true;
}

/**
 * Takes away what keeps shards from being computed: notes of failures, and files of shards that are foreign or not whole.
 * Gives the numbers of all that are to be computed. @throws BusyError while one of them is computed
 */
export async function requeue(
  plan: ShardPlan,
  out: Storage,
  { missing, failed, foreign }: Checked,
): Promise<number[]> {
  const running = await runningShards(plan, out);
  const taken = foreign.find(({ shard }) => running.some((r) => r.shard === shard && r.seen < longSilence));
  if (taken) {
    throw new BusyError(
      `Shard ${taken.shard} is computed now, and what is published of it cannot be removed.`,
      "Try again later.",
    );
  }
  for (const { shard } of foreign) {
    const stats = await readJson<Partial<Stats> | null>(out, places.stats(shard));
    // What says that it is done goes first.
    await out.remove(places.stats(shard));
    for (const name of Object.keys(stats?.objects ?? {}).filter(isPublishedName)) await out.remove(name);
  }
  for (const { shard } of failed) await out.remove(places.failure(shard));
  return [...missing, ...foreign.map(({ shard }) => shard)].sort((a, b) => a - b);
}

/** A worker that says nothing for so many seconds has ended, or was lost. */
export const longSilence = 300;

export interface RunningShard extends RunningNote {
  readonly shard: number;
  /** Seconds since its worker said so, by the clocks of both machines; where that is yet to come, one of them is wrong by so many. */
  readonly seen: number;
}

/** The shards that workers say they compute. */
export async function runningShards(plan: ShardPlan, out: Storage): Promise<RunningShard[]> {
  const running: RunningShard[] = [];
  for (const shard of await numbersIn(out, "_running/", plan)) {
    const note = await readRunning(out, shard);
    if (note) running.push({ shard, ...note, seen: Math.abs(Date.now() / 1000 - note.time) });
  }
  return running;
}

export interface Status {
  readonly shards: number;
  readonly done: number;
  readonly failed: number;
  readonly foreign: number;
  readonly images: number;
  readonly failedImages: number;
  readonly running: readonly RunningShard[];
  /** Workers that said nothing for long. */
  readonly silent: readonly RunningShard[];
  /** Of those that run now, together. */
  readonly imagesPerSecond: number;
  /** Until all is done at that speed; undefined where nothing runs or nothing was done. */
  readonly secondsLeft: number | undefined;
}

export async function statusOf(plan: ShardPlan, out: Storage): Promise<Status> {
  const { done, failed, foreign } = await checkShards(plan, out);
  const all = await runningShards(plan, out);
  const running = all.filter(({ seen }) => seen < longSilence);
  const rate = running.reduce((sum, r) => sum + r.rate, 0);
  const counts = [...done.values()].map(({ count }) => count);
  const images = counts.reduce((a, b) => a + b, 0);
  const sizes = counts.length > 0 ? counts : running.flatMap(({ total }) => (total > 0 ? [total] : []));
  const each = sizes.reduce((a, b) => a + b, 0) / Math.max(1, sizes.length);
  const underWay = running.reduce((sum, r) => sum + r.done, 0);
  const left = Math.max(0, (plan.shards.length - done.size) * each - underWay);
  return {
    shards: plan.shards.length,
    done: done.size,
    failed: failed.length,
    foreign: foreign.length,
    images,
    failedImages: [...done.values()].reduce((sum, { count, successes }) => sum + count - successes, 0),
    running,
    silent: all.filter(({ seen }) => seen >= longSilence),
    imagesPerSecond: rate,
    secondsLeft: rate > 0 && each > 0 ? left / rate : undefined,
  };
}
