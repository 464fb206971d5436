/** Checkpoints that a site keeps in the browser: its origin private file system, which no other site sees. For workers. */
import { CheckpointError, UsageError } from "../errors.ts";
import type { BytesProgress, KeptCheckpoint, SentFile } from "./calls.ts";

/** What is used of the file system (https://fs.spec.whatwg.org), whose types come with a browser's only. */
interface FileHandle {
  readonly kind: "file";
  readonly name: string;
  getFile(): Promise<Blob>;
  createSyncAccessHandle(): Promise<{
    write(bytes: Uint8Array, options: { readonly at: number }): number;
    truncate(size: number): void;
    flush(): void;
    close(): void;
  }>;
}
interface FolderHandle {
  readonly kind: "directory";
  readonly name: string;
  getDirectoryHandle(name: string, options?: { readonly create: boolean }): Promise<FolderHandle>;
  getFileHandle(name: string, options?: { readonly create: boolean }): Promise<FileHandle>;
  removeEntry(name: string, options?: { readonly recursive: boolean }): Promise<void>;
  values(): AsyncIterable<FileHandle | FolderHandle>;
}

declare const navigator: { readonly storage?: { getDirectory?(): Promise<FolderHandle> } };

const place = "slimfeatures-checkpoints";
/** In front of the name of what is not whole yet: no checkpoint is called so. */
const unfinished = ".part-";

const nameOf = (error: unknown) => (error as { name?: string }).name;

/** @throws CheckpointError where the browser keeps nothing. */
async function openPlace(): Promise<FolderHandle> {
  try {
    const root = await navigator.storage?.getDirectory?.();
    if (!root) throw new Error("it has no file system for sites");
    return await root.getDirectoryHandle(place, { create: true });
  } catch (cause) {
    throw new CheckpointError(
      `This browser keeps no checkpoints for this page: ${(cause as Error).message.replace(/\.$/, "")}.`,
      "A private window may be the reason, or a page that is not served by https.",
      { cause },
    );
  }
}

async function listIn(folder: FolderHandle): Promise<KeptCheckpoint> {
  const files: { name: string; bytes: number }[] = [];
  for await (const entry of folder.values())
    if (entry.kind === "file") files.push({ name: entry.name, bytes: (await entry.getFile()).size });
  files.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { name: folder.name, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0), files };
}

/** What is kept, by its names in order; what is half written is not. */
export async function keptCheckpoints(): Promise<KeptCheckpoint[]> {
  const found: KeptCheckpoint[] = [];
  const there = await openPlace();
  for await (const entry of there.values()) {
    if (entry.kind === "directory" && !entry.name.startsWith(unfinished)) found.push(await listIn(entry));
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The files of a checkpoint that is kept. @throws CheckpointError where there is none of that name. */
export async function keptFiles(name: string): Promise<SentFile[]> {
  const there = await openPlace();
  const folder = await there.getDirectoryHandle(checked(name)).catch((error: unknown) => {
    if (nameOf(error) === "NotFoundError") return undefined;
    throw error;
  });
  if (!folder) {
    const names = (await keptCheckpoints()).map((kept) => kept.name);
    throw new CheckpointError(
      `No checkpoint is kept here under the name ${name}.`,
      names.length > 0 ? `There are: ${names.join(", ")}.` : "None is kept at all.",
    );
  }
  const files: SentFile[] = [];
  for await (const entry of folder.values())
    if (entry.kind === "file") files.push({ path: entry.name, blob: await entry.getFile() });
  return files;
}

/** @throws UsageError for a name that no folder has. */
function checked(name: string): string {
  if (name !== "" && name !== "." && name !== ".." && !/[/\\]/.test(name) && !name.startsWith(unfinished))
    return name;
  throw new UsageError(
    `A checkpoint cannot be kept under the name ${JSON.stringify(name)}.`,
    "Names have letters, digits, and no slash.",
  );
}

/** A file to be kept: its name, and what hands its bytes on. */
export interface Incoming {
  readonly name: string;
  send(take: (bytes: Uint8Array) => void): Promise<void>;
}

/**
 * Keeps files under a name; one of that name is replaced once they are whole.
 * @throws CheckpointError where there is no room.
 */
export async function keep(name: string, files: readonly Incoming[]): Promise<KeptCheckpoint> {
  const there = await openPlace();
  const part = `${unfinished}${checked(name)}`;
  const remove = (entry: string) => there.removeEntry(entry, { recursive: true }).catch(() => {});
  await remove(part);
  try {
    const folder = await there.getDirectoryHandle(part, { create: true });
    for (const file of files) await write(folder, file);
    // Folders cannot be renamed everywhere: the files that are whole are copied by name, within the browser's disk.
    await remove(name);
    const target = await there.getDirectoryHandle(name, { create: true });
    for await (const entry of folder.values()) {
      if (entry.kind !== "file") continue;
      const move = (entry as { move?(folder: FolderHandle, name: string): Promise<void> }).move?.bind(entry);
      if (move) await move(target, entry.name);
      else
        await write(target, {
          name: entry.name,
          send: async (take) => sendBlob(await entry.getFile(), take),
        });
    }
    return await listIn(target);
  } catch (cause) {
    if (nameOf(cause) !== "QuotaExceededError") throw cause;
    throw new CheckpointError(
      `There is no room in this browser to keep ${name}.`,
      "Remove other checkpoints that are kept, or give the file itself.",
      { cause },
    );
  } finally {
    await remove(part);
  }
}

async function write(folder: FolderHandle, { name, send }: Incoming): Promise<void> {
  const handle = await (await folder.getFileHandle(name, { create: true })).createSyncAccessHandle();
  try {
    handle.truncate(0);
    let at = 0;
    await send((bytes) => {
      const written = handle.write(bytes, { at });
      if (written < bytes.length)
        throw Object.assign(new Error("there is no room left"), { name: "QuotaExceededError" });
      at += written;
    });
    handle.flush();
  } finally {
    handle.close();
  }
}

/** Hands on the bytes of a Blob in pieces, and tells how far it is. */
export async function sendBlob(
  blob: Blob,
  take: (bytes: Uint8Array) => void,
  onProgress?: (done: number) => void,
): Promise<void> {
  const reader = blob.stream().getReader();
  let done = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    take(part.value);
    done += part.value.length;
    onProgress?.(done);
  }
}

/** Progress of a file that is copied. */
export const copied =
  ({ path, blob }: SentFile, onProgress: (progress: BytesProgress) => void) =>
  (done: number): void =>
    onProgress({ file: path, done, total: blob.size });

/** Removes what is kept under a name; harmless where there is nothing. */
export async function removeKept(name: string): Promise<void> {
  const there = await openPlace();
  await there.removeEntry(checked(name), { recursive: true }).catch((error: unknown) => {
    if (nameOf(error) !== "NotFoundError") throw error;
  });
}
