/**
 * One process at a time in a folder. The lock is a file that names its holder; it appears whole (a hard link to a
 * finished file), so that nobody takes a lock that is being written for an abandoned one. A lock whose holder has ended
 * is taken over, and whoever holds one looks now and then whether it is still the own: two processes that cannot see
 * each other (containers or machines of one name on one disk) end with a message, not with a mixed result.
 *
 * Whether a process of another machine lives cannot be asked of the system. So a holder writes its lock again at every
 * beat, and says in it how long that is; a lock of another host that was not written for ten beats is abandoned, and taken
 * over. How long that is, is told by the disk's own clock: the lock's time is held against that of a file made beside it now.
 * Clocks of machines that differ do no harm, since none of them is read.
 */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { type FileHandle, link, open, readFile, rename, stat, unlink } from "node:fs/promises";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { BusyError, OutputError } from "../errors.ts";
import { noLinks, outputError } from "../node/atomic.ts";

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Tells a process from a later one of the same number; absent where the system does not tell. */
  readonly started?: string;
  /** Seconds after which it writes its lock again; absent in locks of earlier versions, which did not. */
  readonly beat?: number;
  readonly token: string;
}

/** Seconds between two writes of a lock that is held. */
const usualBeat = 30;

/** After so many beats of silence, a holder on another host has gone. */
const beatsOfLease = 10;

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

async function isAlive({ pid, host, started, beat }: Holder, path: string): Promise<boolean> {
  if (host !== hostname()) {
    // One that does not beat can only be believed; better one message too many.
    return beat === undefined || (await silenceOf(path)) <= beatsOfLease * beat;
  }
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

/** Seconds since the file `path` was written, by the clock of its disk; 0 where that cannot be told. */
async function silenceOf(path: string): Promise<number> {
  const probe = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    // Not an empty file: the time of a write is the server's, that of making one may be the client's.
    const file = await open(probe, "wx");
    try {
      await file.writeFile("now");
      await file.sync();
      return ((await file.stat()).mtimeMs - (await stat(path)).mtimeMs) / 1000;
    } finally {
      await file.close();
    }
  } catch {
    return 0;
  } finally {
    await unlink(probe).catch(() => {});
  }
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

/**
 * Makes the file `path` with `text` in it, whole or not at all. Gives it open, for its holder to write again whatever name
 * it has then; undefined where there was one before.
 */
async function create(path: string, text: string): Promise<FileHandle | undefined> {
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  let file: FileHandle | undefined;
  try {
    file = await open(draft, "wx");
    await file.write(text, 0);
    await link(draft, path);
    return file;
  } catch (error) {
    await file?.close();
    const { code } = error as NodeJS.ErrnoException;
    // The draft is gone where the present holder has tidied up.
    if (code === "EEXIST" || code === "ENOENT") return undefined;
    if (code !== undefined && noLinks.includes(code)) return createInPlace(path, text);
    throw outputError(path, error);
  } finally {
    await unlink(draft).catch(() => {});
  }
}

async function createInPlace(path: string, text: string): Promise<FileHandle | undefined> {
  try {
    const file = await open(path, "wx");
    await file.write(text, 0);
    return file;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return undefined;
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

export interface LockOptions {
  /** Seconds between two writes of the lock; 30 when left out. */
  readonly beat?: number;
}

/** Takes the lock of `folder`. @throws BusyError while another process, or another run of this one, holds it. */
export async function takeLock(folder: string, { beat = usualBeat }: LockOptions = {}): Promise<Lock> {
  const path = join(resolve(folder), "lock");
  const own: Holder = {
    pid: process.pid,
    host: hostname(),
    started: toldByProc(process.pid)?.started,
    beat,
    token: randomBytes(12).toString("hex"),
  };
  if (held.has(path)) {
    throw new BusyError(
      `Another run of this process writes into ${folder}.`,
      "Wait for it, or choose another output.",
    );
  }
  held.add(path);
  const text = JSON.stringify(own);
  try {
    for (let attempt = 0; attempt < 5; attempt++) {
      const file = await create(path, text);
      if (file) return holding(path, folder, text, file, beat);
      const there = await read(path);
      if (there === undefined) continue;
      const holder = parse(there);
      if (holder && (await isAlive(holder, path))) {
        const lease = holder.host !== hostname() && holder.beat !== undefined && beatsOfLease * holder.beat;
        const gone = lease ? `; ${lease} seconds after its last sign of life it is taken over` : "";
        throw new BusyError(
          `Another run writes into ${folder}: process ${holder.pid} on ${holder.host}.`,
          `Wait for it, choose another --out, or remove ${path} if that process is gone${gone}.`,
        );
      }
      await takeAway(path, there);
    }
    throw new BusyError(`The lock ${path} could not be taken.`, "Remove it if no other run is under way.");
  } catch (error) {
    held.delete(path);
    throw error;
  }
}

/** The lock of whoever made `file`, which is written again at every beat. */
function holding(path: string, folder: string, text: string, file: FileHandle, beat: number): Lock {
  let writing: Promise<unknown> = Promise.resolve();
  const timer = setInterval(() => {
    // One that cannot be written is told by whoever takes it over, or by the next file of the run.
    writing = file
      .write(text, 0)
      .then(() => file.sync())
      .catch(() => {});
  }, 1000 * beat);
  timer.unref();
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
      clearInterval(timer);
      await writing;
      await file.close();
      if ((await read(path)) === text) await unlink(path).catch(() => {});
    },
  };
}
