/** What Node gives to devices and networks. */
import type { Platform } from "../platform/index.ts";
import { copyFloats } from "./copy.ts";
import { nodeFiles } from "./files.ts";
import { ownFolders } from "./folder.ts";
import { nodeGpu } from "./gpu.ts";
import { nodeThreads } from "./threads.ts";
import { readTuning } from "./tuned.ts";

export const nodePlatform: Platform = {
  gpu: nodeGpu,
  threads: nodeThreads,
  own: ownFolders,
  files: nodeFiles,
  copy: copyFloats,
  tuningOf: readTuning,
};
