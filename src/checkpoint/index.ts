/**
 * TensorFlow checkpoints: bytes to named tensors. V1 and V2, one file or many, in a folder or still in the archive that
 * was downloaded. Only what is asked for is read; a page, whose own weights are of V2, loads the other readers when it needs
 * them.
 */

import { partOf } from "../parts.ts";
import type { Files } from "../platform/files.ts";
import { openByteFile } from "./bytes.ts";
import { locate } from "./locate.ts";
import { objectGraphKey } from "./object-graph.ts";
import { pathOf, type Single } from "./prefix.ts";
import { type Checkpoint, type Opened, sortNames } from "./tensor.ts";
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
  if (location.kind !== "archive") return openLocated(location, path, pathOf(location), files);
  const { openArchive } = await partOf(import("./archive.ts"));
  return openArchive(location.file, location.inside, path, files, openLocated);
}

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
    case "V1": {
      const { openV1 } = await partOf(import("./seldom.ts"));
      return [await openV1(location.files, shown, files), location.files];
    }
    case "graph": {
      const { openGraph } = await partOf(import("./seldom.ts"));
      return [await openGraph(location.file, shown, files), [location.file]];
    }
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
