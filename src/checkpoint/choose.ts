/**
 * The checkpoint that is meant where several files lie together: in a folder and those below it, or in an archive. Folders
 * are given by name and content, so that those of an archive may lie anywhere.
 */
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, posix } from "node:path";
import { CheckpointError } from "../errors.ts";
import { openByteFile } from "./bytes.ts";
import { diagnose, kindOf } from "./diagnose.ts";
import { objectGraphKey } from "./object-graph.ts";
import { openTable } from "./sstable.ts";
import { namesInState } from "./state.ts";

export type Location =
  | { readonly kind: "V2"; readonly prefix: string; readonly index: string }
  | { readonly kind: "V1"; readonly files: readonly string[] }
  | { readonly kind: "graph"; readonly file: string }
  /** `inside` is what of an archive is named; everything where it is empty. */
  | { readonly kind: "archive"; readonly file: string; readonly inside: string };

export interface Folder {
  /** Under what the user named, with slashes; "" for that itself. */
  readonly name: string;
  /** Where it lies on the disk. */
  readonly path: string;
  readonly files: readonly string[];
}

export const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (s) => s.isFile(),
    () => false,
  );

/** More folders than anybody keeps checkpoints in. */
const mostFolders = 1000;

/** A SavedModel in a folder has its variables two folders down. */
const deepest = 2;

/** A folder and those below it. Links to folders are not followed. */
export async function listFolders(path: string): Promise<Folder[]> {
  const listed: Folder[] = [];
  const open: { name: string; depth: number }[] = [{ name: "", depth: 0 }];
  for (let next = open.shift(); next && listed.length < mostFolders; next = open.shift()) {
    const { name, depth } = next;
    const here = join(path, name);
    const entries = await readdir(here, { withFileTypes: true }).catch((cause: NodeJS.ErrnoException) => {
      // Folders below that cannot be looked into hold nothing that could be read.
      if (depth > 0) return [];
      throw new CheckpointError(`The folder ${path} cannot be read (${cause.code}).`, undefined, { cause });
    });
    listed.push({ name, path: here, files: entries.filter((e) => !e.isDirectory()).map((e) => e.name) });
    if (depth === deepest) continue;
    for (const e of entries)
      if (e.isDirectory()) open.push({ name: posix.join(name, e.name), depth: depth + 1 });
  }
  return listed;
}

const v2 = (prefix: string): Location => ({ kind: "V2", prefix, index: `${prefix}.index` });

/** The shards of a V1 checkpoint, `prefix-00000-of-00003` and so on, or undefined where there are none. */
async function v1Shards(prefix: string, count?: string): Promise<string[] | undefined> {
  const name = basename(prefix);
  const files = await readdir(dirname(prefix)).catch(() => []);
  const shards = files
    .filter(
      (f) =>
        f.startsWith(`${name}-`) &&
        new RegExp(`^-\\d{5}-of-${count ?? "\\d{5}"}$`).test(f.slice(name.length)),
    )
    .sort();
  if (shards.length === 0) return undefined;
  const counts = new Set(shards.map((s) => s.slice(-5)));
  const wanted = Number([...counts][0]);
  if (counts.size > 1 || shards.length !== wanted) {
    throw new CheckpointError(
      `${prefix} is incomplete: ${shards.length} of ${wanted} shards are there.`,
      "Copy all files of the checkpoint into one folder.",
    );
  }
  return shards.map((s) => join(dirname(prefix), s));
}

/** What lies under a prefix. TensorFlow prefers V2 where both are there. */
export async function fromPrefix(prefix: string): Promise<Location | undefined> {
  if (await isFile(`${prefix}.index`)) return v2(prefix);
  if (await isFile(prefix)) return fromFile(prefix);
  const shards = await v1Shards(prefix);
  return shards && { kind: "V1", files: shards };
}

/** A file by its content. The record of the empty key tells V1 (a message) from V2 (a number). */
async function fromFile(path: string): Promise<Location> {
  const file = await openByteFile(path);
  try {
    const kind = await kindOf(file);
    if (kind === "graph") return { kind, file: path };
    if (kind === "archive") return { kind, file: path, inside: "" };
    if (kind === "other") throw await diagnose(file);
    const record = await (await openTable(file)).get(Buffer.alloc(0));
    if (record?.[0] === 0x08) return { kind: "V2", prefix: path.replace(/\.index$/, ""), index: path };
    const shard = /^(.+)-\d{5}-of-(\d{5})$/.exec(path);
    return { kind: "V1", files: (shard && (await v1Shards(shard[1], shard[2]))) ?? [path] };
  } finally {
    await file.close();
  }
}

