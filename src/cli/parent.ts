/**
 * The end of whoever started this process. A program that is killed takes none of its children with it: they go on, and
 * keep what the next one wants to take. Only who starts a process knows by what it is held, so it is an option:
 * `parent` watches the number of the parent, which changes when that ends (and Node's channel to a parent of Node's, where
 * there is one), and needs nothing of it. `stdin` waits for the end of the input, which the system closes with the last
 * process that holds it: it goes through shells and `npm run` that stand between, and wants a pipe that its owner keeps open.
 */
import { Option } from "commander";
import { UsageError } from "../errors.ts";

export const endings = ["parent", "stdin"] as const;
export type EndWith = (typeof endings)[number];

/** Milliseconds between two looks at the parent. */
const look = 500;

/** `--end-with`, of every command that computes for long. */
export const endWithOption = (): Option =>
  new Option(
    "--end-with <what>",
    "stop, keeping what was computed, when the process that started this one ends, or when stdin does",
  ).choices([...endings]);

const parentAtStart = process.ppid;

/** Calls `ended` once when that has ended. Gives what takes the watch back. */
export function onEnd(what: EndWith, ended: () => void): () => void {
  let open = true;
  const once = () => {
    if (open) ended();
    open = false;
  };
  return what === "parent" ? onParentsEnd(once) : onInputsEnd(once);
}

function onParentsEnd(ended: () => void): () => void {
  process.on("disconnect", ended);
  const timer = setInterval(() => {
    if (process.ppid !== parentAtStart || !isThere(parentAtStart)) ended();
  }, look);
  timer.unref();
  return () => {
    clearInterval(timer);
    process.off("disconnect", ended);
  };
}

/** On Windows the parent's number stays when it has gone. */
function isThere(pid: number): boolean {
  if (process.platform !== "win32") return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function onInputsEnd(ended: () => void): () => void {
  const { stdin } = process;
  if (stdin.isTTY) {
    throw new UsageError(
      "--end-with stdin waits for the end of a pipe, and stdin is a terminal.",
      "Leave it out.",
    );
  }
  stdin.on("end", ended).on("close", ended).on("error", ended).resume();
  return () => {
    stdin.off("end", ended).off("close", ended).off("error", ended);
    stdin.pause();
    // A pipe that is held open would keep this process from its own end.
    stdin.unref?.();
  };
}
