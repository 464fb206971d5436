/**
 * What a run has computed, on the disk as it goes: a folder beside the output with the run's settings, shards of raw
 * float32 features, and for each shard the contents (by hash) that its rows belong to. A shard's list is written last
 * and is its commit: after a kill, a run goes on from the last one. Features are found by content, so renamed and
 * repeated images cost nothing.
 *
 *     run.json            the settings that decide the features
 *     00000.jsonl         one record a line: a row with its hash and facts, or a hash that failed and why
 *     00000.0.f32 ...     the rows of each end point, little-endian
 */
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { OtherSettingsError, UsageError } from "../errors.ts";
import type { ImageFacts } from "../images/index.ts";
import { openAtomic, outputError } from "../node/atomic.ts";
import { bytesOf } from "../tables/numbers.ts";
import { takeLock } from "./lock.ts";
import type { Prediction } from "./predictions.ts";

/** What is known of one content. */
export type Known =
  | {
      readonly kind: "row";
      readonly shard: number;
      readonly row: number;
      readonly facts: ImageFacts;
      /** What computed it, where that is not the device that the run was begun on. */
      readonly device?: string;
      /** The class that it is most like, where that was computed besides. */
      readonly likeliest?: Prediction;
    }
  | { readonly kind: "failed"; readonly reason: string };

/** Settings by name: all that decides a feature but the device. Another value in one of them means other features. */
export type Settings = Readonly<Record<string, unknown>>;

export interface Store {
  readonly folder: string;
  /** The device that the run was begun on, by its label. */
  readonly device: string;
  /** Why it was begun on that device, where that is known. */
  readonly choice: string | undefined;
  /** Contents that an earlier run computed. */
  readonly resumed: number;
  find(hash: string): Known | undefined;
  /** Of all contents that are known. */
  hashes(): Iterable<string>;
  /** Adds a content's features, one array an end point. They are committed with their shard. */
  add(
    hash: string,
    facts: ImageFacts,
    features: readonly Float32Array[],
    device: string,
    likeliest?: Prediction,
  ): Promise<void>;
  addFailure(hash: string, reason: string): void;
  /** Writes what is not on the disk yet. */
  commit(): Promise<void>;
  /** The bytes of a row's end point; good until the next call. */
  readRow(known: Known & { kind: "row" }, endPoint: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface StoreOptions {
  readonly folder: string;
  readonly settings: Settings;
  /** The label of the device that computes. Bits differ from device to device. */
  readonly device: string;
  /**
   * Whether rows of several devices may stand together, each with its device: where nobody asked for a certain one.
   * Otherwise a run that was begun on another device is refused, and rows of other devices are computed again.
   */
  readonly anyDevice: boolean;
  /** Why that device computes, as a clause; kept with a run that begins. */
  readonly choice: string;
  readonly notice?: (sentence: string) => void;
  /** Floats of a row, by end point. */
  readonly widths: readonly number[];
  /** Forget what an earlier run left. */
  readonly overwrite: boolean;
  /** Forget failures, so that they are tried again. */
  readonly retryFailed: boolean;
  /** Milliseconds after which a shard that is not full yet is committed too. */
  readonly patience?: number;
}

interface RowRecord {
  readonly row: number;
  readonly hash: string;
  readonly facts: ImageFacts;
  readonly device?: string;
  readonly likeliest?: Prediction;
}

interface FailureRecord {
  readonly hash: string;
  readonly failed: string;
}

type ShardRecord = RowRecord | FailureRecord;

const shardBytes = 8 * 2 ** 20;
const numbered = (shard: number) => String(shard).padStart(5, "0");

async function writeWhole(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const file = await openAtomic(path);
  try {
    for (const part of parts) await file.append(part);
    await file.commit();
  } finally {
    await file.abandon();
  }
}

/** The label of the device that the run in `folder` was begun on, where there is one that can be read. */
export async function begunOn(folder: string): Promise<string | undefined> {
  const text = await readFile(join(folder, "run.json"), "utf8").catch(() => "{}");
  try {
    const { device } = JSON.parse(text) as Partial<Settings>;
    return typeof device === "string" ? device : undefined;
  } catch {
    return undefined; // It is told as damaged when the store is opened.
  }
}

/** What a run was begun on, and why. */
type Begun = Pick<Store, "device" | "choice">;

/**
 * Compares the settings of an earlier run with this one's, the device among them where a certain one was asked for.
 * Gives what the run was begun on. @throws OtherSettingsError that names the differences.
 */
async function checkSettings({
  folder,
  settings: wanted,
  device,
  anyDevice,
  choice,
  notice,
}: StoreOptions): Promise<Begun> {
  const text = await readFile(join(folder, "run.json"), "utf8").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw outputError(folder, error);
  });
  if (text === undefined) return { device, choice };
  let earlier: Settings;
  try {
    earlier = JSON.parse(text) as Settings;
  } catch (cause) {
    throw new UsageError(`${folder}/run.json is damaged.`, "Start again with --overwrite.", { cause });
  }
  const begunOn = String(earlier.device);
  const { deviceChoice } = earlier;
  const settings: Settings = { ...wanted, device: anyDevice ? earlier.device : device, deviceChoice };
  const show = (value: unknown) =>
    typeof value === "string" ? value : (JSON.stringify(value) ?? "not told");
  const differences = [...new Set([...Object.keys(earlier), ...Object.keys(settings)])]
    .filter((name) => JSON.stringify(earlier[name]) !== JSON.stringify(settings[name]))
    .map((name) => `\n  ${name}: it was ${show(earlier[name])}, now it is ${show(settings[name])}`);
  if (differences.length === 0) {
    if (begunOn !== device) {
      notice?.(
        `The run in ${folder} was begun on ${begunOn} and goes on on ${device}: their numbers differ in the last bits, and the manifest tells which rows are whose.`,
      );
    }
    return { device: begunOn, choice: typeof deviceChoice === "string" ? deviceChoice : undefined };
  }
  throw new OtherSettingsError(
    `The run in ${folder} was made with other settings, and its features cannot be mixed with these:${differences.join("")}`,
    "Choose another --out, or forget the earlier run with --overwrite.",
  );
}

