/**
 * TensorFlow checkpoints: bytes to named tensors. V1 and V2, one file or many, in a folder or still in the archive that
 * was downloaded. Only what is asked for is read.
 */
import { createHash } from "node:crypto";
import { createReadStream, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, posix } from "node:path";
import { CheckpointError } from "../errors.ts";
import { byName, choose, type Folder, savedModel, savedModelFiles } from "./choose.ts";
import { openGraph } from "./graph.ts";
import { locate, named } from "./locate.ts";
import { objectGraphKey } from "./object-graph.ts";
import { type Location, pathOf } from "./prefix.ts";
import { unpack } from "./tar.ts";
import { type Checkpoint, type Opened, sortNames } from "./tensor.ts";
import { openV1 } from "./v1.ts";
import { openV2 } from "./v2.ts";

export type { TensorData } from "./dtypes.ts";
export type { Caveat, Checkpoint, TensorEntry, TensorValue } from "./tensor.ts";
export { type WritableTensor, writeCheckpoint } from "./v2-writer.ts";

/**
 * Opens the checkpoint that `path` names: a V1 file, a prefix, any file of a V2 checkpoint, a frozen graph, a SavedModel, a
 * folder, a `.tar.gz`, or what lies in one (`logs.tar.gz/logs/model.ckpt-100`).
 * @throws CheckpointError that says what is wrong with it.
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const location = await locate(path);
  return location.kind === "archive"
    ? openArchive(location.file, location.inside, path)
    : openLocated(location, path, pathOf(location));
}

type Single = Exclude<Location, { kind: "archive" }>;

async function openLocated(location: Single, shown: string, name: string): Promise<Checkpoint> {
  const [opened, files] = await openers(location, shown);
  const own = new Set([...opened.aliases.values(), objectGraphKey]);
  const variables = sortNames([
    ...opened.names.filter((stored) => !own.has(stored)),
    ...opened.aliases.keys(),
  ]);
  return { ...opened, name, variables, identify: () => hashOf(files) };
}

/** What is in the files, and those whose hash stands for it. */
async function openers(location: Single, shown: string): Promise<[Opened, readonly string[]]> {
  switch (location.kind) {
    case "V2":
      return [await openV2(location.prefix, location.index, shown), [location.index]];
    case "V1":
      return [await openV1(location.files, shown), location.files];
    case "graph":
      return [await openGraph(location.file, shown), [location.file]];
  }
}

async function hashOf(files: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const file of files) for await (const piece of createReadStream(file)) hash.update(piece as Buffer);
  return hash.digest("hex");
}

/** Members that are called as files of checkpoints are: graphs of training and texts stay in the archive. */
const isCheckpointFile = (name: string) =>
  name === "checkpoint" ||
  /\.(index|data-\d{5}-of-\d{5}|ckpt|pb)$|\.ckpt(-\d+)?(-\d{5}-of-\d{5})?$/.test(name);

/** A table is read from its end, so the archive's checkpoint is unpacked to a private folder until it is closed. */
async function openArchive(archive: string, inside: string, shown: string): Promise<Checkpoint> {
  const folder = await mkdtemp(join(tmpdir(), "checkpoint-"));
  const atExit = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", atExit);
  const remove = async () => {
    process.removeListener("exit", atExit);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const near = posix.dirname(inside);
    const isWanted = (at: string, name: string) =>
      inside === "" || near === "." || at === near || at.startsWith(`${near}/`)
        ? isCheckpointFile(name) || (inside !== "" && posix.join(at, name).startsWith(inside))
        : false;
    let folders = await unpack(archive, folder, isWanted);
    // Where nothing is called so, what it is tells.
    if (folders.length === 0 && inside === "") folders = await unpack(archive, folder, () => true);
    const location = await inArchive(folders, inside, archive).catch((error: unknown) => {
      if (!(error instanceof CheckpointError)) throw error;
      const told = (text: string) =>
        folders.reduce((words, f) => words.replaceAll(f.path, posix.join(archive, f.name)), text);
      throw new CheckpointError(told(error.message), error.hint && told(error.hint));
    });
    if (location.kind === "archive")
      throw new CheckpointError(`The archive ${archive} holds another archive; unpack it first.`);
    const place = pathOf(location);
    const at = folders.find((f) => f.path === dirname(place));
    const name = posix.join(archive, at?.name ?? "", basename(place));
    const checkpoint = await openLocated(location, shown, name);
    return {
      ...checkpoint,
      async close() {
        await checkpoint.close();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** What is meant of an archive's members: what the name `inside` says, or the one checkpoint in it. */
async function inArchive(unpacked: readonly Folder[], inside: string, archive: string): Promise<Location> {
  const folders = byName(unpacked);
  if (inside === "") return choose([unpacked], archive, folders);
  const below = unpacked.filter((f) => f.name === inside || f.name.startsWith(`${inside}/`));
  if (below.length > 0) return choose([below], archive, folders);
  const base = posix.basename(inside);
  const folder = folders.get(inside.includes("/") ? posix.dirname(inside) : "");
  if (folder && savedModelFiles.includes(base)) return savedModel(folder, folders, folder.path);
  const found = folder && (await named(join(folder.path, base), folders));
  if (found) return found;
  throw new CheckpointError(
    `There is no checkpoint ${inside} in the archive ${archive}.`,
    `See what it holds with: tar tf ${archive}.`,
  );
}
