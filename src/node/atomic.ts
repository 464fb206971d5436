/**
 * Files that appear whole or not at all: written under a temporary name in the folder of the target, flushed to the
 * disk, then renamed. A reader never meets half a file, and an old result stays until the new one is complete.
 */
import { createHash, randomBytes } from "node:crypto";
import { unlinkSync } from "node:fs";
import {
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  stat,
  unlink,
} from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { OutputError, UsageError } from "../errors.ts";

export interface AtomicFile {
  /** The path that the file will have. */
  readonly path: string;
  /** Where the bytes are until then, for a library that writes files of its own. */
  readonly temporary: string;
  /** Takes a copy; small pieces are written together. */
  append(bytes: Uint8Array): Promise<void>;
  /** Overwrites bytes written before. */
  patch(position: number, bytes: Uint8Array): Promise<void>;
  /** Flushes to the disk and closes; only `commit` may follow. */
  seal(): Promise<void>;
  /** Seals if need be and gives the file its name. */
  commit(): Promise<void>;
  /** As `commit`, but never in the place of another: false where one has the name, of several at once for all but one. */
  claim(): Promise<boolean>;
  /** Removes what was written. Harmless after `commit`. */
  abandon(): Promise<void>;
}

const unfinished = new Set<string>();

/** Removes every temporary file at once, without waiting: for a process that is about to be stopped hard. */
export function removeUnfinished(): void {
  for (const path of unfinished) {
    try {
      unlinkSync(path);
    } catch {
      // It is gone, or cannot be removed: nobody is left to be told.
    }
  }
  unfinished.clear();
}

/** What the temporary names of files for `target` begin with: the leftovers of a killed process are known by it. */
const prefixOf = (target: string): string =>
  `.partial-${createHash("sha256").update(target).digest("hex").slice(0, 12)}-`;

/** Whether a path is that of a file that is written, or was left by a process that was killed. */
export const isUnfinished = (path: string): boolean => /^\.partial-.*\.tmp$/.test(basename(path));

/** Removes what killed processes left of `paths`. Only for whoever alone writes them. */
export async function removeLeftovers(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const target = await realpath(path).catch(() => resolve(path));
    for (const name of await readdir(dirname(target)).catch(() => [])) {
      if (name.startsWith(prefixOf(target))) await unlink(join(dirname(target), name)).catch(() => {});
    }
  }
}

const identityOf = (path: string | Buffer): Promise<string | undefined> =>
  stat(path, { bigint: true }).then(
    (found) => (found.isFile() ? `${found.dev} ${found.ino}` : undefined),
    () => undefined,
  );

/** @throws UsageError where the file `out` is there, by whatever name, and is one of those that are `read` for what is written */
export async function refuseToReplace(
  out: string,
  read: readonly (string | Uint8Array | undefined)[],
): Promise<void> {
  const own = await identityOf(out);
  if (own === undefined) return;
  for (const path of read) {
    if (path === undefined) continue;
    if ((await identityOf(typeof path === "string" ? path : Buffer.from(path))) !== own) continue;
    throw new UsageError(
      `${out} is one of the files that are read, and would be lost.`,
      "Name another file to write.",
    );
  }
}

/**
 * Whether `out` can be written without the loss of what is `read` for it: told before the work, not after.
 * @throws UsageError, OutputError
 */
export async function checkWritable(
  out: string,
  read: readonly (string | Uint8Array | undefined)[],
): Promise<void> {
  await refuseToReplace(out, read);
  await (await openAtomic(out)).abandon();
}

/** A write of its own for each row of a table would take longer than the row. */
const pieceBytes = 2 ** 18;

