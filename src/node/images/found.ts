/** The images that features are of, where they are now. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { UsageError } from "../../errors.ts";
import type { ImageInput } from "./inputs.ts";
import { listSources } from "./sources.ts";

export interface FoundImages {
  /** For each path, where its image is; undefined where it is not. */
  readonly inputs: readonly (ImageInput | undefined)[];
  /** Where they were looked for, in words. */
  readonly where: string;
}

/** By which the metadata tell of a list; its names count from the working folder. */
export const theList = "the list";

/**
 * Looks for the images of `paths` in `folders`, as `extract` lists them, then for files of these names in the folders, or in
 * the working folder where none is known.
 * @param asked whether the user named the folders: then they must be there
 * @throws UsageError
 */
export async function findImages(
  paths: readonly string[],
  folders: readonly string[],
  asked: boolean,
): Promise<FoundImages> {
  const places = folders.filter((folder) => folder !== theList);
  const listed = new Map<string, ImageInput>();
  try {
    const sources = places.map((path) => ({ kind: "path", path }) as const);
    const { inputs } = sources.length > 0 ? await listSources(sources) : { inputs: [] };
    for (const input of inputs) listed.set(input.key, input);
  } catch (error) {
    if (asked || !(error instanceof UsageError)) throw error;
  }
  const inputs: (ImageInput | undefined)[] = [];
  for (const path of paths) inputs.push(listed.get(path) ?? (await fileNamed(path, places)));
  return { inputs, where: places.length > 0 ? places.join(", ") : "the working folder" };
}

async function fileNamed(key: string, places: readonly string[]): Promise<ImageInput | undefined> {
  for (const place of places.length > 0 ? places : [""]) {
    const path = place === "" ? key : join(place, key);
    const there = await stat(path).catch(() => undefined);
    if (there?.isFile()) return { key, path: Buffer.from(path) };
  }
  return undefined;
}
