/**
 * Workers that read, decode and preprocess beside the engine. A worker that dies (a decoder crashed, memory ran out)
 * takes its image with it and is replaced.
 */
import { Worker } from "node:worker_threads";
import type { ImageInput } from "./inputs.ts";
import type { Outcome, ReadRecipe } from "./read.ts";

export type ToWorker =
  | { readonly kind: "read"; readonly image: ImageInput }
  | { readonly kind: "answer"; readonly wanted: boolean };

export type FromWorker =
  | { readonly kind: "ask"; readonly hash: string }
  | { readonly kind: "done"; readonly outcome: Outcome; readonly milliseconds: number }
  | { readonly kind: "bug"; readonly stack: string };

export interface DecodePool {
  readonly workers: number;
  /** Reads one image; `wanted` is asked with its hash before it is decoded. Rejects only for a bug of ours. */
  read(image: ImageInput, wanted: (hash: string) => boolean): Promise<Outcome>;
  /** Time that workers spent on images, all together. */
  readonly busyMilliseconds: number;
  close(): Promise<void>;
}

interface Job {
  readonly image: ImageInput;
  readonly wanted: (hash: string) => boolean;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: Error) => void;
}

/** Opens `count` workers; they are started when there is work for them. */
export function openDecodePool(count: number, recipe: ReadRecipe): DecodePool {
  const waiting: Job[] = [];
  const idle: Worker[] = [];
  const busy = new Map<Worker, Job>();
  let busyMilliseconds = 0;
  let closed = false;

  function start(): Worker {
    const worker = new Worker(new URL("./start-worker.mjs", import.meta.url), { workerData: recipe });
    const tell = (message: ToWorker) => worker.postMessage(message);
    worker.on("message", (message: FromWorker) => {
      const job = busy.get(worker);
      if (!job) return;
      if (message.kind === "ask") return tell({ kind: "answer", wanted: job.wanted(message.hash) });
      if (message.kind === "bug") job.reject(new Error(`a decoding worker failed: ${message.stack}`));
      else {
        busyMilliseconds += message.milliseconds;
        job.resolve(message.outcome);
      }
      busy.delete(worker);
      idle.push(worker);
      next();
    });
    const died = (why: string) => {
      const job = busy.get(worker);
      busy.delete(worker);
      const at = idle.indexOf(worker);
      if (at >= 0) idle.splice(at, 1);
      job?.resolve({ status: "failed", reason: `its decoder died (${why})` });
      if (!closed) next();
    };
    worker.on("error", (error) => died(error.message));
    worker.on("exit", (code) => died(`exit code ${code}`));
    return worker;
  }

  function next(): void {
    while (waiting.length > 0) {
      const worker = idle.pop() ?? (busy.size < count ? start() : undefined);
      if (!worker) return;
      const job = waiting.shift() as Job;
      busy.set(worker, job);
      worker.postMessage({ kind: "read", image: job.image } satisfies ToWorker);
    }
  }

  return {
    workers: count,
    get busyMilliseconds() {
      return busyMilliseconds;
    },
    read: (image, wanted) =>
      new Promise((resolve, reject) => {
        waiting.push({ image, wanted, resolve, reject });
        next();
      }),
    async close() {
      closed = true;
      for (const job of waiting.splice(0)) job.reject(new Error("the decoding workers were closed"));
      await Promise.all([...idle, ...busy.keys()].map((worker) => worker.terminate()));
    },
  };
}
