/** Folders of the disk, and those that come with the project. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sourceUrl } from "../bundle.mjs";
import type { Folder, OwnFolders } from "../platform/index.ts";
import { weightsDirectory } from "./package.ts";

export const folderOf = (path: string): Folder => ({
  path,
  at: (name) => join(path, name),
  read: (name) =>
    readFile(join(path, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    }),
});

const ownFolder = (url: URL) => folderOf(fileURLToPath(url));

export const ownFolders: OwnFolders = {
  statistics: ownFolder(sourceUrl("nets/statistics")),
  names: ownFolder(sourceUrl("nets")),
  weights: folderOf(weightsDirectory),
};
