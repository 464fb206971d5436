/** Which files a path names: a directory, a prefix, any file of a checkpoint, or an archive. */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join } from "node:path";
import { CheckpointError } from "../errors.ts";
import { openByteFile } from "./bytes.ts";
import { diagnose, kindOf } from "./diagnose.ts";
import { openTable } from "./sstable.ts";

export type Location =
  | { readonly kind: "V2"; readonly prefix: string; readonly index: string }
  | { readonly kind: "V1"; readonly files: readonly string[] }
  | { readonly kind: "archive"; readonly file: string };

const isFile = (path: string) =>
  stat(path).then(
    (s) => s.isFile(),
    () => false,
  );

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

/** Where the state file called `checkpoint` points. */
async function fromState(file: string): Promise<Location> {
  const state = await readFile(file, "utf8");
  const quoted = /^\s*model_checkpoint_path:\s*"((?:[^"\\]|\\.)*)"/m.exec(state.slice(0, 2 ** 20))?.[1];
  if (quoted === undefined)
    throw new CheckpointError(`${file} names no checkpoint (model_checkpoint_path is missing).`);
  const path = quoted.replace(/\\(.)/g, "$1");
  const here = dirname(file);
  // An absolute path is usually that of the machine that trained; the files lie beside the state file.
  const places = isAbsolute(path) ? [path, join(here, basename(path))] : [join(here, path)];
  for (const place of places) {
    const found = await fromPrefix(place);
    if (found) return found;
  }
  throw new CheckpointError(`${file} names ${path}, which is not there.`, "Name the checkpoint itself.");
}

/** What lies under a prefix. TensorFlow prefers V2 where both are there. */
async function fromPrefix(prefix: string): Promise<Location | undefined> {
  if (await isFile(`${prefix}.index`)) return v2(prefix);
  if (await isFile(prefix)) return fromFile(prefix);
  const shards = await v1Shards(prefix);
  return shards && { kind: "V1", files: shards };
}

async function fromDirectory(dir: string): Promise<Location> {
  if (await isFile(join(dir, "checkpoint"))) return fromState(join(dir, "checkpoint"));
  const files = await readdir(dir);
  const groups = [
    files.filter((f) => f.endsWith(".index")).map((f) => f.slice(0, -".index".length)),
    files.filter((f) => f.endsWith(".ckpt")),
    [...new Set(files.flatMap((f) => /^(.+)-\d{5}-of-\d{5}$/.exec(f)?.[1] ?? []))].filter(
      (f) => !f.endsWith(".data"),
    ),
    files.filter((f) => /\.(tar\.gz|tgz|tar)$/.test(f)),
  ];
  const candidates = groups.find((g) => g.length > 0) ?? [];
  if (candidates.length > 1) {
    throw new CheckpointError(
      `The folder ${dir} holds ${candidates.length} checkpoints: ${candidates.sort().slice(0, 10).join(", ")}.`,
      "Name one of them.",
    );
  }
  const found = candidates.length === 1 ? await fromPrefix(join(dir, candidates[0])) : undefined;
  if (found) return found;
  throw new CheckpointError(
    `The folder ${dir} holds no checkpoint.`,
    "A checkpoint is a .ckpt file, or an .index file with its .data files.",
  );
}

/** A file by its content. The record of the empty key tells V1 (a message) from V2 (a number). */
async function fromFile(path: string): Promise<Location> {
  const file = await openByteFile(path);
  try {
    const kind = await kindOf(file);
    if (kind === "archive") return { kind, file: path };
    if (kind === "other") throw await diagnose(file);
    const record = await (await openTable(file)).get(Buffer.alloc(0));
    if (record?.[0] === 0x08) return { kind: "V2", prefix: path.replace(/\.index$/, ""), index: path };
    const shard = /^(.+)-\d{5}-of-(\d{5})$/.exec(path);
    return { kind: "V1", files: (shard && (await v1Shards(shard[1], shard[2]))) ?? [path] };
  } finally {
    await file.close();
  }
}

/**
 * Finds the checkpoint that `path` names.
 * @throws CheckpointError that says what the path is instead.
 */
export async function locate(path: string): Promise<Location> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return fromDirectory(path);

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
  if (basename(path) === "checkpoint" && found?.isFile()) {
    const file = await openByteFile(path);
    const kind = await kindOf(file).finally(() => file.close());
    if (kind === "other") return fromState(path);
  }
  const under = await fromPrefix(path);
  if (under) return under;
  if (found) throw new CheckpointError(`${path} is not a regular file.`);
  throw new CheckpointError(
    `There is no checkpoint ${path}.`,
    "Name a file, a folder, an archive, or the prefix of an .index file.",
  );
}
