import type { Worker, WorkerOptions } from "node:worker_threads";

export declare function sourceUrl(path: string): URL;
/** Script and style of the entry of a page, whose path is told from src/, as one text each. */
export declare function bundledPage(path: string): { readonly script: string; readonly style: string };
export declare const requireOwn: NodeJS.Require;
export declare function bundledWorker(
  path: string,
  data: object,
  options?: Omit<WorkerOptions, "workerData" | "execArgv">,
): Worker;
