/** A checkpoint as its worker reads it: files that were given, are kept, or are fetched first. */
import { givenFiles } from "../browser/files.ts";
import { CheckpointError } from "../errors.ts";
import { partOf } from "../parts.ts";
import type { Files } from "../platform/index.ts";
import type { BytesProgress, SentCheckpoint, SentFile } from "./calls.ts";
import { type DownloadOptions, downloadBlob, nameOfAddress } from "./downloads.ts";

export interface OpenOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: BytesProgress) => void;
}

/** Files and the name that they are opened by. */
export interface Gathered {
  readonly path: string;
  readonly files: Files;
}

async function filesOf(sent: SentCheckpoint, options: DownloadOptions): Promise<readonly SentFile[]> {
  if (sent.kind === "files") return sent.files;
  if (sent.kind === "kept") {
    const { keptFiles } = await partOf(import("./kept.ts"));
    return keptFiles(sent.name);
  }
  const files: SentFile[] = [];
  for (const address of sent.addresses)
    files.push({ path: nameOfAddress(address), blob: await downloadBlob(address, options) });
  return files;
}

/** What several files are opened by: the one that tells of the others, or all as a folder. */
function pathAmong(files: readonly SentFile[]): string {
  if (files.length === 1) return files[0].path;
  const indexes = files.filter(({ path }) => path.endsWith(".index"));
  return indexes.length === 1 ? indexes[0].path.slice(0, -".index".length) : ".";
}

/** @throws CheckpointError where nothing was given, or it cannot be had. */
export async function gather(sent: SentCheckpoint, options: OpenOptions): Promise<Gathered> {
  const files = await filesOf(sent, options);
  if (files.length === 0)
    throw new CheckpointError(
      "No file of a checkpoint was given.",
      "Give the files of one: a Blob or an array of them.",
    );
  return { path: pathAmong(files), files: givenFiles(files) };
}
