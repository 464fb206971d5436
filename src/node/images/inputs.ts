/** Finding the images: under a folder, or named by a list. What a file holds is decided by its content, when it is read. */
import { readdir, realpath, stat } from "node:fs/promises";
import picomatch from "picomatch";
import { UsageError } from "../../errors.ts";

/** A file that may hold an image. */
export interface ImageInput {
  /** Its POSIX path as the user knows it, by `nameOf`: the key of its feature. */
  readonly key: string;
  /** Where it lies, in the file system's own bytes. */
  readonly path: Uint8Array;
  /** The part of that file that it is, where the file is an archive. */
  readonly part?: { readonly offset: number; readonly size: number };
  /** Whether a table says that it is an image, whatever it is called: where it is none, it has failed. */
  readonly claimed?: true;
  /** Why it gives no image, where that is known before it is opened, as a clause. */
  readonly fault?: string;
}

export interface ListOptions {
  /** Only paths that match one of these patterns, such as "cats/**". */
  readonly globs?: readonly string[];
  /** No path that matches one of these. */
  readonly excludes?: readonly string[];
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const escaped = (byte: number) => `\\x${byte.toString(16).padStart(2, "0")}`;

/** Text in which nothing reads as an escape, and nothing is lost to readers: they end a text at a zero, and drop a byte order mark. */
const literal = (text: string): string =>
  text
    .replace(/\\(?=x[0-9a-fA-F]{2})/g, escaped(0x5c))
    .replaceAll("\0", escaped(0))
    .replace(/^\ufeff/, [0xef, 0xbb, 0xbf].map(escaped).join(""));

/**
 * A file name's bytes as text. Bytes that are no UTF-8 stand as \xNN, and so do a zero (names in archives may hold
 * it), a byte order mark at the start, and the backslash of what would read as such an escape: no two names become one.
 */
export function nameOf(bytes: Uint8Array): string {
  try {
    return literal(strict.decode(bytes));
  } catch {
    let text = "";
    let start = 0;
    for (let i = 0; i < bytes.length; ) {
      const length = [4, 3, 2, 1].find((n) => isText(bytes.subarray(i, i + n), n));
      if (length === undefined) {
        text += literal(strict.decode(bytes.subarray(start, i))) + escaped(bytes[i]);
        start = i + 1;
      }
      i += length ?? 1;
    }
    return text + literal(strict.decode(bytes.subarray(start)));
  }
}

/** Whether `bytes` are exactly one character. */
function isText(bytes: Uint8Array, length: number): boolean {
  if (bytes.length !== length) return false;
  try {
    return [...strict.decode(bytes)].length === 1;
  } catch {
    return false;
  }
}

/** By the bytes of the keys. */
export const sorted = (inputs: ImageInput[]): ImageInput[] =>
  inputs
    .map((input) => ({ input, bytes: Buffer.from(input.key) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ input }) => input);

/** Whether a key is wanted by patterns. */
export function matcher({ globs = [], excludes = [] }: ListOptions): (key: string) => boolean {
  const rules = { dot: true };
  const wanted = globs.length === 0 ? () => true : picomatch([...globs], rules);
  const unwanted = excludes.length === 0 ? () => false : picomatch([...excludes], rules);
  return (key) => wanted(key) && !unwanted(key);
}

const slash = Buffer.from("/");

/**
 * Whatever lies under `dir` and the folders in it, by the paths relative to it, sorted by the bytes of these: files, and what
 * is none (pipes, links to nothing), which reading it tells. Names that begin with a dot are passed over; links to folders are
 * followed, but never around a loop. A folder that cannot be listed stands as one input, its key with a slash at the end.
 * @throws UsageError where `dir` itself cannot be listed.
 */
export async function listFolder(dir: string, options: ListOptions = {}): Promise<ImageInput[]> {
  const wanted = matcher(options);
  const excluded = (key: string) => !matcher({ excludes: options.excludes })(key);
  const found: ImageInput[] = [];

  async function walk(here: Buffer, relative: string, above: readonly string[]): Promise<void> {
    const real = (await realpath(here, "buffer")).toString("latin1");
    if (above.includes(real)) return;
    const entries = await readdir(here, { withFileTypes: true, encoding: "buffer" });
    for (const entry of entries) {
      const bytes = entry.name as unknown as Buffer;
      if (bytes[0] === 0x2e) continue;
      const path = Buffer.concat([here, slash, bytes]);
      const key = relative === "" ? nameOf(bytes) : `${relative}/${nameOf(bytes)}`;
      const kind = entry.isSymbolicLink() ? await stat(path).catch(() => undefined) : entry;
      if (!kind?.isDirectory()) {
        if (wanted(key)) found.push({ key, path });
        continue;
      }
      await walk(path, key, [...above, real]).catch((error: NodeJS.ErrnoException) => {
        if (error.code === undefined) throw error;
        if (excluded(`${key}/`)) return;
        found.push({ key: `${key}/`, path, fault: `it is a folder that cannot be listed (${error.code})` });
      });
    }
  }

  await walk(Buffer.from(dir), "", []).catch((error: NodeJS.ErrnoException) => {
    if (error.code === undefined) throw error;
    throw new UsageError(
      `${dir} cannot be listed (${error.code}).`,
      "Name a folder that you may read, with --data-dir DIR.",
      { cause: error },
    );
  });
  return sorted(found);
}
