/** Files that a page was given, by dropping them on it or choosing them. */
import type { ByteSource, FileKind, Files, FileWriter, FolderEntry, Scratch } from "../platform/files.ts";
import { posix } from "../posix.ts";
import { sha256 } from "./sha256.ts";

/** A file that the page was given. */
export interface GivenFile {
  /** With its folders, as `webkitRelativePath` tells them; its name alone where there are none. */
  readonly path: string;
  readonly blob: Blob;
}

const failure = (code: string, message: string) => Object.assign(new Error(message), { code });

/** Exceptions of a browser say what they are by their name. */
const told = (error: unknown): never => {
  const { name, message } = error as Error;
  throw failure(name, message);
};

const asItIs = (error: unknown): never => {
  throw error;
};

async function* piecesOf(stream: ReadableStream<Uint8Array>, failed = asItIs): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(failed);
      if (done) return;
      yield value;
    }
  } finally {
    // Whoever stops early, or has the error already, is not told of it again.
    await reader.cancel().catch(() => {});
  }
}

const sourceOf = (path: string, blob: Blob): ByteSource => ({
  path,
  size: blob.size,
  read: async (offset, length) =>
    new Uint8Array(
      await blob
        .slice(offset, offset + length)
        .arrayBuffer()
        .catch(told),
    ),
  stream: () => piecesOf(blob.stream(), told),
  close: async () => {},
});

async function* gunzip(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const pieces = stream[Symbol.asyncIterator]();
  const packed = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done) controller.close();
      else controller.enqueue(value as Uint8Array<ArrayBuffer>);
    },
    cancel: async () => void (await pieces.return?.()),
  });
  yield* piecesOf(packed.pipeThrough(new DecompressionStream("gzip")));
}

/** The part of `path` below `folder` up to its first slash, and whether more follows. */
function below(folder: string, path: string): FolderEntry | undefined {
  const start = folder === "." ? "" : folder === "/" ? "/" : `${folder}/`;
  if (!path.startsWith(start)) return undefined;
  const [name, ...rest] = path.slice(start.length).split("/");
  return { name, kind: rest.length > 0 ? "folder" : "file" };
}

const normal = (path: string) => posix.join(path).replace(/(?<=.)\/$/, "");

/** The files in `blobs`, to which some may be added. */
function filesIn(blobs: ReadonlyMap<string, Blob>): Files {
  const list = async (folder: string): Promise<FolderEntry[]> => {
    const entries = new Map<string, FileKind>();
    for (const path of blobs.keys()) {
      const entry = below(normal(folder), path);
      if (entry) entries.set(entry.name, entry.kind);
    }
    if (entries.size === 0) throw failure("ENOENT", `there is no folder ${folder}`);
    return [...entries].map(([name, kind]) => ({ name, kind }));
  };
  return {
    ...posix,
    list,
    async open(path) {
      const blob = blobs.get(normal(path));
      if (blob) return sourceOf(path, blob);
      await list(path);
      throw failure("EISDIR", `${path} is a folder`);
    },
    async stat(path) {
      const blob = blobs.get(normal(path));
      if (blob) return { kind: "file", size: blob.size };
      return list(path).then(
        () => ({ kind: "folder", size: 0 }),
        () => undefined,
      );
    },
    scratch: openScratch,
    gunzip,
    sha256,
  };
}

/** No file that a page is given has a path that begins with a slash. */
const unpacked = "/unpacked";

/** Blobs are the browser's to keep in memory or on its disk. */
async function openScratch(): Promise<Scratch> {
  const blobs = new Map<string, Blob>();
  return {
    path: unpacked,
    files: filesIn(blobs),
    async create(path) {
      if (blobs.has(path)) throw failure("EEXIST", `there is a file ${path}`);
      const pieces: Blob[] = [];
      const writer: FileWriter = {
        write: async (bytes) => void pieces.push(new Blob([new Uint8Array(bytes)])),
        close: async () => void blobs.set(path, new Blob(pieces)),
      };
      return writer;
    },
    remove: async () => blobs.clear(),
  };
}

/** The files that a page was given, under the paths that they came with. */
export const givenFiles = (given: Iterable<GivenFile>): Files =>
  filesIn(new Map(Array.from(given, ({ path, blob }) => [normal(path), blob])));
