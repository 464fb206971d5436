/** What a browser gives to devices and networks. */
import type { Files, Platform } from "../platform/index.ts";
import { folderAt } from "./folder.ts";
import { browserGpu } from "./gpu.ts";
import { browserThreads, type PageWorker } from "./threads.ts";

/** What of its worker the engine is given; `platformOf` is called in a worker, never in a window. */
export interface BrowserParts {
  /** `navigator.gpu`, where the browser has it. */
  readonly gpu?: GPU;
  /** `navigator.hardwareConcurrency`. */
  readonly cores: number;
  /**
   * `crossOriginIsolated`: memory is shared with workers only where that is true, and there is one thread elsewhere; also where the
   * browser has no Atomics.waitAsync, by which they are woken.
   */
  readonly isolated: boolean;
  /** Opens a worker that runs cpu-worker.mjs. */
  readonly openWorker: () => PageWorker;
  /** Where the site has the package's files, `weights/` and `dist/`; it ends with a slash. */
  readonly own: URL;
  /** The files that the user gave to the page, see `givenFiles`. */
  readonly files: Files;
}

export const platformOf = ({ gpu, cores, isolated, openWorker, own, files }: BrowserParts): Platform => ({
  ...(gpu && { gpu: browserGpu(gpu) }),
  threads: browserThreads(isolated && "waitAsync" in Atomics ? cores : 1, openWorker),
  own: {
    statistics: folderAt(new URL("dist/nets/statistics/", own)),
    names: folderAt(new URL("dist/nets/", own)),
    weights: folderAt(new URL("weights/", own)),
  },
  files,
  copy: (from, to) => to.set(from),
});