const rowOf = (shard: number, { hash, ...record }: RowRecord): Known => ({ kind: "row", shard, ...record });

/** A shard, or as much of it as there is. */
interface Shard {
  readonly number: number;
  readonly records: readonly ShardRecord[];
  /** The rows back to back, by end point. */
  readonly rows: readonly Uint8Array[];
}

/** @throws UsageError */
async function readRecords(path: string): Promise<ShardRecord[]> {
  const lines = (await readFile(path, "utf8")).split("\n").filter((line) => line !== "");
  try {
    return lines.map((line) => JSON.parse(line) as ShardRecord);
  } catch (cause) {
    throw new UsageError(`${path} is damaged.`, "Start again with --overwrite.", { cause });
  }
}

/** @throws UsageError where a shard's files are shorter than its `count` rows. */
async function checkRows({ folder, widths }: StoreOptions, shard: number, count: number): Promise<void> {
  for (const [i, width] of widths.entries()) {
    const path = join(folder, `${numbered(shard)}.${i}.f32`);
    const size = await stat(path).then(
      (s) => s.size,
      () => 0,
    );
    if (size >= 4 * width * count) continue;
    throw new UsageError(`${path} is cut off.`, "Start again with --overwrite.");
  }
}

const isRow = (record: ShardRecord): record is RowRecord => "row" in record;

