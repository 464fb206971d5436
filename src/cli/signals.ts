/** Ctrl-C and SIGTERM: the first asks the work to stop cleanly, a later one ends the process at once. */
import { removeUnfinished } from "../node/atomic.ts";
import { signalExitCode } from "./exit.ts";
import type { Io } from "./io.ts";

/** One Ctrl-C may arrive several times: from the terminal, and passed on by the programs that started this one. */
const echo = 1000;

/** Runs `work` with a signal that fires on Ctrl-C or SIGTERM, with the signal's name as its reason. */
export async function stoppable<T>(io: Io, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
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
  }
}
