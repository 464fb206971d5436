/** The threads of a process of Node. */
import { availableParallelism, cpus } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { sourceUrl } from "../bundle.mjs";
import type { Threads } from "../platform/index.ts";

export const nodeThreads: Threads = {
  count: availableParallelism,
  processor: () => cpus()[0]?.model ?? "unknown processor",
  start(data, failed) {
    // Not with the loaders of the main thread: the worker is plain JavaScript and starts faster without.
    const worker = new Worker(sourceUrl("node/cpu-worker.mjs"), { execArgv: [], workerData: data });
    const ready = new Promise<void>((resolve, reject) => {
      worker.on("message", (message: string) => {
        if (message !== "ready") return failed(message);
        // From here on it does not hold the process; until now it had to.
        worker.unref();
        resolve();
      });
      worker.on("error", reject);
    });
    return {
      ready,
      send: (message) => worker.postMessage(message),
      end: async () => void (await worker.terminate()),
    };
  },
  nextTurn: () => nextTurn(),
};
