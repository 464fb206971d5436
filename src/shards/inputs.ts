/** What a plan is made of: folders, archives and their ranges, prefixes of buckets, tables of addresses, lists of files. */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import picomatch from "picomatch";
import { NothingToDoError, UsageError } from "../errors.ts";
import { imageExtensions } from "../images/index.ts";
import {
  type ImageInput,
  type ListOrder,
  listFolder,
  listSources,
  type Source,
} from "../node/images/index.ts";
import { matcher } from "../node/images/inputs.ts";
import { textIn } from "../text.ts";
import { type AddressTable, divideTable, isTableName, startsAsAddress } from "./addresses.ts";
import { expandBraces } from "./braces.ts";
import type { ListedFile, ShardInput } from "./model.ts";
import { hashOfContent, isRemote, locate, openStorage, pathIn } from "./storage/index.ts";

export interface InputWishes {
  /** Folders, images, archives, with braces or patterns in their names, and addresses of these. */
  readonly inputs: readonly string[];
  /** Tables of addresses, or lists of files. */
  readonly lists: readonly string[];
  readonly urlColumn?: string;
  readonly captionColumn?: string;
  readonly keyColumn?: string;
  /** Of lists of files. */
  readonly order?: ListOrder;
  /** The folder that names in a list of files count from. */
  readonly dataDir?: string;
  /** Images of a shard; an archive is a shard however many it has. */
  readonly perShard: number;
  readonly globs?: readonly string[];
  readonly excludes?: readonly string[];
  readonly notice?: (sentence: string) => void;
}

export interface FoundInputs {
  readonly shards: readonly ShardInput[];
  readonly tables: readonly AddressTable[];
  readonly captions: boolean;
  /** Lists of files, by the names that shards have of them. */
  readonly lists: ReadonlyMap<string, Buffer>;
}

interface Tar {
  readonly place: string;
  /** Its name among others: with the folders that it was found in. */
  readonly name: string;
  readonly bytes?: number;
}

const isTar = (name: string) => /\.tar$/i.test(pathIn(name));
const isImage = (name: string) => imageExtensions.some((e) => name.toLowerCase().endsWith(`.${e}`));

