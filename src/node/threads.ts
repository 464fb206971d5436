/** The threads of a process of Node. */
import { availableParallelism, cpus } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import { bundledWorker } from "../bundle.mjs";
import type { Threads } from "../platform/index.ts";

export const nodeThreads: Threads = {
  count: availableParallelism,
  processor: () => cpus()[0]?.model ?? "unknown processor",
  start(data, failed) {
    const worker = bundledWorker("node/cpu-worker.mjs", data);
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
