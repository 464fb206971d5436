/**
 * Reads HDF5 in a worker of its own. The library is C, in WebAssembly: a damaged file can make it stop for good, take all the
 * memory that it may have, or leave the file open. In a worker none of this outlives the file that caused it.
 */
import { Worker } from "node:worker_threads";
import { UserError } from "../../errors.ts";
import type { FeatureRow } from "./array.ts";

export type FromReader =
  | { readonly kind: "rows"; readonly rows: readonly FeatureRow[] }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "end" };

/** How long the library may take for about a megabyte of rows before it is taken to have hung. */
const patience = 60_000;

/** The rows of an HDF5 file with the datasets `features` and `paths`. @throws UserError */
export async function* readHdf5(path: string): AsyncGenerator<FeatureRow> {
  const refused = (reason: string) =>
    new UserError(`${path} is no features file: ${reason}.`, "It may have been cut off.");
  const worker = new Worker(new URL("./start-hdf5-worker.mjs", import.meta.url), {
    workerData: path,
    // The worker registers what it needs itself.
    execArgv: [],
    // What the library prints as it gives up is told in the error.
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: 512 },
  });
  try {
    for (;;) {
      const message = await answerOf(worker);
      if (message.kind === "end") return;
      if (message.kind === "refused") throw refused(message.reason);
      yield* message.rows;
    }
  } finally {
    await worker.terminate();
  }
}

/** Asks for the next rows. A worker that ends instead has met what the library cannot survive. */
function answerOf(worker: Worker): Promise<FromReader> {
  return new Promise((resolve) => {
    const settle = (message: FromReader) => {
      clearTimeout(timer);
      worker.off("message", settle).off("error", failed).off("exit", ended);
      resolve(message);
    };
    const refuse = (reason: string) => settle({ kind: "refused", reason });
    const failed = (error: Error) => refuse(error.message.split("\n")[0]);
    const ended = () => refuse("the HDF5 library gave up on it");
    const timer = setTimeout(() => refuse("reading it does not end"), patience);
    worker.on("message", settle).on("error", failed).on("exit", ended);
    worker.postMessage("next");
  });
}
