/** The files of this machine. */
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { type FileHandle, mkdir, mkdtemp, open, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, isAbsolute, join } from "node:path";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import type { ByteSource, FileKind, Files, FileWriter, Hash, Scratch } from "../platform/files.ts";

/** One read of the operating system takes less than 2 GiB. */
const readAtMost = 2 ** 30;

/** Bytes of a piece of a stream. */
const pieceBytes = 2 ** 20;

/** A Buffer has other methods under the names of a Uint8Array's, `slice` for one. */
const plain = ({ buffer, byteOffset, byteLength }: Buffer) => new Uint8Array(buffer, byteOffset, byteLength);

interface KindOfFile {
  isFile(): boolean;
  isDirectory(): boolean;
}
const kindOf = (found: KindOfFile): FileKind =>
  found.isFile() ? "file" : found.isDirectory() ? "folder" : "other";

async function openFile(path: string): Promise<ByteSource> {
  const handle = await open(path, "r");
  const there = await handle.stat();
  if (!there.isFile()) {
    await handle.close();
    throw Object.assign(new Error(`${path} is no regular file`), { code: "EISDIR" });
  }

  async function read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(length);
    let done = 0;
    while (done < length) {
      const part = Math.min(length - done, readAtMost);
      const { bytesRead } = await handle.read(bytes, done, part, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return plain(bytes.subarray(0, done));
  }

  async function* stream(): AsyncGenerator<Uint8Array> {
    for (let at = 0; ; ) {
      const piece = await read(at, pieceBytes);
      if (piece.length === 0) return;
      yield piece;
      at += piece.length;
    }
  }

  return { path, size: there.size, read, stream, close: () => handle.close() };
}

async function* gunzip(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const unzip = createGunzip({ chunkSize: pieceBytes });
  // Whoever reads `unzip` is told of its errors, and of those before it.
  pipeline(stream, unzip, () => {});
  for await (const piece of unzip) yield plain(piece);
}

async function openScratch(): Promise<Scratch> {
  const path = await mkdtemp(join(tmpdir(), "checkpoint-"));
  const atExit = () => rmSync(path, { recursive: true, force: true });
  process.once("exit", atExit);
  return {
    path,
    files: nodeFiles,
    async create(file) {
      await mkdir(dirname(file), { recursive: true });
      return writerOf(await open(file, "wx"));
    },
    async remove() {
      process.removeListener("exit", atExit);
      await rm(path, { recursive: true, force: true });
    },
  };
}

const writerOf = (handle: FileHandle): FileWriter => ({
  async write(bytes) {
    for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
  },
  close: () => handle.close(),
});

function sha256(): Hash {
  const hash = createHash("sha256");
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest("hex") };
}

export const nodeFiles: Files = {
  join,
  dirname,
  basename,
  isAbsolute,
  open: openFile,
  list: async (folder) =>
    (await readdir(folder, { withFileTypes: true })).map((entry) => ({
      name: entry.name,
      kind: kindOf(entry),
    })),
  stat: (path) =>
    stat(path).then(
      (found) => ({ kind: kindOf(found), size: found.size }),
      () => undefined,
    ),
  scratch: openScratch,
  gunzip,
  sha256,
};
