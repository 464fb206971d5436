/** The files that a prefix or one file of a checkpoint stands for. What a file is, its content says. */
import { CheckpointError } from "../errors.ts";
import { partOf } from "../parts.ts";
import type { Files } from "../platform/files.ts";
import { openByteFile } from "./bytes.ts";
import { kindOf } from "./kind.ts";
import { emptyKey, openTable } from "./sstable.ts";

export type Location =
  | { readonly kind: "V2"; readonly prefix: string; readonly index: string }
  | { readonly kind: "V1"; readonly files: readonly string[] }
  | { readonly kind: "graph"; readonly file: string }
  /** `inside` is what of an archive is named; everything where it is empty. */
  | { readonly kind: "archive"; readonly file: string; readonly inside: string };

/** SavedModels and modules of TF-Hub are folders: each of these files stands for the one that it is in. */
export const savedModelFiles: readonly string[] = ["saved_model.pb", "tfhub_module.pb"];

/** What is in files of their own. */
export type Single = Exclude<Location, { kind: "archive" }>;

export const isFile = async (path: string, files: Files): Promise<boolean> =>
  (await files.stat(path))?.kind === "file";

/** A V2 checkpoint by its prefix. */
export const v2 = (prefix: string): Location => ({ kind: "V2", prefix, index: `${prefix}.index` });

/** The shards of a V1 checkpoint, `prefix-00000-of-00003` and so on, or undefined where there are none. */
async function v1Shards(prefix: string, files: Files, count?: string): Promise<string[] | undefined> {
  const name = files.basename(prefix);
  const folder = files.dirname(prefix);
  const entries = await files.list(folder).catch(() => []);
  const shards = entries
    .map((entry) => entry.name)
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
  return shards.map((s) => files.join(folder, s));
}

/** What lies under a prefix. TensorFlow prefers V2 where both are there. */
export async function fromPrefix(prefix: string, files: Files): Promise<Location | undefined> {
  if (await isFile(`${prefix}.index`, files)) return v2(prefix);
  if (await isFile(prefix, files)) return fromFile(prefix, files);
  const shards = await v1Shards(prefix, files);
  return shards && { kind: "V1", files: shards };
}

/** A file by its content. The record of the empty key tells V1 (a message) from V2 (a number). */
async function fromFile(path: string, files: Files): Promise<Location> {
  const file = await openByteFile(path, files);
  try {
    const kind = await kindOf(file);
    if (kind === "graph") return { kind, file: path };
    if (kind === "archive") return { kind, file: path, inside: "" };
    if (kind === "other") {
      const { diagnose } = await partOf(import("./seldom.ts"));
      throw await diagnose(file);
    }
    const record = await (await openTable(file)).get(emptyKey);
    if (record?.[0] === 0x08) return { kind: "V2", prefix: path.replace(/\.index$/, ""), index: path };
    const shard = /^(.+)-\d{5}-of-(\d{5})$/.exec(path);
    return { kind: "V1", files: (shard && (await v1Shards(shard[1], files, shard[2]))) ?? [path] };
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
