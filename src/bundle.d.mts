import type { Worker, WorkerOptions } from "node:worker_threads";

export declare function sourceUrl(path: string): URL;
export declare function builtUrl(path: string): URL;
export declare const requireOwn: NodeJS.Require;
export declare function bundledWorker(
  path: string,
  data: object,
  options?: Omit<WorkerOptions, "workerData" | "execArgv">,
): Worker;