/** The place of a checkpoint as one path: its prefix, or its file. */
export function pathOf(location: Location): string {
  if (location.kind === "V2") return location.prefix;
  if (location.kind !== "V1") return location.file;
  const [first] = location.files;
  return location.files.length > 1 ? first.replace(/-\d{5}-of-\d{5}$/, "") : first;
}

/** What one may mean by a folder. */
interface Candidate {
  /** Under what the user named. */
  readonly name: string;
  readonly open: () => Promise<Location | undefined>;
}

const isSavedModel = ({ files }: Folder): boolean => savedModelFiles.some((name) => files.includes(name));

/** SavedModels and modules of TF-Hub are folders: each of these files stands for the one that it is in. */
export const savedModelFiles: readonly string[] = ["saved_model.pb", "tfhub_module.pb"];

/** Where a SavedModel keeps its variables. */
const variables = "variables";

const parentOf = (name: string): string => (name.includes("/") ? posix.dirname(name) : "");

const extension =
  (...ends: readonly string[]) =>
  (name: string) =>
    ends.some((end) => name.endsWith(end));

/** More files than these are not looked into for what nobody named so. */
const mostLooks = 100;

async function thoseOfKind(
  folder: Folder,
  files: readonly string[],
  kinds: readonly string[],
): Promise<string[]> {
  const found: string[] = [];
  for (const name of files.slice(0, mostLooks)) {
    if (!(await isFile(join(folder.path, name)))) continue;
    const file = await openByteFile(join(folder.path, name));
    const kind = await kindOf(file).finally(() => file.close());
    if (kinds.includes(kind)) found.push(name);
  }
  return found;
}

/** The ways in which a folder may hold a checkpoint, best first. */
const ways: readonly ((folder: Folder, folders: readonly Folder[]) => Promise<readonly Candidate[]>)[] = [
  async (folder, folders) => {
    const parent = folders.find((f) => f.name === parentOf(folder.name) && f !== folder);
    const ofSavedModel = posix.basename(folder.name) === variables && parent && isSavedModel(parent);
    return under(
      folder,
      folder.files
        .filter(extension(".index"))
        .map((f) => f.slice(0, -".index".length))
        .filter((prefix) => !(ofSavedModel && prefix === variables)),
    );
  },
  async (folder) => under(folder, folder.files.filter(extension(".ckpt"))),
  async (folder) =>
    under(
      folder,
      [...new Set(folder.files.flatMap((f) => /^(.+)-\d{5}-of-\d{5}$/.exec(f)?.[1] ?? []))].filter(
        (f) => !f.endsWith(".data"),
      ),
    ),
  async (folder, folders) =>
    isSavedModel(folder)
      ? [{ name: folder.name || ".", open: () => savedModel(folder, folders, folder.path) }]
      : [],
  async (folder) =>
    under(
      folder,
      await thoseOfKind(
        folder,
        folder.files.filter((f) => f.endsWith(".pb") && !savedModelFiles.includes(f)),
        ["graph"],
      ),
    ),
  async (folder) => under(folder, folder.files.filter(extension(".tar.gz", ".tgz", ".tar"))),
  async (folder) =>
    under(
      folder,
      await thoseOfKind(
        folder,
        folder.files.filter((f) => !extension(".pb", ".meta")(f)),
        ["table", "graph"],
      ),
    ),
];

const under = (folder: Folder, names: readonly string[]): Candidate[] =>
  names.map((name) => ({
    name: posix.join(folder.name, name),
    open: () => fromPrefix(join(folder.path, name)),
  }));

/** Whether an index has variables, and not only the graph of objects that a frozen SavedModel keeps. */
async function hasVariables(index: string): Promise<boolean> {
  const file = await openByteFile(index);
  try {
    for await (const { key } of (await openTable(file)).entries())
      if (key.length > 0 && key.toString("latin1") !== objectGraphKey) return true;
    return false;
  } finally {
    await file.close();
  }
}

