/**
 * The checkpoint that is meant where several files lie together: in a folder and those below it, or in an archive. Folders
 * are given by name and content, so that those of an archive may lie anywhere.
 */
import { latin1 } from "../bytes.ts";
import { CheckpointError } from "../errors.ts";
import type { Files } from "../platform/files.ts";
import { posix } from "../posix.ts";
import { openByteFile } from "./bytes.ts";
import { type Kind, kindOf } from "./kind.ts";
import { objectGraphKey } from "./object-graph.ts";
import { fromPrefix, isFile, type Location, pathOf, savedModelFiles, v2 } from "./prefix.ts";
import { openTable } from "./sstable.ts";
import { namesInState } from "./state.ts";

export interface Folder {
  /** Under what the user named, with slashes; "" for that itself. */
  readonly name: string;
  /** Where it lies on the disk. */
  readonly path: string;
  readonly files: readonly string[];
}

/** Folders by name. */
export type Folders = ReadonlyMap<string, Folder>;

export const byName = (folders: readonly Folder[]): Folders => new Map(folders.map((f) => [f.name, f]));

/** More folders than anybody keeps checkpoints in. */
const mostFolders = 1000;

/** A SavedModel in a folder has its variables two folders down. */
const deepest = 2;

/** A folder and those below it. Links to folders are not followed. */
export async function listFolders(path: string, files: Files): Promise<Folder[]> {
  const listed: Folder[] = [];
  const open: { name: string; depth: number }[] = [{ name: "", depth: 0 }];
  for (let next = open.shift(); next && listed.length < mostFolders; next = open.shift()) {
    const { name, depth } = next;
    const here = files.join(path, name);
    const entries = await files.list(here).catch((cause: { code?: string }) => {
      // Folders below that cannot be looked into hold nothing that could be read.
      if (depth > 0) return [];
      throw new CheckpointError(`The folder ${path} cannot be read (${cause.code}).`, undefined, { cause });
    });
    listed.push({ name, path: here, files: entries.filter((e) => e.kind !== "folder").map((e) => e.name) });
    if (depth === deepest) continue;
    for (const e of entries)
      if (e.kind === "folder") open.push({ name: posix.join(name, e.name), depth: depth + 1 });
  }
  return listed;
}

/** What one may mean by a folder. */
interface Candidate {
  /** Under what the user named. */
  readonly name: string;
  readonly open: () => Promise<Location | undefined>;
}

const isSavedModel = ({ files }: Folder): boolean => savedModelFiles.some((name) => files.includes(name));

/** Where a SavedModel keeps its variables. */
const variables = "variables";

const parentOf = (name: string): string => (name.includes("/") ? posix.dirname(name) : "");

const extension =
  (...ends: readonly string[]) =>
  (name: string) =>
    ends.some((end) => name.endsWith(end));

/** Where there are more files than these, none is looked into for what nobody named so. */
const mostLooks = 1000;

async function thoseOfKind(
  folder: Folder,
  names: readonly string[],
  kinds: readonly Kind[],
  files: Files,
): Promise<string[]> {
  const found: string[] = [];
  for (const name of names) {
    const path = files.join(folder.path, name);
    if (!(await isFile(path, files))) continue;
    const file = await openByteFile(path, files);
    const kind = await kindOf(file).finally(() => file.close());
    if (kinds.includes(kind)) found.push(name);
  }
  return found;
}

/** The ways in which a folder may hold a checkpoint, best first. */
const ways: readonly ((folder: Folder, folders: Folders, files: Files) => Promise<readonly Candidate[]>)[] = [
  async (folder, folders, files) => {
    const parent = folder.name === "" ? undefined : folders.get(parentOf(folder.name));
    const ofSavedModel = posix.basename(folder.name) === variables && parent && isSavedModel(parent);
    return under(
      folder,
      files,
      folder.files
        .filter(extension(".index"))
        .map((f) => f.slice(0, -".index".length))
        .filter((prefix) => !(ofSavedModel && prefix === variables)),
    );
  },
  async (folder, _, files) => under(folder, files, folder.files.filter(extension(".ckpt"))),
  async (folder, _, files) =>
    under(
      folder,
      files,
      [...new Set(folder.files.flatMap((f) => /^(.+)-\d{5}-of-\d{5}$/.exec(f)?.[1] ?? []))].filter(
        (f) => !f.endsWith(".data"),
      ),
    ),
  async (folder, folders, files) =>
    isSavedModel(folder)
      ? [{ name: folder.name || ".", open: () => savedModel(folder, folders, folder.path, files) }]
      : [],
  async (folder, _, files) =>
    under(
      folder,
      files,
      await thoseOfKind(
        folder,
        folder.files.filter((f) => f.endsWith(".pb") && !savedModelFiles.includes(f)),
        ["graph"],
        files,
      ),
    ),
  async (folder, _, files) => under(folder, files, folder.files.filter(extension(".tar.gz", ".tgz", ".tar"))),
  async (folder, folders, files) => {
    if (folders.size > mostLooks) return [];
    if ([...folders.values()].reduce((n, f) => n + f.files.length, 0) > mostLooks) return [];
    const others = folder.files.filter((f) => !extension(".pb", ".meta")(f));
    return under(folder, files, await thoseOfKind(folder, others, ["table", "graph"], files));
  },
];

