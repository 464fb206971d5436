/**
 * What a run reads: folders, tar archives, single images and a list, as one set of images, each under a key of its own.
 */
import { open, stat } from "node:fs/promises";
import { resolve, sep } from "node:path";
import { UsageError } from "../../errors.ts";
import { isTakenForImage, whyNotRead } from "../../images/other-kinds.ts";
import { readTarHeader, tarBlock } from "../../tar-header.ts";
import { listArchive } from "./archive.ts";
import { type ImageInput, type ListOptions, matcher, nameOf, sorted } from "./inputs.ts";
import { type ListOrder, listNamed, type NamedFiles } from "./list.ts";
import { listFolderOrShards } from "./shards.ts";

export type Source =
  /** A folder, a tar archive, or one image: what stands there says which. */
  | { readonly kind: "path"; readonly path: string }
  /** Names as `listNamed` takes them; relative ones count from `dir`. */
  | {
      readonly kind: "list";
      readonly list: Uint8Array;
      readonly dir?: string;
      readonly order?: ListOrder;
    };

type Place = "folder" | "archive" | "image";

/** @throws UsageError when nothing is there, or it cannot be read. */
async function placeOf(path: string): Promise<Place> {
  const refuse = (cause: unknown) => {
    const { code } = cause as NodeJS.ErrnoException;
    const gone = code === "ENOENT" || code === "ENOTDIR";
    return new UsageError(
      gone ? `There is no folder or file ${path}.` : `${path} cannot be read (${code}).`,
      "Name a folder of images, or a tar archive of them.",
      { cause },
    );
  };
  const there = await stat(path).catch((cause: unknown) => {
    throw refuse(cause);
  });
  if (there.isDirectory()) return "folder";
  if (!there.isFile()) {
    throw new UsageError(
      `${path} is neither a folder nor a file.`,
      "Name a folder of images, or a tar archive of them.",
    );
  }
  const file = await open(path).catch((cause: unknown) => {
    throw refuse(cause);
  });
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(1024), 0, 1024, 0);
    const start = buffer.subarray(0, bytesRead);
    if (start.length >= tarBlock) {
      const { sum, statedSum } = readTarHeader(start.subarray(0, tarBlock));
      if (sum === statedSum) return "archive";
    }
    if (isTakenForImage(start, path)) return "image";
    // Compressed archives, and damaged ones: whoever reads them says so.
    if (/\.(?:tar|tgz|gz)$/i.test(path) || start.toString("latin1", 0, 2) === "\x1f\x8b") return "archive";
    throw new UsageError(
      `${path} is no image and no tar archive${start.length === 0 ? "; it is empty" : `; ${whyNotRead(start, path) ?? "its content is neither's"}`}.`,
      "Name images, folders of images, or tar archives of them. A file that lists images goes with --list.",
    );
  } finally {
    await file.close();
  }
}

/** Whether there is a folder, a tar archive or an image at `path`, and not another file or nothing. */
export async function isPlaceOfImages(path: string): Promise<boolean> {
  try {
    await placeOf(path);
    return true;
  } catch (error) {
    if (error instanceof UsageError) return false;
    throw error;
  }
}

/**
 * What stands before the keys of each of several folders and archives, so that these differ: the last part of its path, or
 * as many last parts of all as are needed to tell them apart.
 * @throws UsageError for one that is given twice.
 */
function prefixesOf(paths: readonly string[]): string[] {
  const parts = paths.map((path) => resolve(path).split(sep).filter(Boolean));
  for (let count = 1; ; count++) {
    const prefixes = parts.map((all) => all.slice(-count).join("/"));
    const twice = prefixes.findIndex((prefix, i) => prefixes.indexOf(prefix) < i);
    if (twice < 0) return prefixes.map((prefix) => (prefix === "" ? "" : `${nameOf(Buffer.from(prefix))}/`));
    if (parts.every((all) => all.length <= count)) {
      throw new UsageError(`${paths[twice]} is given twice.`, "Name each folder once.");
    }
  }
}

const fileOf = ({ path, part }: ImageInput) =>
  `${part?.offset ?? ""}:${resolve(Buffer.from(path).toString("latin1"))}`;

/**
 * The images of all `sources`. Keys of one folder or archive are the paths in it; those of several have their folder's
 * or archive's name before them (`prefixesOf`). An image that is named itself, or in a list, keeps its path as it is
 * written. Patterns hold for the path in its folder. What is not in a list's own order is sorted by the bytes of its key.
 * @throws UsageError when a source is not there or is given twice, or two files would have one key.
 */
export async function listSources(
  sources: readonly Source[],
  options: ListOptions = {},
): Promise<NamedFiles> {
  // One after the other: a shell's pattern may name more files than may be open at once.
  const places: (Place | undefined)[] = [];
  for (const source of sources) places.push(source.kind === "path" ? await placeOf(source.path) : undefined);
  const kept = sources.flatMap((s, i) => (s.kind === "path" && places[i] !== "image" ? [s.path] : []));
  const prefixes = sources.length === 1 ? kept.map(() => "") : prefixesOf(kept);
  const notes: string[] = [];
  const found: ImageInput[] = [];
  const wanted = matcher(options);
  for (const [i, source] of sources.entries()) {
    if (source.kind === "list") {
      const { inputs, note } = listNamed(source.list, source.dir, { ...options, order: source.order });
      if (note) notes.push(note);
      if (sources.length === 1) return { inputs, note };
      found.push(...inputs);
    } else if (places[i] === "image") {
      const key = nameOf(Buffer.from(source.path));
      if (wanted(key)) found.push({ key, path: Buffer.from(source.path) });
    } else {
      const prefix = prefixes.shift() as string;
      const { inputs, note } =
        places[i] === "folder"
          ? await listFolderOrShards(source.path, options)
          : { inputs: await listArchive(source.path, options) };
      if (note) notes.push(note);
      for (const input of inputs) found.push({ ...input, key: `${prefix}${input.key}` });
    }
  }
  const inputs = new Map<string, ImageInput>();
  for (const input of found) {
    const other = inputs.get(input.key);
    if (other && fileOf(other) !== fileOf(input)) {
      throw new UsageError(
        `Two files would both be called ${input.key}: ${nameOf(other.path)} and ${nameOf(input.path)}.`,
        "Extract them by two runs, into two files.",
      );
    }
    inputs.set(input.key, input);
  }
  return { inputs: sorted([...inputs.values()]), ...(notes.length > 0 && { note: notes.join(" ") }) };
}
