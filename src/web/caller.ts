/** The page's side of calls to a worker. */
import type { PageWorker } from "../browser/threads.ts";
import * as errors from "../errors.ts";
import { Stopped, throwIfStopped } from "../stopped.ts";
import type { CallEvent, CallName, Calls, FromWorker, SentError } from "./calls.ts";
import { openWorker } from "./places.ts";

export interface CallOptions {
  /** What is handed over, and no longer there afterwards. */
  readonly transfer?: readonly object[];
  readonly onEvent?: (event: CallEvent) => void;
  readonly signal?: AbortSignal;
}

export interface Caller {
  /** @throws what the worker's function throws; DeviceError where the worker ended; an error called AbortError by the signal. */
  call<K extends CallName>(
    name: K,
    argument: Calls[K]["argument"],
    options?: CallOptions,
  ): Promise<Calls[K]["value"]>;
  /** Ends the worker; calls that are under way reject. */
  end(): void;
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
  readonly onEvent?: (event: CallEvent) => void;
}

const classes: Readonly<Record<string, new (message: string, hint?: string) => Error>> = {
  UserError: errors.UserError,
  UsageError: errors.UsageError,
  CheckpointError: errors.CheckpointError,
  ImageError: errors.ImageError,
  ShapeError: errors.ShapeError,
  DeviceError: errors.DeviceError,
  OutputError: errors.OutputError,
};

function received({ name, message, hint }: SentError): Error {
  const Known = classes[name];
  return Known ? new Known(message, hint) : Object.assign(new Error(message), { name });
}

/** What posting needs besides what threads use. */
interface PostingWorker extends PageWorker {
  postMessage(message: unknown, transfer?: readonly object[]): void;
}

/** Opens a worker. */
export function openCaller(): Caller {
  const worker = openWorker() as PostingWorker;
  const waiting = new Map<number, Waiting>();
  let next = 0;
  let ended: Error | undefined;
  /** Whether the worker has said anything. */
  let begun = false;

  function endWith(error: Error): void {
    ended ??= error;
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
    worker.terminate();
  }

  worker.onmessage = ({ data }) => {
    begun = true;
    const said = data as FromWorker;
    const call = waiting.get(said.id);
    if (!call) return;
    if ("event" in said) {
      call.onEvent?.(said.event);
      return;
    }
    waiting.delete(said.id);
    if ("error" in said) call.reject(received(said.error));
    else call.resolve(said.value as never);
  };
  worker.onerror = ({ message }) => {
    // Of a script that is not there, browsers say nothing at all.
    if (!message && !begun) {
      endWith(
        new errors.DeviceError(
          "The worker of slimfeatures, web-worker.js, could not be loaded, or ended at its start.",
          "Are the package's scripts on this site, beside those that a bundler made? Not every bundler brings workers along: esbuild does not.",
        ),
      );
      return;
    }
    const why = message ? `: ${message.replace(/\.$/, "")}` : ", and the browser does not say why";
    endWith(
      new errors.DeviceError(
        `A worker of slimfeatures ended${why}.`,
        "The browser may lack memory: use a smaller batchSize, or load the page again.",
      ),
    );
  };

  return {
    async call(name, argument, { transfer = [], onEvent, signal } = {}) {
      if (ended) throw ended;
      throwIfStopped(signal);
      const id = next++;
      const stop = () => {
        const call = waiting.get(id);
        waiting.delete(id);
        worker.postMessage({ id, cancel: true });
        call?.reject(new Stopped(signal?.reason));
      };
      const answer = new Promise<never>((resolve, reject) => {
        waiting.set(id, { resolve, reject, onEvent });
      });
      signal?.addEventListener("abort", stop);
      try {
        worker.postMessage({ id, name, argument }, transfer);
        return await answer;
      } finally {
        waiting.delete(id);
        signal?.removeEventListener("abort", stop);
      }
    },
    end: () => endWith(new errors.UsageError("The extractor is closed.")),
  };
}
