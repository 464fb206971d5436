/** Ctrl-C and SIGTERM: the first asks the work to stop cleanly, a later one ends the process at once. */
import { removeUnfinished } from "../node/atomic.ts";
import { signalExitCode } from "./exit.ts";
import type { Io } from "./io.ts";
import { type EndWith, onEnd } from "./parent.ts";

/** One Ctrl-C may arrive several times: from the terminal, and passed on by the programs that started this one. */
const echo = 1000;

/** How long work may take to stop when nobody is left to stop it harder. */
const graceAlone = 20_000;

/** Stops as SIGTERM does, and at once where that takes long: nobody will ask a second time. */
function endAlone(io: Io, controller: AbortController, endWith: EndWith): void {
  io.err(`\n${whatEnded[endWith]}; stopping.\n`);
  controller.abort("SIGTERM");
  setTimeout(() => {
    removeUnfinished();
    process.exit(signalExitCode.SIGTERM);
  }, graceAlone).unref();
}

const whatEnded: Readonly<Record<EndWith, string>> = {
  parent: "The process that started this one has ended",
  stdin: "stdin has ended",
};

/** Runs `work` with a signal that fires on Ctrl-C or SIGTERM, with the signal's name as its reason; or at an `endWith`. */
export async function stoppable<T>(
  io: Io,
  work: (signal: AbortSignal) => Promise<T>,
  endWith?: EndWith,
): Promise<T> {
  const controller = new AbortController();
  const unwatch = endWith === undefined ? undefined : onEnd(endWith, () => endAlone(io, controller, endWith));
  let first = 0;
  const listener = (name: NodeJS.Signals) => {
    if (!controller.signal.aborted) {
      first = performance.now();
      io.err("\nStopping; once more to stop at once.\n");
      controller.abort(name);
    } else if (performance.now() - first > echo) {
      removeUnfinished();
      process.exit(signalExitCode[name]);
    }
  };
  const names = Object.keys(signalExitCode) as NodeJS.Signals[];
  for (const name of names) process.on(name, listener);
  try {
    return await work(controller.signal);
  } finally {
    for (const name of names) process.off(name, listener);
    unwatch?.();
  }
}