const under = (folder: Folder, files: Files, names: readonly string[]): Candidate[] =>
  names.map((name) => ({
    name: posix.join(folder.name, name),
    open: () => fromPrefix(files.join(folder.path, name), files),
  }));

/** Whether an index has variables, and not only the graph of objects that a frozen SavedModel keeps. */
async function hasVariables(index: string, files: Files): Promise<boolean> {
  const file = await openByteFile(index, files);
  try {
    for await (const { key } of (await openTable(file)).entries())
      if (key.length > 0 && latin1(key) !== objectGraphKey) return true;
    return false;
  } finally {
    await file.close();
  }
}

/** The variables of a SavedModel or a module of TF-Hub, or the graph where they are frozen into it. */
export async function savedModel(
  folder: Folder,
  folders: Folders,
  shown: string,
  files: Files,
): Promise<Location> {
  const inside = folders.get(posix.join(folder.name, variables));
  const prefix = inside && files.join(inside.path, variables);
  if (prefix && inside.files.includes(`${variables}.index`) && (await hasVariables(`${prefix}.index`, files)))
    return v2(prefix);
  if (inside?.files.some((f) => f.includes(".data-")) && !inside.files.includes(`${variables}.index`))
    throw new CheckpointError(
      `The SavedModel ${shown} lacks the index of its variables.`,
      `Put ${variables}/${variables}.index beside their data.`,
    );
  if (folder.files.includes("saved_model.pb"))
    return { kind: "graph", file: files.join(folder.path, "saved_model.pb") };
  throw new CheckpointError(
    `The module ${shown} has no variables.`,
    `They belong into ${variables}/${variables}.index and its .data files.`,
  );
}

/** Where a state file points. `folders` are those of its archive, which it cannot lead out of; none on the disk. */
export async function fromState(path: string, files: Files, folders?: Folders): Promise<Location> {
  const { path: stated, last } = await namesInState(path, files);
  const all = [...(folders?.values() ?? [])];
  const parent = files.dirname(path);
  const here = all.find((f) => f.path === parent);
  const asStated = folders
    ? placesIn(folders, here, stated, files)
    : [files.isAbsolute(stated) ? stated : files.join(parent, stated)];
  for (const place of [...asStated, ...last.map((name) => files.join(parent, name))]) {
    const found = await fromPrefix(place, files);
    if (found) return found;
  }
  const elsewhere: Location[] = [];
  for (const folder of all) {
    for (const name of last) {
      const found = folder === here ? undefined : await fromPrefix(files.join(folder.path, name), files);
      if (found) elsewhere.push(found);
    }
  }
  if (elsewhere.length === 1) return elsewhere[0];
  const inFolder = here ?? (await listFolders(parent, files))[0];
  const there = (await Promise.all(ways.map((way) => way(inFolder, byName([inFolder]), files)))).find(
    (c) => c.length > 0,
  );
  throw new CheckpointError(
    `${path} names ${stated}, which is not there.`,
    there
      ? `Name the checkpoint itself, as in ${files.join(parent, posix.basename(there[0].name))}${there.length > 1 ? `; there are ${list(there)}` : ""}.`
      : "Name the checkpoint itself.",
  );
}

/** A state file's path inside its archive, from the folder that the state file is in. */
function placesIn(folders: Folders, here: Folder | undefined, stated: string, files: Files): string[] {
  const name = posix.join(here?.name ?? "", stated);
  const folder = folders.get(parentOf(name));
  return folder ? [files.join(folder.path, posix.basename(name))] : [];
}

const list = (candidates: readonly Candidate[]): string => {
  const names = candidates.map((c) => c.name).sort();
  return `${names.slice(0, 10).join(", ")}${names.length > 10 ? ` and ${names.length - 10} more` : ""}`;
};

/** Folders that are looked through together: those of the second only where the first have nothing. */
type Levels = readonly (readonly Folder[])[];

/**
 * The checkpoint that lies in `levels`, of which the user named what is called `shown`: the one of a state file, or the only
 * one. `archive` are all folders of it where they are an archive's.
 * @throws CheckpointError that lists several, or says that there is none.
 */
export async function choose(
  levels: Levels,
  shown: string,
  files: Files,
  archive?: Folders,
): Promise<Location> {
  const what = archive ? `The archive ${shown}` : `The folder ${shown}`;
  const folders = archive ?? byName(levels.flat());
  const several = (candidates: readonly Candidate[]) =>
    new CheckpointError(
      `${what} holds ${candidates.length} checkpoints: ${list(candidates)}.`,
      `Name one of them, as in ${posix.join(shown, candidates.map((c) => c.name).sort()[0])}.`,
    );
  for (const level of levels) {
    const stated = new Map<string, Location>();
    for (const folder of level) {
      if (!folder.files.includes("checkpoint")) continue;
      if ((await thoseOfKind(folder, ["checkpoint"], ["other"], files)).length === 0) continue;
      const found = await fromState(files.join(folder.path, "checkpoint"), files, archive);
      stated.set(pathOf(found), found);
    }
    if (stated.size === 1) return [...stated.values()][0];
    for (const way of ways) {
      const candidates: Candidate[] = [];
      for (const folder of level) candidates.push(...(await way(folder, folders, files)));
      if (candidates.length > 1) throw several(candidates);
      const found = await candidates[0]?.open();
      if (found) return found;
    }
  }
  const data = levels.flat().flatMap((f) => f.files.filter((n) => /\.data-\d{5}-of-\d{5}$/.test(n)));
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