/** Makes the folder of `path` and opens a temporary file in it. @throws OutputError */
export async function openAtomic(path: string): Promise<AtomicFile> {
  const target = await writableTarget(path);
  const temporary = join(dirname(target), `${prefixOf(target)}${randomBytes(6).toString("hex")}.tmp`);
  const handle = await told(path, async () => {
    await mkdir(dirname(target), { recursive: true });
    return open(temporary, "wx");
  });
  unfinished.add(temporary);
  /** What was appended and is not written yet, and where it belongs. */
  const gathered = Buffer.allocUnsafeSlow(pieceBytes);
  let waiting = 0;
  let end = 0;
  let state: "open" | "sealed" | "done" = "open";

  async function write(bytes: Uint8Array): Promise<void> {
    await told(path, () => writeAll(handle, bytes, end));
    end += bytes.length;
  }

  async function flush(): Promise<void> {
    const bytes = gathered.subarray(0, waiting);
    if (waiting > 0) await write(bytes);
    waiting = 0;
  }

  async function seal(): Promise<void> {
    if (state !== "open") return;
    await flush();
    await told(path, async () => {
      await handle.sync();
      await handle.close();
    });
    state = "sealed";
  }
  return {
    path,
    temporary,
    async append(bytes) {
      if (waiting + bytes.length > pieceBytes) await flush();
      if (bytes.length > pieceBytes) return write(bytes);
      gathered.set(bytes, waiting);
      waiting += bytes.length;
    },
    async patch(position, bytes) {
      await flush();
      await told(path, () => writeAll(handle, bytes, position));
    },
    seal,
    async commit() {
      await seal();
      await told(path, () => rename(temporary, target));
      state = "done";
      unfinished.delete(temporary);
      await syncFolder(dirname(target));
    },
    async claim() {
      await seal();
      const claimed = await told(path, () => linkNew(temporary, target));
      await unlink(temporary).catch(() => {});
      state = "done";
      unfinished.delete(temporary);
      if (claimed) await syncFolder(dirname(target));
      return claimed;
    },
    async abandon() {
      if (state === "done") return;
      if (state === "open") await handle.close().catch(() => {});
      state = "done";
      await unlink(temporary).catch(() => {});
      unfinished.delete(temporary);
    },
  };
}

/** Gives `from` the name `to` as well. False where something has it. */
async function linkNew(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    if (!noLinks.includes(code)) throw error;
  }
  // Without hard links there is nothing that is both whole at once and refused: what is there is looked for first.
  if (await stat(to).catch(() => undefined)) return false;
  await rename(from, to);
  return true;
}

/** What file systems without hard links answer. */
export const noLinks: readonly string[] = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"];

/** What the system's error `code` means for the file `path`, as an error for the user. */
export function outputError(path: string, error: unknown): OutputError {
  const code = (error as NodeJS.ErrnoException)?.code ?? "";
  const [sentence, hint] = reasons[code] ?? [`: ${(error as Error)?.message ?? error}`, undefined];
  return new OutputError(`Cannot write ${path}${sentence}`, hint, { cause: error });
}

const elsewhere = "Choose another place.";
const reasons: Readonly<Record<string, readonly [string, string]>> = {
  ENOSPC: [": the disk is full.", "Free some space, or choose another disk."],
  EDQUOT: [": your disk quota is used up.", "Free some space, or choose another disk."],
  EFBIG: [": the file is larger than this file system allows.", elsewhere],
  EACCES: [": you have no permission to write there.", elsewhere],
  EPERM: [": you have no permission to write there.", elsewhere],
  EROFS: [": that file system is read-only.", elsewhere],
  EISDIR: [": that is a folder.", "Name a file."],
  ENOTDIR: [": a part of that path is a file, not a folder.", elsewhere],
  EEXIST: [": a part of that path is a file, not a folder.", elsewhere],
  ENAMETOOLONG: [": that name is too long.", elsewhere],
  EIO: [": the disk reports a read or write error.", elsewhere],
};

async function told<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw outputError(path, error);
  }
}

/** The path to rename onto: through a symbolic link, and never onto a folder or a device, which a rename would destroy. */
async function writableTarget(path: string): Promise<string> {
  const there = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw outputError(path, error);
  });
  if (!there) return resolve(path);
  if (there.isDirectory()) throw outputError(path, { code: "EISDIR" });
  if (!there.isFile())
    throw new OutputError(`Cannot write ${path}: that is not an ordinary file.`, elsewhere);
  return realpath(path);
}

/** A write may take only a part of what it is given. */
async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Makes the rename itself last through a power cut; not every system lets a folder be opened for that. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close().catch(() => {});
}
