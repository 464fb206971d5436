/**
 * Workers that read, decode and preprocess beside the engine. Each has some images in hand, so that it does not wait for a
 * message while the main thread feeds a device. A worker that dies (a decoder crashed, memory ran out) is replaced; the images that it had are tried once
 * more, each alone, and the one that kills again is given up.
 *
 * Inputs lie in shared memory that goes round: sending half a megabyte for each image, and freeing it, would take the
 * main thread longer than computing with some networks.
 */
import type { Worker } from "node:worker_threads";
import { bundledWorker } from "../bundle.mjs";
import type { ImageInput } from "./inputs.ts";
import { inputBytes, type Outcome, type ReadRecipe } from "./read.ts";

export type ToWorker =
  | {
      readonly kind: "read";
      readonly id: number;
      readonly image: ImageInput;
      readonly room: SharedArrayBuffer;
    }
  | { readonly kind: "answer"; readonly id: number; readonly wanted: boolean };

/** Time spent on an image: reading its file, and all together. */
interface WorkTime {
  readonly reading: number;
  readonly all: number;
}

export type FromWorker =
  | { readonly kind: "ask"; readonly id: number; readonly hash: string }
  | { readonly kind: "done"; readonly id: number; readonly outcome: Outcome; readonly milliseconds: WorkTime }
  | { readonly kind: "bug"; readonly id: number; readonly stack: string };

export interface DecodePool {
  readonly workers: number;
  /** Reads one image; `wanted` is asked with its hash before it is decoded. Rejects only for a bug of ours. */
  read(image: ImageInput, wanted: (hash: string) => boolean): Promise<Outcome>;
  /** Takes an outcome's input back: it must no longer be used. One that is not given back is merely not used again. */
  giveBack(input: Float32Array): void;
  /** Time that workers spent reading files, and decoding them, all together. */
  readonly milliseconds: { readonly read: number; readonly decode: number };
  close(): Promise<void>;
}

/** What a worker is started with. */
export interface DecodeTask {
  readonly recipe: ReadRecipe;
}

interface Job {
  readonly id: number;
  readonly image: ImageInput;
  readonly wanted: (hash: string) => boolean;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: Error) => void;
  /** Where its input goes. */
  readonly room: SharedArrayBuffer;
  /** Whether a worker died while it had this image among others. */
  readonly suspect: boolean;
}

/** How many images a worker may have. */
export const inHand = 3;

/** Opens `count` workers; they are started when there is work for them. */
export function openDecodePool(count: number, recipe: ReadRecipe): DecodePool {
  const waiting: Job[] = [];
  /** The images that each worker has. */
  const hands = new Map<Worker, Map<number, Job>>();
  const rooms: SharedArrayBuffer[] = [];
  const milliseconds = { read: 0, decode: 0 };
  let closed = false;
  let ids = 0;

  function start(): Worker {
    const task: DecodeTask = { recipe };
    const worker = bundledWorker("images/worker.ts", task);
    const jobs = new Map<number, Job>();
    hands.set(worker, jobs);
    worker.on("message", (message: FromWorker) => {
      const { id } = message;
      const job = jobs.get(id);
      if (!job) return;
      if (message.kind === "ask") {
        worker.postMessage({ kind: "answer", id, wanted: job.wanted(message.hash) } satisfies ToWorker);
        return;
      }
      jobs.delete(id);
      if (message.kind === "bug") job.reject(new Error(`a decoding worker failed: ${message.stack}`));
      else {
        milliseconds.read += message.milliseconds.reading;
        milliseconds.decode += message.milliseconds.all - message.milliseconds.reading;
        if (message.outcome.status !== "ok") rooms.push(job.room);
        job.resolve(message.outcome);
      }
      next();
    });
    const died = (why: string) => {
      if (!hands.delete(worker) || closed) return;
      const alone = jobs.size === 1;
      for (const job of jobs.values()) {
        if (alone) job.resolve({ status: "failed", reason: `its decoder died (${why})` });
        else waiting.unshift({ ...job, suspect: true });
      }
      next();
    };
    worker.on("error", (error) => died(error.message));
    worker.on("exit", (code) => died(`exit code ${code}`));
    return worker;
  }

  /** A worker that may take `job`: an idle one, a new one, or, for images beyond suspicion, one with room. */
  function takerOf(job: Job): Worker | undefined {
    let taker: Worker | undefined;
    let least = inHand;
    for (const [worker, jobs] of hands) {
      const alone = [...jobs.values()].some((j) => j.suspect);
      if (jobs.size < least && !alone) [taker, least] = [worker, jobs.size];
    }
    if (least === 0) return taker;
    if (hands.size < count) return start();
    return job.suspect ? undefined : taker;
  }

  function next(): void {
    for (let job = waiting[0]; job; job = waiting[0]) {
      const worker = takerOf(job);
      if (!worker) return;
      waiting.shift();
      hands.get(worker)?.set(job.id, job);
      // A path may lie in a buffer of many: a message would copy all of that.
      const image = { ...job.image, path: Uint8Array.from(job.image.path) };
      worker.postMessage({ kind: "read", id: job.id, image, room: job.room } satisfies ToWorker);
    }
  }

  return {
    workers: count,
    milliseconds,
    read: (image, wanted) =>
      new Promise((resolve, reject) => {
        const room = rooms.pop() ?? new SharedArrayBuffer(inputBytes(recipe));
        waiting.push({ id: ids++, image, wanted, resolve, reject, room, suspect: false });
        next();
      }),
    giveBack(input) {
      if (input.buffer instanceof SharedArrayBuffer) rooms.push(input.buffer);
    },
    async close() {
      closed = true;
      for (const job of waiting.splice(0)) job.reject(new Error("the decoding workers were closed"));
      await Promise.all([...hands.keys()].map((worker) => worker.terminate()));
    },
  };
}
