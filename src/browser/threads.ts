/** The threads of a page: workers. */
import { DeviceError } from "../errors.ts";
import type { Threads } from "../platform/index.ts";
import { nextTurn } from "./turn.ts";

/** What is used of a Worker. */
export interface PageWorker {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onerror: ((event: { readonly message?: string }) => void) | null;
  postMessage(message: unknown): void;
  terminate(): void;
}

/**
 * `count` threads; `openWorker` makes a worker that runs cpu-worker.mjs. The one that is itself the first of them must be a
 * worker too, since it waits for the others, and windows may not wait.
 */
export const browserThreads = (count: number, openWorker: () => PageWorker): Threads => ({
  count: () => count,
  // Browsers do not tell.
  processor: () => "unknown processor",
  start(data, failed) {
    const worker = openWorker();
    const ready = new Promise<void>((resolve, reject) => {
      worker.onmessage = ({ data: said }) => {
        if (said === "ready") resolve();
        else failed(String(said));
      };
      worker.onerror = ({ message }) => {
        const why = message || "the browser does not say why";
        failed(why);
        reject(
          new DeviceError(
            `A thread of the CPU did not start: ${why}.`,
            "Is browser-cpu-worker.js on this site, beside the other scripts? Else load the page again, or use one thread.",
          ),
        );
      };
    });
    worker.postMessage(data);
    return {
      ready,
      send: (message) => worker.postMessage(message),
      end: async () => worker.terminate(),
    };
  },
  nextTurn,
});
