/**
 * Reads in a worker what a library reads: Arrow, Parquet and HDF5. A damaged file can make a library run for ever, take all
 * the memory that it may have, or leave a file open. In a worker none of this outlives the file that caused it.
 */
import { statSync } from "node:fs";
import type { Worker } from "node:worker_threads";
import { bundledWorker } from "../../bundle.mjs";
import { UserError } from "../../errors.ts";
import type { FeatureRow } from "./array.ts";

export type LibraryFormat = "arrow" | "parquet" | "hdf5";

export type FromLibrary =
  | { readonly kind: "ready" }
  | { readonly kind: "rows"; readonly rows: readonly FeatureRow[] }
  /** `spoiled`: the library did not throw this itself, and is in no state to read another file. */
  | { readonly kind: "refused"; readonly reason: string; readonly spoiled: boolean }
  | { readonly kind: "end" };

export type ToLibrary =
  | {
      readonly kind: "start";
      readonly path: string;
      /** In bytes, for WebAssembly, beyond which it is given no more. */
      readonly memory: number;
    }
  | { readonly kind: "next" };

export interface LibraryTask {
  readonly format: LibraryFormat;
}

/** In milliseconds: how long starting may take, and how long a library may be silent where the file is small. */
const patience = { start: 120_000, rows: 10_000 } as const;
/** Bytes that any disk gives in a millisecond: a library may read all before it gives a row. */
const slowest = 10_000;

/** Workers that have read a file to its end: starting one takes longer than reading most files. */
const idle = new Map<LibraryFormat, Worker>();

/** Files up to this size share workers and need little; a larger one gets a worker with room for it. */
const small = 2 ** 26;

function takeWorker(format: LibraryFormat, size: number): Worker {
  const known = size <= small ? idle.get(format) : undefined;
  if (known) {
    idle.delete(format);
    known.ref();
    return known;
  }
  const task: LibraryTask = { format };
  const worker = bundledWorker("tables/readers/library-worker.ts", task, {
    // What a library prints as it gives up is told in the error.
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: 64 + Math.ceil((2 * Math.max(small, size)) / 2 ** 20) },
  });
  worker.once("exit", () => idle.get(format) === worker && idle.delete(format));
  return worker;
}

/** Keeps a worker for the next file, without keeping the process for it. */
async function giveBack(format: LibraryFormat, worker: Worker, size: number): Promise<void> {
  if (size > small || idle.has(format)) {
    await worker.terminate();
    return;
  }
  worker.unref();
  idle.set(format, worker);
}

/** A reader of files of `format`. @throws UserError */
export const readByLibrary = (format: LibraryFormat) =>
  async function* (path: string): AsyncGenerator<FeatureRow> {
    const { size } = statSync(path);
    const worker = takeWorker(format, size);
    let sound = false;
    try {
      const start = { kind: "start", path, memory: size + 128 * 2 ** 20 } as const;
      let answer = await answerOf(worker, start, patience.start);
      while (answer.kind !== "end") {
        if (answer.kind === "refused") {
          sound = !answer.spoiled;
          const hint = "It may have been cut off.";
          throw new UserError(`${path} is no features file: ${answer.reason}.`, hint);
        }
        if (answer.kind === "rows") yield* answer.rows;
        answer = await answerOf(worker, { kind: "next" }, patience.rows + size / slowest);
      }
      sound = true;
    } finally {
      // One that was left in the middle, or that broke, reads no other file.
      if (sound) await giveBack(format, worker, size);
      else await worker.terminate();
    }
  };

/** Asks for the next rows. A worker that ends instead has met what its library cannot survive. */
function answerOf(worker: Worker, question: ToLibrary, milliseconds: number): Promise<FromLibrary> {
  return new Promise((resolve) => {
    const settle = (message: FromLibrary) => {
      clearTimeout(timer);
      worker.off("message", settle).off("error", failed).off("exit", ended);
      resolve(message);
    };
    const refuse = (reason: string) => settle({ kind: "refused", reason, spoiled: true });
    const failed = (error: Error) => refuse(error.message.split("\n")[0]);
    const ended = () => refuse("its library gave up on it");
    const timer = setTimeout(() => refuse("reading it does not end"), milliseconds);
    worker.on("message", settle).on("error", failed).on("exit", ended);
    worker.postMessage(question);
  });
}
