/** What a map is called after its images. */
import { basename, resolve } from "node:path";
import { theList } from "../node/images/index.ts";

/** What a map of images from there is called. */
export function titleOf(folders: readonly string[], file: string): string {
  const [first, ...more] = folders.filter((folder) => folder !== theList);
  if (first === undefined) return basename(file);
  return more.length === 0 ? basename(resolve(first)) : `${basename(resolve(first))} and ${more.length} more`;
}