/** Reads what is committed. The shard that rows are added to comes whole: the last one when it is not full. */
async function readShards(
  options: StoreOptions,
  perShard: number,
): Promise<{ readonly known: Map<string, Known>; readonly current: Shard }> {
  const { folder, widths, retryFailed, device, anyDevice } = options;
  const numbers = (await readdir(folder))
    .flatMap((name) => /^(\d{5,})\.jsonl$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  const known = new Map<string, Known>();
  let last: ShardRecord[] = [];
  for (const shard of numbers) {
    last = await readRecords(join(folder, `${numbered(shard)}.jsonl`));
    await checkRows(options, shard, last.filter(isRow).length);
    if (retryFailed) last = last.filter(isRow);
    for (const record of last) {
      if ("failed" in record) known.set(record.hash, { kind: "failed", reason: record.failed });
      else if (anyDevice || record.device === undefined || record.device === device) {
        known.set(record.hash, rowOf(shard, record));
      }
    }
  }
  const number = numbers.at(-1) ?? 0;
  const count = last.filter(isRow).length;
  const none = widths.map(() => new Uint8Array());
  if (count === perShard) return { known, current: { number: number + 1, records: [], rows: none } };
  if (count === 0) return { known, current: { number, records: last, rows: none } };
  const rows = await Promise.all(
    widths.map(async (width, i) => {
      const bytes = await readFile(join(folder, `${numbered(number)}.${i}.f32`));
      return bytes.subarray(0, 4 * width * count);
    }),
  );
  return { known, current: { number, records: last, rows } };
}

/** Opens the run in `folder`, or begins one. @throws OtherSettingsError, BusyError while another process has it. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { folder, settings, widths, overwrite, patience = 2000 } = options;
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw outputError(folder, error);
  });
  const lock = await takeLock(folder);
  try {
    // Temporary files are those of a process that was killed: nobody else writes here now.
    const forgotten = overwrite
      ? /^(\.partial-.*\.tmp|lock\..*|run\.json|\d{5,}\..*)$/
      : /^(\.partial-.*\.tmp|lock\..*)$/;
    for (const name of await readdir(folder)) if (forgotten.test(name)) await rm(join(folder, name));
    const begun = await checkSettings(options);
    const run = { ...settings, device: begun.device, deviceChoice: begun.choice };
    await writeWhole(join(folder, "run.json"), [Buffer.from(`${JSON.stringify(run, null, 2)}\n`)]);
    const rowBytes = 4 * widths.reduce((a, b) => a + b, 0);
    const perShard = Math.max(1, Math.min(1024, Math.floor(shardBytes / rowBytes)));
    const { known, current } = await readShards(options, perShard);
    const resumed = known.size;
    let shard = current.number;
    let records = [...current.records];
    let count = records.filter(isRow).length;
    const room = () => widths.map((width) => Buffer.allocUnsafeSlow(4 * width * perShard));
    let rows = room();
    current.rows.forEach((bytes, i) => void rows[i].set(bytes));
    let committed = records.length;
    // The wall clock may jump; this one does not.
    let last = performance.now();
    let open_: { shard: number; endPoint: number; bytes: Buffer } | undefined;
    /** Shards on their way to the disk, in order; one that could not be written stays the first. */
    const unwritten: Shard[] = [];
    let writing: Promise<void> | undefined;
    /** The last commit that nobody waited for. */
    let behind = Promise.resolve();

    async function writeShard({ number, records, rows }: Shard): Promise<void> {
      await lock.check();
      const name = join(folder, numbered(number));
      for (const [i, bytes] of rows.entries())
        if (bytes.length > 0) await writeWhole(`${name}.${i}.f32`, [bytes]);
      await writeWhole(`${name}.jsonl`, [Buffer.from(records.map((r) => `${JSON.stringify(r)}\n`).join(""))]);
    }

    async function writeAll(): Promise<void> {
      try {
        for (; unwritten.length > 0; unwritten.shift()) await writeShard(unwritten[0]);
      } finally {
        writing = undefined;
      }
    }

    /** Begins to write what is not on the disk yet. Rows are added meanwhile; those that are written do not change. */
    function commit(): Promise<void> {
      if (records.length > committed) {
        const whole = rows.map((bytes, i) => bytes.subarray(0, 4 * widths[i] * count));
        unwritten.push({ number: shard, records: records.slice(), rows: whole });
        committed = records.length;
        last = performance.now();
        if (count === perShard) {
          shard++;
          committed = count = 0;
          records = [];
          rows = room();
        }
      }
      if (unwritten.length > 0) writing ??= writeAll();
      return writing ?? Promise.resolve();
    }

    return {
      folder,
      ...begun,
      resumed,
      find: (hash) => known.get(hash),
      hashes: () => known.keys(),
      async add(hash, facts, features, device, likeliest) {
        const record: RowRecord = {
          row: count,
          hash,
          facts,
          ...(device === begun.device ? {} : { device }),
          ...(likeliest && { likeliest }),
        };
        known.set(hash, rowOf(shard, record));
        records.push(record);
        features.forEach((values, i) => void rows[i].set(bytesOf(values), 4 * widths[i] * count));
        count++;
        if (count < perShard && performance.now() - last <= patience) return;
        await behind;
        behind = commit();
        behind.catch(() => {}); // It is told by the next, or by the last.
      },
      addFailure(hash, reason) {
        if (known.has(hash)) return;
        known.set(hash, { kind: "failed", reason });
        records.push({ hash, failed: reason });
      },
      commit,
      async readRow({ shard, row }, endPoint) {
        const size = 4 * widths[endPoint];
        if (open_?.shard !== shard || open_.endPoint !== endPoint) {
          const bytes = await readFile(join(folder, `${numbered(shard)}.${endPoint}.f32`));
          open_ = { shard, endPoint, bytes };
        }
        return open_.bytes.subarray(size * row, size * (row + 1));
      },
      async close() {
        await writing?.catch(() => {});
        await lock.release();
      },
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}
