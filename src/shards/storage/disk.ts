/** A folder of a disk, one that machines share among them. */
import { createReadStream } from "node:fs";
import { copyFile, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { UserError } from "../../errors.ts";
import { isUnfinished, openAtomic, outputError } from "../../node/atomic.ts";
import { type Content, hashOfContent, type Storage, type StoredFile } from "./storage.ts";

const isGone = (error: unknown) =>
  ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");

/** What is there, or undefined. Anything but its absence is an error. */
async function ifThere<T>(path: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (isGone(error)) return undefined;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UserError(`${path} cannot be read (${code ?? message}).`, undefined, { cause: error });
  }
}

export function openDisk(folder: string): Storage {
  const at = (name: string) => join(folder, name);

  const find = (name: string): Promise<StoredFile | undefined> =>
    ifThere(at(name), async () => {
      const there = await stat(at(name));
      return there.isFile() ? { name, bytes: there.size } : undefined;
    });

  return {
    place: folder,
    find,
    async *list(prefix) {
      // Names are asked for by whole folders; a part of a name is looked for in its folder.
      const base = prefix.slice(0, prefix.lastIndexOf("/") + 1);
      const names = await ifThere(at(base), () => readdir(at(base), { recursive: true }));
      for (const found of names ?? []) {
        const name = `${base}${found.split(sep).join("/")}`;
        if (!name.startsWith(prefix) || name.split("/").some((part) => part.startsWith("."))) continue;
        const file = await find(name);
        if (file) yield file;
      }
    },
    read: (name, start = 0, end) =>
      ifThere(at(name), async () => {
        if (start === 0 && end === undefined) return readFile(at(name));
        const file = await open(at(name));
        try {
          const length = Math.max(0, (end ?? (await file.stat()).size) - start);
          const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, start);
          return buffer.subarray(0, bytesRead);
        } finally {
          await file.close();
        }
      }),
    async download(name, to) {
      const part = `${to}.part`;
      const copied = await ifThere(at(name), async () => {
        await copyFile(at(name), part);
        await rename(part, to);
        return true;
      });
      if (!copied) throw new UserError(`There is no file ${at(name)}.`);
    },
    hashOf: (name) => ifThere(at(name), () => hashOfContent({ file: at(name) })),
    async put(name, content, { ifAbsent }) {
      const file = await openAtomic(at(name));
      try {
        await append(file, content);
        if (ifAbsent) return await file.claim();
        await file.commit();
        return true;
      } finally {
        await file.abandon();
      }
    },
    async sweep() {
      for (const name of await readdir(folder, { recursive: true }).catch(() => []))
        if (isUnfinished(name)) await rm(join(folder, name), { force: true }).catch(() => {});
    },
    async remove(name) {
      await rm(at(name), { force: true }).catch((error: unknown) => {
        throw outputError(at(name), error);
      });
    },
  };
}

async function append(file: { append(bytes: Uint8Array): Promise<void> }, content: Content): Promise<void> {
  if (content instanceof Uint8Array) return file.append(content);
  for await (const piece of createReadStream(content.file)) await file.append(piece as Buffer);
}
