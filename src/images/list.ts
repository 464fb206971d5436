/** Finding the images under a folder. */
import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";

/** Endings of files that are taken for images, in lower case; what they really hold is decided by their content. */
export const imageExtensions: readonly string[] = ["jpg", "jpeg", "png", "bmp", "webp", "gif", "tif", "tiff"];

const isImageName = (name: string) =>
  imageExtensions.includes(name.slice(name.lastIndexOf(".") + 1).toLowerCase());

/**
 * The image files under `dir`, as POSIX paths relative to it, sorted by the bytes of the path. Names that begin with a
 * dot are passed over; links to folders are followed, but never around a loop.
 */
export async function listImages(dir: string): Promise<string[]> {
  const found: string[] = [];

  async function walk(relative: string, above: readonly string[]): Promise<void> {
    const here = await realpath(join(dir, relative));
    if (above.includes(here)) return;
    for (const entry of await readdir(here, { withFileTypes: true })) {
      if (entry.name.startsWith(".")) continue;
      const path = relative === "" ? entry.name : `${relative}/${entry.name}`;
      const kind = entry.isSymbolicLink() ? await stat(join(here, entry.name)).catch(() => undefined) : entry;
      if (kind?.isDirectory()) await walk(path, [...above, here]);
      else if (kind?.isFile() && isImageName(entry.name)) found.push(path);
    }
  }

  await walk("", []);
  return found
    .map((path) => ({ path, bytes: Buffer.from(path) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ path }) => path);
}
