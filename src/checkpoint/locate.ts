/** Which files a path names: a folder, a prefix, any file of a checkpoint, a graph, or something in an archive. */
import { CheckpointError } from "../errors.ts";
import { partOf } from "../parts.ts";
import type { Files } from "../platform/files.ts";
import { posix } from "../posix.ts";
import { openByteFile } from "./bytes.ts";
import type { Folders } from "./choose.ts";
import { kindOf } from "./kind.ts";
import { fromPrefix, isFile, type Location, savedModelFiles } from "./prefix.ts";

/** The archive that a path leads into, as `logs.tar.gz/logs/model.ckpt-100` does. */
async function inArchive(path: string, files: Files): Promise<Location | undefined> {
  let inside = files.basename(path);
  for (let outer = files.dirname(path); outer !== files.dirname(outer); outer = files.dirname(outer)) {
    const found = await files.stat(outer);
    if (!found) {
      inside = `${files.basename(outer)}/${inside}`;
      continue;
    }
    if (found.kind !== "file") return undefined;
    const file = await openByteFile(outer, files);
    const kind = await kindOf(file).finally(() => file.close());
    if (kind !== "archive") return undefined;
    return { kind, file: outer, inside: posix.join(inside) };
  }
  return undefined;
}

/** What the name of a file or a prefix stands for; undefined where there is nothing. `folders` are those of its archive. */
export async function named(path: string, files: Files, folders?: Folders): Promise<Location | undefined> {
  const data = /^(.+)\.data-\d{5}-of-\d{5}$/.exec(path);
  const prefix = data?.[1] ?? (path.endsWith(".meta") ? path.slice(0, -".meta".length) : undefined);
  if (prefix !== undefined && (await isFile(path, files))) {
    const beside = await fromPrefix(prefix, files);
    if (beside) return beside;
    const kind = data
      ? "the data of a checkpoint whose index is missing"
      : "the graph of a checkpoint that is not there";
    throw new CheckpointError(`${path} is ${kind}.`, `Put ${files.basename(prefix)}.index beside it.`);
  }
  if (files.basename(path) === "checkpoint" && (await isFile(path, files))) {
    const file = await openByteFile(path, files);
    const kind = await kindOf(file).finally(() => file.close());
    if (kind === "other") {
      const { fromState } = await partOf(import("./choose.ts"));
      return fromState(path, files, folders);
    }
  }
  return fromPrefix(path, files);
}

/**
 * Finds the checkpoint that `path` names.
 * @throws CheckpointError that says what the path is instead, or which checkpoints it may mean.
 */
export async function locate(path: string, files: Files): Promise<Location> {
  const found = await files.stat(path);
  if (found?.kind === "folder") {
    const { choose, listFolders } = await partOf(import("./choose.ts"));
    const [top, ...below] = await listFolders(path, files);
    return choose([[top], below], path, files);
  }
  if (found?.kind === "file") {
    const file = await openByteFile(path, files);
    const kind = await kindOf(file).finally(() => file.close());
    if (kind === "archive") return { kind, file: path, inside: "" };
    if (savedModelFiles.includes(files.basename(path))) {
      const { byName, listFolders, savedModel } = await partOf(import("./choose.ts"));
      const parent = files.dirname(path);
      const folders = await listFolders(parent, files);
      return savedModel(folders[0], byName(folders), parent, files);
    }
  }
  const there = (await named(path, files)) ?? (await inArchive(path, files));
  if (there) return there;
  if (found) throw new CheckpointError(`${path} is not a regular file.`);
  throw new CheckpointError(
    `There is no checkpoint ${path}.`,
    "Name a file, a folder, an archive, or the prefix of an .index file.",
  );
}
