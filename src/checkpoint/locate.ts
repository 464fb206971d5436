/** Which files a path names: a folder, a prefix, any file of a checkpoint, a graph, or something in an archive. */
import { stat } from "node:fs/promises";
import { basename, dirname, relative, sep } from "node:path";
import { CheckpointError } from "../errors.ts";
import { openByteFile } from "./bytes.ts";
import {
  byName,
  choose,
  type Folders,
  fromState,
  listFolders,
  savedModel,
  savedModelFiles,
} from "./choose.ts";
import { kindOf } from "./diagnose.ts";
import { fromPrefix, isFile, type Location } from "./prefix.ts";

/** The archive that a path leads into, as `logs.tar.gz/logs/model.ckpt-100` does. */
async function inArchive(path: string): Promise<Location | undefined> {
  for (let outer = dirname(path); outer !== dirname(outer); outer = dirname(outer)) {
    const found = await stat(outer).catch(() => undefined);
    if (!found) continue;
    if (!found.isFile()) return undefined;
    const file = await openByteFile(outer);
    const kind = await kindOf(file).finally(() => file.close());
    if (kind !== "archive") return undefined;
    return { kind, file: outer, inside: relative(outer, path).split(sep).join("/") };
  }
  return undefined;
}

/** What the name of a file or a prefix stands for; undefined where there is nothing. `folders` are those of its archive. */
export async function named(path: string, folders?: Folders): Promise<Location | undefined> {
  const data = /^(.+)\.data-\d{5}-of-\d{5}$/.exec(path);
  const prefix = data?.[1] ?? (path.endsWith(".meta") ? path.slice(0, -".meta".length) : undefined);
  if (prefix !== undefined && (await isFile(path))) {
    const beside = await fromPrefix(prefix);
    if (beside) return beside;
    const kind = data
      ? "the data of a checkpoint whose index is missing"
      : "the graph of a checkpoint that is not there";
    throw new CheckpointError(`${path} is ${kind}.`, `Put ${basename(prefix)}.index beside it.`);
  }
  if (basename(path) === "checkpoint" && (await isFile(path))) {
    const file = await openByteFile(path);
    const kind = await kindOf(file).finally(() => file.close());
    if (kind === "other") return fromState(path, folders);
  }
  return fromPrefix(path);
}

/**
 * Finds the checkpoint that `path` names.
 * @throws CheckpointError that says what the path is instead, or which checkpoints it may mean.
 */
export async function locate(path: string): Promise<Location> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) {
    const [top, ...below] = await listFolders(path);
    return choose([[top], below], path);
  }
  if (found?.isFile()) {
    const file = await openByteFile(path);
    const kind = await kindOf(file).finally(() => file.close());
    if (kind === "archive") return { kind, file: path, inside: "" };
    if (savedModelFiles.includes(basename(path))) {
      const folders = await listFolders(dirname(path));
      return savedModel(folders[0], byName(folders), dirname(path));
    }
  }
  const there = (await named(path)) ?? (await inArchive(path));
  if (there) return there;
  if (found) throw new CheckpointError(`${path} is not a regular file.`);
  throw new CheckpointError(
    `There is no checkpoint ${path}.`,
    "Name a file, a folder, an archive, or the prefix of an .index file.",
  );
}
