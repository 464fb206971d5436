/**
 * TensorFlow checkpoints: bytes to named tensors. V1 and V2, one file or many, in a folder or still in the archive that
 * was downloaded. Only what is asked for is read.
 */
import { CheckpointError } from "../errors.ts";
import type { Files } from "../platform/files.ts";
import { posix } from "../posix.ts";
import { openByteFile } from "./bytes.ts";
import { byName, choose, type Folder, savedModel, savedModelFiles } from "./choose.ts";
import { openGraph } from "./graph.ts";
import { locate, named } from "./locate.ts";
import { objectGraphKey } from "./object-graph.ts";
import { type Location, pathOf } from "./prefix.ts";
import { unpack, whyNotUnpacked } from "./tar.ts";
import { type Checkpoint, type Opened, sortNames } from "./tensor.ts";
import { openV1 } from "./v1.ts";
import { openV2 } from "./v2.ts";

export type { TensorData } from "./dtypes.ts";
export type { Caveat, Checkpoint, TensorEntry, TensorValue } from "./tensor.ts";

/**
 * Opens the checkpoint that `path` names among `files`: a V1 file, a prefix, any file of a V2 checkpoint, a frozen graph, a SavedModel, a
 * folder, a `.tar.gz`, or what lies in one (`logs.tar.gz/logs/model.ckpt-100`).
 * @throws CheckpointError that says what is wrong with it.
 */
export async function openCheckpoint(path: string, files: Files): Promise<Checkpoint> {
  const location = await locate(path, files);
  return location.kind === "archive"
    ? openArchive(location.file, location.inside, path, files)
    : openLocated(location, path, pathOf(location), files);
}

type Single = Exclude<Location, { kind: "archive" }>;

async function openLocated(location: Single, shown: string, name: string, files: Files): Promise<Checkpoint> {
  const [opened, own] = await openers(location, shown, files);
  const hidden = new Set([...opened.aliases.values(), objectGraphKey]);
  const variables = sortNames([
    ...opened.names.filter((stored) => !hidden.has(stored)),
    ...opened.aliases.keys(),
  ]);
  return { ...opened, name, variables, identify: () => hashOf(own, files) };
}

/** What is in the files, and those whose hash stands for it. */
async function openers(location: Single, shown: string, files: Files): Promise<[Opened, readonly string[]]> {
  switch (location.kind) {
    case "V2":
      return [await openV2(location.prefix, location.index, shown, files), [location.index]];
    case "V1":
      return [await openV1(location.files, shown, files), location.files];
    case "graph":
      return [await openGraph(location.file, shown, files), [location.file]];
  }
}

async function hashOf(paths: readonly string[], files: Files): Promise<string> {
  const hash = files.sha256();
  for (const path of paths) {
    const file = await openByteFile(path, files);
    try {
      for await (const piece of file.stream()) hash.update(piece);
    } finally {
      await file.close();
    }
  }
  return hash.digest();
}

/** Members that are called as files of checkpoints are: graphs of training and texts stay in the archive. */
const isCheckpointFile = (name: string) =>
  name === "checkpoint" ||
  /\.(index|data-\d{5}-of-\d{5}|ckpt|pb)$|\.ckpt(-\d+)?(-\d{5}-of-\d{5})?$/.test(name);

/** A table is read from its end, so the archive's checkpoint is unpacked to a private folder until it is closed. */
async function openArchive(
  archive: string,
  inside: string,
  shown: string,
  files: Files,
): Promise<Checkpoint> {
  const scratch = await files.scratch().catch((error: unknown) => {
    throw whyNotUnpacked(error, archive);
  });
  try {
    const near = posix.dirname(inside);
    const isWanted = (at: string, name: string) =>
      inside === "" || near === "." || at === near || at.startsWith(`${near}/`)
        ? isCheckpointFile(name) || (inside !== "" && posix.join(at, name).startsWith(inside))
        : false;
    let folders = await unpack(archive, files, scratch, isWanted);
    // Where nothing is called so, what it is tells.
    if (folders.length === 0 && inside === "") folders = await unpack(archive, files, scratch, () => true);
    const location = await inArchive(folders, inside, archive, scratch.files).catch((error: unknown) => {
      if (!(error instanceof CheckpointError)) throw error;
      const told = (text: string) =>
        folders.reduce((words, f) => words.replaceAll(f.path, posix.join(archive, f.name)), text);
      throw new CheckpointError(told(error.message), error.hint && told(error.hint));
    });
    if (location.kind === "archive")
      throw new CheckpointError(`The archive ${archive} holds another archive; unpack it first.`);
    const place = pathOf(location);
    const at = folders.find((f) => f.path === scratch.files.dirname(place));
    const name = posix.join(archive, at?.name ?? "", scratch.files.basename(place));
    const checkpoint = await openLocated(location, shown, name, scratch.files);
    return {
      ...checkpoint,
      async close() {
        await checkpoint.close();
        await scratch.remove();
      },
    };
  } catch (error) {
    await scratch.remove();
    throw error;
  }
}

/** What is meant of an archive's members: what the name `inside` says, or the one checkpoint in it. */
async function inArchive(
  unpacked: readonly Folder[],
  inside: string,
  archive: string,
  files: Files,
): Promise<Location> {
  const folders = byName(unpacked);
  if (inside === "") return choose([unpacked], archive, files, folders);
  const below = unpacked.filter((f) => f.name === inside || f.name.startsWith(`${inside}/`));
  if (below.length > 0) return choose([below], archive, files, folders);
  const base = posix.basename(inside);
  const folder = folders.get(inside.includes("/") ? posix.dirname(inside) : "");
  if (folder && savedModelFiles.includes(base)) return savedModel(folder, folders, folder.path, files);
  const found = folder && (await named(files.join(folder.path, base), files, folders));
  if (found) return found;
  throw new CheckpointError(
    `There is no checkpoint ${inside} in the archive ${archive}.`,
    `See what it holds with: tar tf ${archive}.`,
  );
}
