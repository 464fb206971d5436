/**
 * Reads in a worker what a library reads: Arrow, Parquet and HDF5. A damaged file can make a library run for ever, take all
 * the memory that it may have, or leave a file open. In a worker none of this outlives the file that caused it.
 */
import { statSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { UserError } from "../../errors.ts";
import type { FeatureRow } from "./array.ts";

/** Their readers by name, in the module that is given, and the packages that these need. */
export const libraries = {
  arrow: "apache-arrow",
  parquet: "hyparquet",
  hdf5: "h5wasm/node",
} as const;

export type LibraryFormat = keyof typeof libraries;

export type FromLibrary =
  | { readonly kind: "ready" }
  | { readonly kind: "rows"; readonly rows: readonly FeatureRow[] }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "end" };

export interface LibraryTask {
  readonly path: string;
  readonly format: LibraryFormat;
  readonly package: string;
  /** In bytes, for WebAssembly, beyond which it is given no more. */
  readonly memory: number;
}

/** In milliseconds: how long starting may take, and how long a library may be silent where the file is small. */
const patience = { start: 120_000, rows: 10_000 } as const;
/** Bytes that any disk gives in a millisecond: a library may read all before it gives a row. */
const slowest = 10_000;

/** A reader of files of `format`. @throws UserError */
export const readByLibrary = (format: LibraryFormat) =>
  async function* (path: string): AsyncGenerator<FeatureRow> {
    const { size } = statSync(path);
    const task: LibraryTask = { path, format, package: libraries[format], memory: size + 128 * 2 ** 20 };
    const worker = new Worker(new URL("./start-library.mjs", import.meta.url), {
      workerData: task,
      // The worker registers what it needs itself.
      execArgv: [],
      // What a library prints as it gives up is told in the error.
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: 512 + Math.ceil(size / 2 ** 20) },
    });
    try {
      let answer = await answerOf(worker, "start", patience.start);
      while (answer.kind !== "end") {
        if (answer.kind === "refused") {
          const hint = "It may have been cut off.";
          throw new UserError(`${path} is no features file: ${answer.reason}.`, hint);
        }
        if (answer.kind === "rows") yield* answer.rows;
        answer = await answerOf(worker, "next", patience.rows + size / slowest);
      }
    } finally {
      await worker.terminate();
    }
  };

/** Asks for the next rows. A worker that ends instead has met what its library cannot survive. */
function answerOf(worker: Worker, question: "start" | "next", milliseconds: number): Promise<FromLibrary> {
  return new Promise((resolve) => {
    const settle = (message: FromLibrary) => {
      clearTimeout(timer);
      worker.off("message", settle).off("error", failed).off("exit", ended);
      resolve(message);
    };
    const refuse = (reason: string) => settle({ kind: "refused", reason });
    const failed = (error: Error) => refuse(error.message.split("\n")[0]);
    const ended = () => refuse("its library gave up on it");
    const timer = setTimeout(() => refuse("reading it does not end"), milliseconds);
    worker.on("message", settle).on("error", failed).on("exit", ended);
    worker.postMessage(question);
  });
}