/** The variables of a SavedModel or a module of TF-Hub, or the graph where they are frozen into it. */
export async function savedModel(
  folder: Folder,
  folders: readonly Folder[],
  shown: string,
): Promise<Location> {
  const inside = folders.find((f) => f.name === posix.join(folder.name, variables));
  const prefix = inside && join(inside.path, variables);
  if (prefix && inside.files.includes(`${variables}.index`) && (await hasVariables(`${prefix}.index`)))
    return v2(prefix);
  if (inside?.files.some((f) => f.includes(".data-")) && !inside.files.includes(`${variables}.index`))
    throw new CheckpointError(
      `The SavedModel ${shown} lacks the index of its variables.`,
      `Put ${variables}/${variables}.index beside their data.`,
    );
  if (folder.files.includes("saved_model.pb"))
    return { kind: "graph", file: join(folder.path, "saved_model.pb") };
  throw new CheckpointError(
    `The module ${shown} has no variables.`,
    `They belong into ${variables}/${variables}.index and its .data files.`,
  );
}

/** Where a state file points. `folders` are those of its archive, which it cannot lead out of; none on the disk. */
export async function fromState(path: string, folders: readonly Folder[], shown: string): Promise<Location> {
  const { path: stated, last } = await namesInState(path);
  const here = folders.find((f) => f.path === dirname(path));
  const beside = last.map((name) => join(dirname(path), name));
  const places = here
    ? [
        ...placesIn(folders, here, stated),
        ...beside,
        ...folders.flatMap((f) => last.map((n) => join(f.path, n))),
      ]
    : [isAbsolute(stated) ? stated : join(dirname(path), stated), ...beside];
  for (const place of places) {
    const found = await fromPrefix(place);
    if (found) return found;
  }
  const inFolder = here ?? (await listFolders(dirname(path)))[0];
  const there = (await Promise.all(ways.map((way) => way(inFolder, [inFolder])))).find((c) => c.length > 0);
  throw new CheckpointError(
    `${path} names ${stated}, which is not there.`,
    there
      ? `Name the checkpoint itself, as in ${join(shown, there[0].name)}${there.length > 1 ? `; there are ${list(there)}` : ""}.`
      : "Name the checkpoint itself.",
  );
}

/** A state file's path inside its archive, from the folder that the state file is in. */
function placesIn(folders: readonly Folder[], here: Folder, stated: string): string[] {
  const name = posix.join(here.name, stated);
  const folder = folders.find((f) => f.name === parentOf(name));
  return folder ? [join(folder.path, posix.basename(name))] : [];
}

const list = (candidates: readonly Candidate[]): string => {
  const names = candidates.map((c) => c.name).sort();
  return `${names.slice(0, 10).join(", ")}${names.length > 10 ? ` and ${names.length - 10} more` : ""}`;
};

/** Folders that are looked through together: those of the second only where the first have nothing. */
type Levels = readonly (readonly Folder[])[];

/**
 * The checkpoint that lies in `levels`, of which the user named what is called `shown`: the one of a state file, or the only
 * one. @throws CheckpointError that lists several, or says that there is none.
 */
export async function choose(levels: Levels, shown: string, archive?: readonly Folder[]): Promise<Location> {
  const what = archive ? `The archive ${shown}` : `The folder ${shown}`;
  const folders = levels.flat();
  const several = (candidates: readonly Candidate[]) =>
    new CheckpointError(
      `${what} holds ${candidates.length} checkpoints: ${list(candidates)}.`,
      `Name one of them, as in ${posix.join(shown, candidates.map((c) => c.name).sort()[0])}.`,
    );
  for (const level of levels) {
    const stated = new Map<string, Location>();
    for (const folder of level) {
      if (
        !(
          await thoseOfKind(
            folder,
            folder.files.filter((f) => f === "checkpoint"),
            ["other"],
          )
        ).length
      )
        continue;
      const found = await fromState(
        join(folder.path, "checkpoint"),
        archive ?? [],
        posix.join(shown, folder.name),
      );
      stated.set(pathOf(found), found);
    }
    if (stated.size === 1) return [...stated.values()][0];
    for (const way of ways) {
      const candidates: Candidate[] = [];
      for (const folder of level) candidates.push(...(await way(folder, folders)));
      if (candidates.length > 1) throw several(candidates);
      const found = await candidates[0]?.open();
      if (found) return found;
    }
  }
  const data = folders.flatMap((f) => f.files.filter((n) => /\.data-\d{5}-of-\d{5}$/.test(n)));
  if (data.length > 0)
    throw new CheckpointError(
      `${what} holds the data of a checkpoint (${data[0]}) without its index.`,
      `Put ${data[0].replace(/\.data-.*$/, "")}.index beside it.`,
    );
  throw new CheckpointError(
    `${what} holds no checkpoint.`,
    "A checkpoint is a .ckpt file, an .index file with its .data files, a SavedModel or a frozen graph (.pb).",
  );
}
