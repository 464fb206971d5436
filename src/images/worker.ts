/** A decoding worker: one file at a time, told by messages. See pool.ts for the other end. */
import { parentPort, workerData } from "node:worker_threads";
import type { FromWorker, ToWorker } from "./pool.ts";
import { type ReadRecipe, readImage } from "./read.ts";

const port = parentPort;
if (!port) throw new Error("worker.ts runs in a worker thread");
const recipe = workerData as ReadRecipe;
let answer: (wanted: boolean) => void = () => {};

const say = (message: FromWorker, transfer: readonly ArrayBuffer[] = []) =>
  port.postMessage(message, transfer as ArrayBuffer[]);

port.on("message", async (message: ToWorker) => {
  if (message.kind === "answer") return answer(message.wanted);
  const began = performance.now();
  let asked = 0;
  try {
    const outcome = await readImage(message.image, recipe, (hash) => {
      const since = performance.now();
      say({ kind: "ask", hash });
      return new Promise<boolean>((resolve) => {
        answer = (wanted) => {
          asked = performance.now() - since;
          resolve(wanted);
        };
      });
    });
    const milliseconds = performance.now() - began - asked;
    say(
      { kind: "done", outcome, milliseconds },
      outcome.status === "ok" ? [outcome.input.buffer as ArrayBuffer] : [],
    );
  } catch (error) {
    say({ kind: "bug", stack: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
