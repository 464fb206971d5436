/**
 * Workers that read, decode and preprocess beside the engine. Each has some images in hand, so that it does not wait for a
 * message while the main thread feeds a device. A worker that dies (a decoder crashed, memory ran out) is replaced; the images that it had are tried once
 * more, each alone, and the one that kills again is given up.
 *
 * Inputs lie in shared memory that goes round: sending half a megabyte for each image, and freeing it, would take the
 * main thread longer than computing with some networks. An image costs two short messages: each worker is told of a room
 * once, and asks only about a content that may be known.
 */
import type { Worker } from "node:worker_threads";
import { bundledWorker } from "../../bundle.mjs";
import type { ImageInput } from "./inputs.ts";
import { inputBytes, type Outcome, type ReadRecipe } from "./read.ts";
import { addSeen, newSeen } from "./seen.ts";

export type ToWorker =
  | {
      readonly kind: "read";
      readonly id: number;
      readonly image: ImageInput;
      /** Where its input goes; the memory comes with the number the first time. */
      readonly room: { readonly number: number; readonly memory?: SharedArrayBuffer };
    }
  | { readonly kind: "answer"; readonly id: number; readonly wanted: boolean };

/** Time spent on an image: reading its file, and all together. */
interface WorkTime {
  readonly reading: number;
  readonly all: number;
}

type Decoded = Extract<Outcome, { status: "ok" }>;

/** An outcome whose input is in the room. */
export type SentOutcome = Exclude<Outcome, Decoded> | Omit<Decoded, "input">;

export type FromWorker =
  | { readonly kind: "ask"; readonly id: number; readonly hash: string }
  | {
      readonly kind: "done";
      readonly id: number;
      readonly outcome: SentOutcome;
      readonly milliseconds: WorkTime;
    }
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
  /** Which contents may be known; without it, all. */
  readonly seen?: Int32Array;
}

/** Where an input goes. */
interface Room {
  readonly number: number;
  readonly memory: SharedArrayBuffer;
}

/** A worker's images, and the rooms that it was told of. */
interface Hand {
  readonly jobs: Map<number, Job>;
  readonly rooms: Set<number>;
}

interface Job {
  readonly id: number;
  readonly image: ImageInput;
  readonly wanted: (hash: string) => boolean;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: Error) => void;
  readonly room: Room;
  /** Whether a worker died while it had this image among others. */
  readonly suspect: boolean;
}

/** How many images a worker may have. */
export const inHand = 3;

/**
 * Opens `count` workers; they are started when there is work for them. `known` are the hashes of contents that may not be
 * wanted: where they are given, `wanted` is asked about them and about contents that were read before, and no others.
 */
export function openDecodePool(count: number, recipe: ReadRecipe, known?: Iterable<string>): DecodePool {
  const waiting: Job[] = [];
  const hands = new Map<Worker, Hand>();
  /** Those that are free. */
  const rooms: Room[] = [];
  const lent = new WeakMap<ArrayBufferLike, Room>();
  const seen = known && newSeen();
  if (seen) for (const hash of known) addSeen(seen, hash);
  const milliseconds = { read: 0, decode: 0 };
  let closed = false;
  let ids = 0;

  let opened = 0;
  const newRoom = (): Room => ({ number: opened++, memory: new SharedArrayBuffer(inputBytes(recipe)) });

  function received(outcome: SentOutcome, room: Room): Outcome {
    if (seen && "hash" in outcome && outcome.hash !== undefined) addSeen(seen, outcome.hash);
    if (outcome.status !== "ok") {
      rooms.push(room);
      return outcome;
    }
    lent.set(room.memory, room);
    return { ...outcome, input: new Float32Array(room.memory) };
  }

  function start(): Worker {
    const task: DecodeTask = { recipe, seen };
    const worker = bundledWorker("node/images/worker.ts", task);
    const jobs = new Map<number, Job>();
    hands.set(worker, { jobs, rooms: new Set() });
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
        job.resolve(received(message.outcome, job.room));
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
    for (const [worker, { jobs }] of hands) {
      const alone = [...jobs.values()].some((j) => j.suspect);
      if (jobs.size < least && !alone) [taker, least] = [worker, jobs.size];
    }
    if (least === 0) return taker;
    if (hands.size < count) return start();
    return job.suspect ? undefined : taker;
  }

  function send(worker: Worker, { id, ...job }: Job): void {
    const hand = hands.get(worker);
    hand?.jobs.set(id, { id, ...job });
    // A path may lie in a buffer of many: a message would copy all of that.
    const image = { ...job.image, path: new Uint8Array(job.image.path) };
    const { number, memory } = job.room;
    const room = hand?.rooms.has(number) ? { number } : { number, memory };
    hand?.rooms.add(number);
    worker.postMessage({ kind: "read", id, image, room } satisfies ToWorker);
  }

  function next(): void {
    for (let job = waiting[0]; job; job = waiting[0]) {
      const worker = takerOf(job);
      if (!worker) return;
      waiting.shift();
      send(worker, job);
    }
  }

  return {
    workers: count,
    milliseconds,
    read: (image, wanted) =>
      new Promise((resolve, reject) => {
        const room = rooms.pop() ?? newRoom();
        waiting.push({ id: ids++, image, wanted, resolve, reject, room, suspect: false });
        next();
      }),
    giveBack(input) {
      const room = lent.get(input.buffer);
      if (room && lent.delete(input.buffer)) rooms.push(room);
    },
    async close() {
      closed = true;
      for (const job of waiting.splice(0)) job.reject(new Error("the decoding workers were closed"));
      await Promise.all([...hands.keys()].map((worker) => worker.terminate()));
    },
  };
}
