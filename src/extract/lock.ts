/**
 * One process at a time in a folder. The lock is a file that names its holder; it appears whole (a hard link to a
 * finished file), so that nobody takes a lock that is being written for an abandoned one. A lock whose holder has ended
 * is taken over, and whoever holds one looks now and then whether it is still the own: two processes that cannot see
 * each other (containers or machines of one name on one disk) end with a message, not with a mixed result.
 */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { link, open, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { OutputError, UsageError } from "../errors.ts";
import { outputError } from "../node/atomic.ts";

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Tells a process from a later one of the same number; absent where the system does not tell. */
  readonly started?: string;
  readonly token: string;
}

export interface Lock {
  /** @throws OutputError when another process has taken the lock over. */
  check(): Promise<void>;
  release(): Promise<void>;
}

/** Locks of this process: its own number says nothing about them. */
const held = new Set<string>();

/** What the system says of a process. */
interface Told {
  /** Whether it has ended, and only its number is still there: a zombie, for whose end nobody has asked. */
  readonly ended: boolean;
  /** When it began, as the kernel counts it, and which kernel; absent where the system does not tell. */
  readonly started?: string;
}

/** States of proc(5) and ps(1): Z is a zombie, X is dead. */
const isEnd = (state: string) => /^[ZX]/i.test(state);

/** By proc(5): of stat, field 3 is the state, and field 22 counts the start from a boot on. */
function toldByProc(pid: number): Told | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    return {
      ended: isEnd(fields[0]),
      started: `${boot} ${readlinkSync("/proc/self/ns/pid")} ${fields[19]}`,
    };
  } catch {
    return undefined;
  }
}

/** Where there is no /proc (macOS, BSD): ps says the state of a process, and nothing of one that is gone. */
export function toldByPs(pid: number): Told {
  const ps = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8", timeout: 5000 });
  return { ended: isEnd((ps.stdout ?? "").trim()) };
}

function isAlive({ pid, host, started }: Holder): boolean {
  // Whether a process of another machine lives cannot be asked; better one message too many.
  if (host !== hostname()) return true;
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const now = toldByProc(pid) ?? toldByPs(pid);
  if (now.ended) return false;
  return started === undefined || now.started === undefined || now.started === started;
}

const read = (path: string): Promise<string | undefined> => readFile(path, "utf8").catch(() => undefined);

function parse(text: string): Holder | undefined {
  try {
    const holder = JSON.parse(text) as Partial<Holder>;
    return typeof holder.pid === "number" && typeof holder.host === "string" ? (holder as Holder) : undefined;
  } catch {
    return undefined;
  }
}

/** Makes the file `path` with `text` in it, whole or not at all. Gives whether it was not there before. */
async function create(path: string, text: string): Promise<boolean> {
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await writeFile(draft, text, { flag: "wx" });
    await link(draft, path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // The draft is gone where the present holder has tidied up.
    if (code === "EEXIST" || code === "ENOENT") return false;
    if (code !== undefined && noLinks.includes(code)) return createInPlace(path, text);
    throw outputError(path, error);
  } finally {
    await unlink(draft).catch(() => {});
  }
}

/** What file systems without hard links answer. */
const noLinks: readonly string[] = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"];

async function createInPlace(path: string, text: string): Promise<boolean> {
  try {
    const file = await open(path, "wx");
    try {
      await file.writeFile(text);
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw outputError(path, error);
  }
}

/** Takes an abandoned lock with the content `seen` away; another's that came in its place meanwhile is put back. */
async function takeAway(path: string, seen: string): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await rename(path, aside);
  } catch {
    return; // Somebody else was faster.
  }
  if ((await read(aside)) !== seen) await link(aside, path).catch(() => {});
  await unlink(aside).catch(() => {});
}

/** Takes the lock of `folder`. @throws UsageError while another process, or another run of this one, holds it. */
export async function takeLock(folder: string): Promise<Lock> {
  const path = join(resolve(folder), "lock");
  const own: Holder = {
    pid: process.pid,
    host: hostname(),
    started: toldByProc(process.pid)?.started,
    token: randomBytes(12).toString("hex"),
  };
  if (held.has(path)) {
    throw new UsageError(
      `Another run of this process writes into ${folder}.`,
      "Wait for it, or choose another output.",
    );
  }
  held.add(path);
  const text = JSON.stringify(own);
  try {
    for (let attempt = 0; attempt < 5; attempt++) {
      if (await create(path, text)) {
        return {
          async check() {
            if ((await read(path)) === text) return;
            throw new OutputError(
              `Another process has taken over ${folder}; this one stops before they mix.`,
              "What was computed until then is kept. Let only one run write there.",
            );
          },
          async release() {
            held.delete(path);
            if ((await read(path)) === text) await unlink(path).catch(() => {});
          },
        };
      }
      const there = await read(path);
      if (there === undefined) continue;
      const holder = parse(there);
      if (holder && isAlive(holder)) {
        throw new UsageError(
          `Another run writes into ${folder}: process ${holder.pid} on ${holder.host}.`,
          `Wait for it, choose another --out, or remove ${path} if that process is gone.`,
        );
      }
      await takeAway(path, there);
    }
    throw new UsageError(`The lock ${path} could not be taken.`, "Remove it if no other run is under way.");
  } catch (error) {
    held.delete(path);
    throw error;
  }
}
