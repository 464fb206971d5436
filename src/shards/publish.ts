/**
 * Publishing, so that of several workers one counts. Files of data come first, and a file that says their hashes last, put
 * only where there is none: a hard link on a disk, If-None-Match on S3. A reader that waits for it meets whole shards.
 */
import { stat } from "node:fs/promises";
import { OtherSettingsError } from "../errors.ts";
import { type MadeFile, places } from "./layouts.ts";
import { isPublishedName } from "./names.ts";
import { hashOfContent, isCount, isRecord, jsonBytes, parseJson, type Storage } from "./storage/index.ts";

/** Published files by name. */
export type Objects = Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;

/** A shard's last file: img2dataset's statistics, the plan, and what was published. */
export interface Stats {
  /** Images, without files that are none. */
  readonly count: number;
  readonly successes: number;
  readonly failed_to_download: number;
  /** Fetched, and not decoded. */
  readonly failed_to_resize: number;
  /** In seconds, as the times are, since 1970. */
  readonly duration: number;
  readonly start_time: number;
  readonly end_time: number;
  readonly status_dict: Readonly<Record<string, number>>;
  readonly plan: string;
  readonly device?: string;
  readonly objects: Objects;
}

const isObjects = (value: unknown): boolean =>
  isRecord(value) &&
  Object.entries(value).every(
    ([name, of]) =>
      isPublishedName(name) && isRecord(of) && isCount(of.bytes) && typeof of.sha256 === "string",
  );

/** The statistics of a shard; "damaged" where something else lies in their place, and undefined where nothing does. */
export async function readStats(out: Storage, shard: number): Promise<Stats | "damaged" | undefined> {
  const bytes = await out.read(places.stats(shard));
  if (!bytes) return undefined;
  const stats = parseJson(bytes);
  const whole =
    isRecord(stats) &&
    typeof stats.plan === "string" &&
    ["undefined", "string"].includes(typeof stats.device) &&
    isCount(stats.count) &&
    isCount(stats.successes) &&
    isObjects(stats.objects);
  return whole ? (stats as unknown as Stats) : "damaged";
}

/** What lies in the place of a shard's last file keeps everybody from putting one, and says nothing. */
export const damagedStats = (shard: number): OtherSettingsError =>
  new OtherSettingsError(
    `The statistics of shard ${shard}, ${places.stats(shard)}, are damaged: whether it is done cannot be told.`,
    "Have it computed again: npm run shards -- check --requeue",
  );

const sameObjects = (a: Objects, b: Objects): boolean => {
  const flat = (objects: Objects) =>
    Object.entries(objects)
      .map(([name, { sha256 }]) => `${name} ${sha256}`)
      .sort()
      .join("\n");
  return flat(a) === flat(b);
};

/**
 * Publishes a shard's files, unless somebody else has meanwhile.
 * @throws OtherSettingsError where what is published has other bytes: it stays; OutputError
 */
export async function publish(
  out: Storage,
  shard: number,
  files: readonly MadeFile[],
  partial: Omit<Stats, "objects">,
): Promise<{ readonly outcome: "published" | "there"; readonly stats: Stats }> {
  const objects: Record<string, { bytes: number; sha256: string }> = {};
  for (const { name, file } of files) {
    objects[name] = { bytes: (await stat(file)).size, sha256: await hashOfContent({ file }) };
  }
  const stats: Stats = { ...partial, objects };
  const last = places.stats(shard);
  /** What somebody else has published, where it is the same. */
  const theirs = async () => {
    const there = await readStats(out, shard);
    if (!there) return undefined;
    if (there === "damaged") throw damagedStats(shard);
    if (there.plan === stats.plan && sameObjects(there.objects, objects)) return there;
    throw otherBytes(shard, there, stats);
  };
  for (const { name, file } of files) {
    if (await out.put(name, { file }, { ifAbsent: true })) continue;
    if ((await out.hashOf(name)) === objects[name].sha256) continue;
    // Other bytes: of one who has published, and counts; or of one who was killed before, and does not.
    const there = await theirs();
    if (there) return { outcome: "there", stats: there };
    await out.put(name, { file }, { ifAbsent: false });
  }
  if (await out.put(last, jsonBytes(stats), { ifAbsent: true })) return { outcome: "published", stats };
  const there = await theirs();
  return { outcome: "there", stats: there ?? stats };
}

function otherBytes(shard: number, there: Stats, own: Stats): OtherSettingsError {
  const differing = Object.keys({ ...there.objects, ...own.objects }).filter(
    (name) => there.objects[name]?.sha256 !== own.objects[name]?.sha256,
  );
  const devices =
    there.device !== own.device ? ` It was computed on ${there.device}, and here on ${own.device}.` : "";
  return new OtherSettingsError(
    `Shard ${shard} is published with other bytes than were computed here: ${differing.join(", ")}.${devices}`,
    "What is published stays. CPUs give the same bits everywhere; GPUs only where they are of one kind, and addresses on the web may have changed.",
  );
}
