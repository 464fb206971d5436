/** The images of a shard where a worker can read them: as they lie on its disks, or fetched into its scratch folder. */
import { createHash } from "node:crypto";
import { mkdir, open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { workAhead } from "../ahead.ts";
import { OtherSettingsError, UsageError, UserError } from "../errors.ts";
import { type ImageInput, listArchive } from "../node/images/index.ts";
import { matcher } from "../node/images/inputs.ts";
import { throwIfStopped } from "../stopped.ts";
import { readRows } from "./addresses.ts";
import type { About, ListedFile, ShardInput, ShardPlan } from "./model.ts";
import {
  downloadUrl,
  HttpError,
  type HttpLimits,
  isRemote,
  locate,
  type Storage,
  usualLimits,
} from "./storage/index.ts";

export interface Gathered {
  readonly inputs: readonly ImageInput[];
  /** What came with an image, by its place among the inputs: keys of a table need not differ. */
  readonly about: (image: number) => About;
}

export interface GatherOptions {
  readonly plan: ShardPlan;
  readonly out: Storage;
  /** A folder of the worker's own. */
  readonly scratch: string;
  readonly signal?: AbortSignal;
  /** Is told how many files were fetched, of how many. */
  readonly fetched?: (done: number, total: number) => void;
  readonly limits?: Partial<HttpLimits>;
}

/** How many files are fetched at the same time. */
const atOnce = 16;

/** The largest image that is fetched from an address, in bytes. */
const mostImageBytes = 2 ** 28;

/** What a member of an archive says beside its image: texts, by the ends of their names. */
const textEndings = ["txt", "json"] as const;

/** As webdataset divides a member's name: the key up to the first dot of its last part, and the rest. */
export function divideKey(name: string): { readonly key: string; readonly ending: string } {
  const slash = name.lastIndexOf("/");
  const dot = name.indexOf(".", slash + 1);
  return dot < 0
    ? { key: name, ending: "" }
    : { key: name.slice(0, dot), ending: name.slice(dot + 1).toLowerCase() };
}

/** @throws OtherSettingsError for a shard whose inputs are not what was planned; UserError where they cannot be had */
export async function gather(shard: ShardInput, options: GatherOptions): Promise<Gathered> {
  if (shard.kind === "tar") return gatherTar(shard, options);
  if (shard.kind === "files") return gatherFiles(shard, options);
  return gatherRows(shard, options);
}

async function gatherTar(
  { place, prefix, bytes }: ShardInput & { kind: "tar" },
  options: GatherOptions,
): Promise<Gathered> {
  const { plan, scratch, fetched } = options;
  let path = place;
  if (isRemote(place)) {
    path = join(scratch, "input.tar");
    const there = await stat(path).catch(() => undefined);
    if (!there || (bytes !== undefined && there.size !== bytes)) {
      fetched?.(0, 1);
      const { storage, name } = await locate(place);
      await storage.download(name, path);
      fetched?.(1, 1);
    }
  }
  const size = await stat(path).then(
    (s) => s.size,
    () => undefined,
  );
  if (size === undefined) throw new UserError(`There is no archive ${place}.`);
  if (bytes !== undefined && size !== bytes) {
    throw new OtherSettingsError(
      `${place} has ${size} bytes, and had ${bytes} when this was planned.`,
      "Plan again, into another folder.",
    );
  }
  const members = await listArchive(path).catch(async (error: unknown) => {
    if (path === place || !(error instanceof UsageError)) throw error;
    // What came is not to be met again by the next attempt, and its user knows it by its address.
    await rm(path, { force: true });
    throw new UsageError(error.message.replaceAll(path, place), "What came from there is not kept.", {
      cause: error,
    });
  });
  const { globs, excludes } = plan.settings;
  const wanted = matcher({ globs, excludes });
  const inputs = members.map((m) => ({ ...m, key: `${prefix}${m.key}` })).filter(({ key }) => wanted(key));
  const texts = await textsOf(path, members);
  return {
    inputs,
    about(image) {
      const { key } = divideKey(inputs[image].key.slice(prefix.length));
      const { txt, json } = texts.get(key) ?? {};
      const told = parseTold(json);
      return {
        key: told.key ?? key.slice(key.lastIndexOf("/") + 1),
        caption: told.caption ?? txt ?? null,
        url: told.url ?? null,
      };
    },
  };
}

type Texts = Partial<Record<(typeof textEndings)[number], string>>;

/** The texts of an archive, by the keys of their images. */
async function textsOf(path: string, members: readonly ImageInput[]): Promise<Map<string, Texts>> {
  const found = new Map<string, Texts>();
  const file = await open(path);
  try {
    for (const { key: name, part } of members) {
      const { key, ending } = divideKey(name);
      const kind = textEndings.find((e) => e === ending);
      // A text of a megabyte is no caption.
      if (!kind || !part || part.size > 2 ** 20) continue;
      const { buffer } = await file.read(Buffer.alloc(part.size), 0, part.size, part.offset);
      found.set(key, { ...found.get(key), [kind]: buffer.toString("utf8").replaceAll("\0", "") });
    }
  } finally {
    await file.close();
  }
  return found;
}

function parseTold(json: string | undefined): { key?: string; caption?: string; url?: string } {
  if (json === undefined) return {};
  try {
    const { key, caption, url } = (JSON.parse(json) ?? {}) as Record<string, unknown>;
    const text = (value: unknown) => (typeof value === "string" ? value : undefined);
    return { key: text(key), caption: text(caption), url: text(url) };
  } catch {
    return {}; // It is somebody's note, and no features depend on it.
  }
}

async function gatherFiles(
  { list, sha256 }: ShardInput & { kind: "files" },
  { out, scratch, signal, fetched }: GatherOptions,
): Promise<Gathered> {
  const bytes = await out.read(list);
  const shown = `${out.place}/${list}, the list of this shard's files,`;
  if (!bytes) throw new UserError(`${shown} is not there.`, "Plan again, into another folder.");
  if (createHash("sha256").update(bytes).digest("hex") !== sha256) {
    throw new OtherSettingsError(
      `${shown} is not the one that was planned.`,
      "Plan again, into another folder.",
    );
  }
  const files = bytes
    .toString("utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as ListedFile);
  const about = (image: number): About => ({ ...plainAbout(files[image].key), url: null });
  const remote = files.some(({ at }) => at !== undefined && isRemote(at));
  if (!remote) {
    const inputs = files.map(({ at, base64, ...file }) => ({
      ...file,
      path: base64 === undefined ? Buffer.from(at ?? "") : Buffer.from(base64, "base64"),
    }));
    return { inputs, about };
  }
  const inputs: ImageInput[] = [];
  const numbered = files.map((file, number) => ({ file, number }));
  await mkdir(join(scratch, "images"), { recursive: true });
  const had = workAhead(
    numbered,
    { atOnce, ahead: 4 * atOnce },
    async ({ file: { key, at = "" }, number }) => {
      throwIfStopped(signal);
      const path = join(scratch, "images", String(number));
      if (!(await isThere(path))) {
        const { storage, name } = await locate(at);
        await storage.download(name, path);
      }
      return { key, path: Buffer.from(path) };
    },
  );
  for await (const input of had) {
    inputs.push(input);
    fetched?.(inputs.length, files.length);
  }
  return { inputs, about };
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** A file's key is its name without folders and endings. */
const plainAbout = (path: string): Omit<About, "url"> => {
  const { key } = divideKey(path);
  return { key: key.slice(key.lastIndexOf("/") + 1), caption: null };
};

async function gatherRows(
  { table, ...range }: ShardInput & { kind: "rows" },
  { plan, scratch, signal, fetched, limits }: GatherOptions,
): Promise<Gathered> {
  const rows = (await readRows(plan.tables[table], range)).map((row, number) => ({ row, number }));
  await mkdir(join(scratch, "images"), { recursive: true });
  const inputs: ImageInput[] = [];
  const had = workAhead(rows, { atOnce, ahead: 4 * atOnce }, async ({ row, number }) => {
    throwIfStopped(signal);
    const path = join(scratch, "images", String(number));
    const fault = await fetchRow(row.url, path, { ...usualLimits, mostBytes: mostImageBytes, ...limits });
    return { key: row.key, path: Buffer.from(path), claimed: true as const, ...(fault && { fault }) };
  });
  for await (const input of had) {
    inputs.push(input);
    fetched?.(inputs.length, rows.length);
  }
  return {
    inputs,
    about: (image) => rows[image].row,
  };
}

/** Fetches an image of a table, unless an earlier run did. Gives why it cannot be had, which concerns that image alone. */
async function fetchRow(url: string, path: string, limits: HttpLimits): Promise<string | undefined> {
  if (await isThere(path)) return undefined;
  try {
    if (/^https?:\/\//i.test(url)) {
      if (!URL.canParse(url)) return "its address is none";
      await downloadUrl(url, path, limits);
      return undefined;
    }
    if (url === "") return "it has no address";
    if (!/^s3:\/\//i.test(url)) return `its address ${url.slice(0, 100)} is neither of the web nor of S3`;
    const { storage, name } = await locate(url);
    if (!(await storage.find(name))) return "there is no such object";
    await storage.download(name, path);
    return undefined;
  } catch (error) {
    // What is wrong with one address is that image's fault; what is wrong with our own storage is the shard's.
    if (error instanceof HttpError) return `it cannot be fetched: ${error.reason}`;
    throw error;
  }
}
