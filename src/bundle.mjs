/**
 * Where the program's own files lie, and its workers: from `src` where the sources themselves run, which builds `dist` where
 * it has to, and else from `dist`, into whose scripts this module is bundled. The only module that asks where it lies.
 */
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import { freshDist, scriptOf } from "../scripts/dist.mjs";

/** Where a file of src/ lies; what scripts read is copied into `dist` under the same path. */
export const sourceUrl = (path) => new URL(path, import.meta.url);

/** The project's own packages, from wherever it is started. */
export const requireOwn = createRequire(import.meta.url);

/** Where a file of `dist` lies. */
export const builtUrl = (path) => new URL(path, import.meta.built ? import.meta.url : freshDist());

/**
 * A worker that runs the script of an entry, whose path is told from src/, with `data` as its workerData. It does without the
 * loaders of this thread.
 */
export const bundledWorker = (path, data, options = {}) =>
  new Worker(builtUrl(scriptOf(path)), { ...options, workerData: data, execArgv: [] });
