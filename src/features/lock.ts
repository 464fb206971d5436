/** One process at a time in a folder. A lock whose process has ended is taken over. */
import { open, readFile, unlink } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { UsageError } from "../errors.ts";
import { outputError } from "./atomic.ts";

interface Holder {
  readonly pid: number;
  readonly host: string;
}

function isAlive({ pid, host }: Holder): boolean {
  // Whether a process of another machine lives cannot be asked; better one message too many.
  if (host !== hostname()) return true;
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Takes the lock of `folder`; gives what releases it. @throws UsageError while another process holds it. */
export async function takeLock(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, "lock");
  const own: Holder = { pid: process.pid, host: hostname() };
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const file = await open(path, "wx");
      await file.writeFile(JSON.stringify(own));
      await file.close();
      return () => unlink(path).catch(() => {});
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw outputError(path, error);
    }
    const holder = await readFile(path, "utf8")
      .then((text) => JSON.parse(text) as Holder)
      .catch(() => undefined);
    if (holder && isAlive(holder)) {
      throw new UsageError(
        `Another run writes into ${folder}: process ${holder.pid} on ${holder.host}.`,
        `Wait for it, choose another --out, or remove ${path} if that process is gone.`,
      );
    }
    await unlink(path).catch(() => {});
  }
  throw new UsageError(`The lock ${path} could not be taken.`, "Remove it if no other run is under way.");
}
