/** Files that were dropped or chosen, with the folders that they came in. */

import { counted } from "../src/counted.ts";

/** What is taken for an image among files that were dropped together; others are told of by the extractor. */
const imageNames = /\.(jpe?g|png|bmp|webp|gif|tiff?|avif|hei[cf]|jxl|svg)$/i;
const checkpointNames = /(\.(ckpt|index|meta|pb|tgz|tar|gz)|\.data-\d{5}-of-\d{5}|^checkpoint)$/i;

export interface Dropped {
  readonly path: string;
  readonly file: File;
}

export const pathOf = (file: File): string => file.webkitRelativePath || file.name;

export interface Sorted {
  /** Those that are new. */
  readonly images: readonly Dropped[];
  /** Those that are here already. */
  readonly same: readonly Dropped[];
  /** Other images of names that are taken: what is saved knows images by their names. */
  readonly namesakes: readonly Dropped[];
  readonly checkpoint: Dropped[];
  readonly others: readonly Dropped[];
}

const isSame = (a: File, b: File) => a.size === b.size && a.lastModified === b.lastModified;

/** What files are, beside the images that are here. As in Node, names that begin with a dot are passed over. */
export function sortOut(all: readonly Dropped[], here: readonly Dropped[]): Sorted {
  const known = new Map(here.map((one) => [one.path, one]));
  const sorted = {
    images: [] as Dropped[],
    same: [] as Dropped[],
    namesakes: [] as Dropped[],
    checkpoint: [] as Dropped[],
    others: [] as Dropped[],
  };
  for (const one of all) {
    if (one.path.split("/").some((part) => part.startsWith("."))) continue;
    if (imageNames.test(one.path) || one.file.type.startsWith("image/")) {
      const there = known.get(one.path);
      if (there) sorted[isSame(there.file, one.file) ? "same" : "namesakes"].push(one);
      else {
        sorted.images.push(one);
        known.set(one.path, one);
      }
    } else if (checkpointNames.test(one.file.name)) sorted.checkpoint.push(one);
    else sorted.others.push(one);
  }
  return sorted;
}

/** What became of files, in words. */
export function wordsOf({ images, same, namesakes, checkpoint, others }: Sorted): string {
  const parts = [
    images.length > 0 && `${counted(images.length, "image")} added`,
    same.length > 0 && `${counted(same.length, "image")} here already`,
    checkpoint.length > 0 && `${counted(checkpoint.length, "file")} of a checkpoint`,
    others.length > 0 && `${counted(others.length, "other file")} passed over`,
    namesakes.length > 0 &&
      `${counted(namesakes.length, "image")} passed over, for another is called ${namesakes[0].path}: folders tell them apart`,
  ].filter(Boolean);
  return `${parts.length > 0 ? parts.join(", ") : "No files came"}.`;
}

/** All files of a drop, those in folders too, in the order of their paths. */
export async function droppedFiles(transfer: DataTransfer): Promise<Dropped[]> {
  const entries = [...transfer.items]
    .map((item) => item.webkitGetAsEntry?.())
    .filter((entry) => entry != null);
  const found: Dropped[] =
    entries.length > 0 ? [] : [...transfer.files].map((file) => ({ path: pathOf(file), file }));
  for (const entry of entries) await walk(entry, found);
  return found.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

async function walk(entry: FileSystemEntry, found: Dropped[]): Promise<void> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    found.push({ path: entry.fullPath.replace(/^\//, ""), file });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  // Browsers give the entries of a folder in parts.
  for (;;) {
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (part.length === 0) return;
    for (const inner of part) await walk(inner, found);
  }
}
