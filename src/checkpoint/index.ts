/**
 * TensorFlow checkpoints: bytes to named tensors. V1 and V2, one file or many, in a folder or still in the archive that
 * was downloaded. Only what is asked for is read.
 */
import { createHash } from "node:crypto";
import { createReadStream, rmSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CheckpointError } from "../errors.ts";
import { type Location, locate } from "./locate.ts";
import { unpack } from "./tar.ts";
import type { Checkpoint } from "./tensor.ts";
import { openV1 } from "./v1.ts";
import { openV2 } from "./v2.ts";

export type { TensorData } from "./dtypes.ts";
export type { Checkpoint, TensorEntry, TensorValue } from "./tensor.ts";
export { type WritableTensor, writeCheckpoint } from "./v2-writer.ts";

/**
 * Opens the checkpoint that `path` names: a V1 file, a prefix, any file of a V2 checkpoint, a folder, or a `.tar.gz`.
 * @throws CheckpointError that says what is wrong with it.
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const location = await locate(path);
  return location.kind === "archive" ? openArchive(location.file, path) : openLocated(location, path);
}

async function openLocated(
  location: Exclude<Location, { kind: "archive" }>,
  shown: string,
): Promise<Checkpoint> {
  const [opened, files] =
    location.kind === "V2"
      ? [await openV2(location.prefix, location.index, shown), [location.index]]
      : [await openV1(location.files, shown), location.files];
  return { ...opened, identify: () => hashOf(files) };
}

async function hashOf(files: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const file of files) for await (const piece of createReadStream(file)) hash.update(piece as Buffer);
  return hash.digest("hex");
}

/** Members that can belong to a checkpoint: graphs, texts and frozen models stay in the archive. */
const isCheckpointFile = (name: string) =>
  /\.(index|data-\d{5}-of-\d{5}|ckpt)$|\.ckpt(-\d+)?(-\d{5}-of-\d{5})?$/.test(name);

/** A table is read from its end, so the archive's checkpoint is unpacked to a private folder until it is closed. */
async function openArchive(archive: string, shown: string): Promise<Checkpoint> {
  const folder = await mkdtemp(join(tmpdir(), "checkpoint-"));
  const atExit = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", atExit);
  const remove = async () => {
    process.removeListener("exit", atExit);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await unpack(archive, folder, isCheckpointFile);
    const files = await readdir(folder);
    if (files.length === 0) {
      throw new CheckpointError(
        `The archive ${shown} holds no checkpoint.`,
        "It should hold a .ckpt file, or an .index file with its .data files.",
      );
    }
    const inside = await locate(folder).catch((error: unknown) => {
      if (!(error instanceof CheckpointError)) throw error;
      throw new CheckpointError(
        error.message.replaceAll(`The folder ${folder}`, `The archive ${shown}`).replaceAll(folder, shown),
        error.hint,
      );
    });
    if (inside.kind === "archive")
      throw new CheckpointError(`The archive ${shown} holds another archive; unpack it first.`);
    const checkpoint = await openLocated(inside, shown);
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