/** Names that an address or a path with braces or a pattern stands for. */
async function expanded(input: string): Promise<string[]> {
  // A folder of that very name comes first, braces and all.
  if (!isRemote(input) && (await stat(input).catch(() => undefined))) return [input];
  const names = expandBraces(input);
  if (isRemote(input)) return names;
  const found: string[] = [];
  for (const name of names) {
    if (!/[*?[]/.test(basename(name))) found.push(name);
    else {
      const wanted = picomatch(basename(name));
      const folder = dirname(name);
      const matching = (await readdir(folder).catch(() => [])).filter((n) => wanted(n)).sort();
      if (matching.length === 0)
        throw new UsageError(`Nothing is called ${name}.`, "Name folders, archives, or a pattern of them.");
      found.push(...matching.map((n) => (folder === "." && !name.startsWith("./") ? n : join(folder, n))));
    }
  }
  return found;
}

/** What one name gives: archives, or the files of a place. */
interface Found {
  readonly tars: readonly Tar[];
  readonly sources: readonly Source[];
  readonly files: readonly ListedFile[];
}
const nothing: Found = { tars: [], sources: [], files: [] };

async function findIn(name: string, wishes: InputWishes): Promise<Found> {
  if (isRemote(name) && isTar(name))
    return { ...nothing, tars: [{ place: name, name: basename(pathIn(name)) }] };
  if (/^s3:/i.test(name)) return findInBucket(name, wishes);
  if (isRemote(name)) {
    throw new UsageError(
      `${name} is no archive, and what lies below an address on the web cannot be listed.`,
      "Name archives, such as https://host/{000..099}.tar, or a table of addresses with --list.",
    );
  }
  const there = await stat(name).catch((cause: unknown) => {
    throw new UsageError(
      isTar(name) ? `There is no archive ${name}.` : `There is no folder or file ${name}.`,
      "Name a folder of images, or archives.",
      { cause },
    );
  });
  if (isTar(name) && there.isFile())
    return { ...nothing, tars: [{ place: resolve(name), name: basename(name), bytes: there.size }] };
  const source = { kind: "path", path: name } as const;
  if (!there.isDirectory()) return { ...nothing, sources: [source] };
  const files = await listFolder(name, { excludes: wishes.excludes });
  const archives = files.filter(({ key }) => isTar(key));
  if (archives.length === 0 || files.some(({ key }) => isImage(key)))
    return { ...nothing, sources: [source] };
  const tars = archives.map(async ({ key, path }) => {
    const place = resolve(Buffer.from(path).toString("utf8"));
    return { place, name: key, bytes: (await stat(path as Buffer)).size };
  });
  return { ...nothing, tars: await Promise.all(tars) };
}

async function findInBucket(place: string, { globs, excludes }: InputWishes): Promise<Found> {
  const wanted = matcher({ globs, excludes });
  const left = matcher({ excludes });
  const storage = await openStorage(place);
  const tars: Tar[] = [];
  const files: ListedFile[] = [];
  const base = place.replace(/\/$/, "");
  for await (const { name, bytes } of storage.list("")) {
    // What is in an archive is asked for by name when it is read.
    if (isTar(name) && left(name)) tars.push({ place: `${base}/${name}`, name, bytes });
    else if (isImage(name) && wanted(name)) files.push({ key: name, at: `${base}/${name}` });
  }
  // As in a folder: archives beside images are not opened.
  return files.length > 0 ? { ...nothing, files } : { ...nothing, tars };
}

/** One tar alone keeps its members' names; of several, each stands before its own. @throws UsageError */
function tarShards(tars: readonly Tar[], lone: boolean): ShardInput[] {
  const sorted = [...tars].sort((a, b) =>
    Buffer.compare(Buffer.from(`${a.name}/`), Buffer.from(`${b.name}/`)),
  );
  for (const [i, { name, place }] of sorted.entries()) {
    if (i > 0 && sorted[i - 1].name === name) {
      throw new UsageError(
        `Two archives are called ${name}: ${sorted[i - 1].place} and ${place}.`,
        "Plan them apart.",
      );
    }
  }
  return sorted.map(({ place, name, bytes }) => ({
    kind: "tar",
    place,
    prefix: lone ? "" : `${name}/`,
    ...(bytes !== undefined && { bytes }),
  }));
}

/** Workers run in other folders than the planner. */
const absolute = (path: Uint8Array): Buffer =>
  path[0] === 0x2f || isAbsolute(Buffer.from(path).toString("latin1"))
    ? Buffer.from(path)
    : Buffer.concat([Buffer.from(join(process.cwd(), "/")), path]);

const listed = ({ path, ...input }: ImageInput): ListedFile => {
  const bytes = absolute(path);
  const at = bytes.toString("utf8");
  return { ...input, ...(Buffer.from(at).equals(bytes) ? { at } : { base64: bytes.toString("base64") }) };
};

/** Whether a list names addresses on the web: by its kind, or by its first line. */
async function namesAddresses(list: string): Promise<boolean> {
  if (isTableName(list) || isRemote(list)) return true;
  const { storage, name } = await locate(list);
  const start = await storage.read(name, 0, 1024);
  if (!start) throw new UsageError(`There is no list ${list}.`, "Name a Parquet, CSV or text file.");
  const lines = textIn(start).split("\n");
  const first = lines.find((line) => !/^\s*(#|$)/.test(line)) ?? "";
  if (!startsAsAddress(Buffer.from(first))) return false;
  if (!start.includes("://"))
    throw new UsageError(`The list of addresses ${list} is text in UTF-16.`, "Save it as UTF-8.");
  return true;
}

/** Finds all inputs, and divides them. @throws UsageError, NothingToDoError */
export async function findInputs(wishes: InputWishes): Promise<FoundInputs> {
  const { perShard, globs, excludes, notice, order } = wishes;
  const names = (await Promise.all(wishes.inputs.map(expanded))).flat();
  const found: Found[] = [];
  for (const name of names) found.push(await findIn(name, wishes));
  const sources = found.flatMap((f) => f.sources);
  const files = found.flatMap((f) => f.files);
  const tables: AddressTable[] = [];
  const rowShards: ShardInput[] = [];
  for (const list of wishes.lists) {
    if (await namesAddresses(list)) {
      const { urlColumn = "url", captionColumn: caption, keyColumn: key } = wishes;
      const { table, ranges } = await divideTable(
        isRemote(list) ? list : resolve(list),
        { url: urlColumn, caption, key },
        perShard,
      );
      rowShards.push(
        ...ranges.map((range): ShardInput => ({ kind: "rows", table: tables.length, ...range })),
      );
      tables.push(table);
    } else {
      sources.push({ kind: "list", list: await readFile(list), dir: wishes.dataDir, order });
    }
  }
  const { urlColumn, captionColumn, keyColumn } = wishes;
  const column = urlColumn ?? captionColumn ?? keyColumn;
  if (column !== undefined && tables.length === 0) {
    throw new UsageError(
      `There is no table that could have a column ${column}.`,
      "Columns are those of a Parquet or CSV file of addresses, named with --list.",
    );
  }
  const local = sources.length > 0 ? await listSources(sources, { globs, excludes }) : { inputs: [] };
  if (local.note) notice?.(local.note);
  const all = [...files, ...local.inputs.map(listed)];
  const lists = new Map<string, Buffer>();
  const fileShards: ShardInput[] = [];
  for (let first = 0; first < all.length; first += perShard) {
    const part = all.slice(first, first + perShard);
    const bytes = Buffer.from(part.map((file) => `${JSON.stringify(file)}\n`).join(""));
    const list = `_plan/${String(fileShards.length).padStart(5, "0")}.jsonl`;
    lists.set(list, bytes);
    fileShards.push({ kind: "files", list, sha256: await hashOfContent(bytes), count: part.length });
  }
  const tars = found.flatMap((f) => f.tars);
  const lone =
    names.length === 1 && tars.length === 1 && [names[0], resolve(names[0])].includes(tars[0].place);
  const shards = [...tarShards(tars, lone), ...fileShards, ...rowShards];
  if (shards.length === 0)
    throw new NothingToDoError(`There are no images in ${[...wishes.inputs, ...wishes.lists].join(", ")}.`);
  return { shards, tables, captions: tars.length + tables.length > 0, lists };
}
