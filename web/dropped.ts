/** Files that were dropped or chosen, with the folders that they came in. */

/** What is taken for an image among files that were dropped together; others are told of by the extractor. */
const images = /\.(jpe?g|png|bmp|webp|gif|tiff?|avif|hei[cf]|jxl|svg)$/i;
const checkpoints = /(\.(ckpt|index|meta|pb|tgz|tar|gz)|\.data-\d{5}-of-\d{5}|^checkpoint)$/i;

export interface Dropped {
  readonly path: string;
  readonly file: File;
}

export const pathOf = (file: File): string => file.webkitRelativePath || file.name;

export function sortOut(all: readonly Dropped[]): {
  readonly images: Dropped[];
  readonly checkpoint: Dropped[];
  readonly others: Dropped[];
} {
  const sorted = { images: [] as Dropped[], checkpoint: [] as Dropped[], others: [] as Dropped[] };
  for (const one of all) {
    if (images.test(one.path) || one.file.type.startsWith("image/")) sorted.images.push(one);
    else if (checkpoints.test(one.file.name)) sorted.checkpoint.push(one);
    else if (!one.file.name.startsWith(".")) sorted.others.push(one);
  }
  return sorted;
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
