/** One run at a time writes into an output, whatever became of the one before. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { BusyError, OutputError } from "../../src/errors.ts";
import { extract } from "../../src/extract/extract.ts";
import { takeLock, toldByPs } from "../../src/extract/lock.ts";
import { fakeRooms, requestFor, temporaryFolder, writeFiles } from "../support/features.ts";
import { contentOf, drawFolder, root, startExtract } from "../support/runs.ts";

let folder = "";
beforeEach(() => {
  folder = temporaryFolder();
});
const path = () => join(folder, "lock");
const held = () => JSON.parse(readFileSync(path(), "utf8"));

const taker = (milliseconds: number | "keep") =>
  spawn(
    process.execPath,
    ["--import", "tsx", join(root, "test/support/lock-taker.ts"), folder, String(milliseconds)],
    { cwd: root, stdio: ["ignore", "pipe", "inherit"] },
  );

describe("the lock of a folder", () => {
  it("names its holder, and goes when it is given back", async () => {
    const lock = await takeLock(folder);
    expect(held()).toMatchObject({ pid: process.pid, host: hostname() });
    await lock.check();
    await lock.release();
    expect(existsSync(path())).toBe(false);
  });

  it("is refused to another run of the same process, and to it only", async () => {
    const lock = await takeLock(folder);
    await expect(takeLock(folder)).rejects.toThrow(BusyError);
    await expect(takeLock(folder)).rejects.toThrow(/Another run of this process writes into/);
    const elsewhere = await takeLock(mkdtempSync(join(folder, "other-")));
    await elsewhere.release();
    await lock.release();
    await (await takeLock(folder)).release();
  });

  it("is refused while its process lives, by number and host, with what to do", async () => {
    const child = taker("keep");
    await once(child.stdout, "data");
    for (const state of ["SIGSTOP", "SIGCONT"] as const) {
      child.kill(state);
      await expect(takeLock(folder)).rejects.toThrow(`process ${child.pid} on ${hostname()}`);
      await expect(takeLock(folder)).rejects.toHaveProperty("hint", expect.stringContaining(path()));
    }
    child.kill("SIGKILL");
    await once(child, "exit");
    await (await takeLock(folder)).release();
  });

  it.each([
    ["a process that is no more", { pid: 2 ** 22 + 1, host: hostname(), started: "x", token: "t" }],
    [
      "a process whose number another one has now",
      { pid: process.ppid, host: hostname(), started: "x", token: "t" },
    ],
    ["this process's number, from before a restart", { pid: process.pid, host: hostname(), token: "t" }],
    ["nobody: an empty file", ""],
    ["nobody: half a file", '{"pid": 12'],
    ["nobody: other JSON", "[]"],
  ])("is taken over from %s", async (_name, content) => {
    writeFileSync(path(), typeof content === "string" ? content : JSON.stringify(content));
    const lock = await takeLock(folder);
    expect(held().pid).toBe(process.pid);
    await lock.release();
  });

  /** A process that was killed and for whose end its parent does not ask, as in a container without an init. */
  async function zombie(): Promise<{ readonly pid: number; readonly parent: ReturnType<typeof spawn> }> {
    const parent = spawn("sh", ["-c", "sh -c 'echo $$; exec sleep 1000' & exec sleep 1000"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [said] = (await once(parent.stdout, "data")) as [Buffer];
    const pid = Number(String(said));
    return { pid, parent };
  }
  const begun = (pid: number) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1].split(" ");
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    return `${boot} ${readlinkSync("/proc/self/ns/pid")} ${fields[19]}`;
  };
  const gone = async (pid: number) => {
    while (!toldByPs(pid).ended) await new Promise((resolve) => setTimeout(resolve, 20));
  };

  it.runIf(existsSync("/proc/self/stat"))(
    "is taken over from a zombie, and from no process that lives",
    async () => {
      const { pid, parent } = await zombie();
      const holder = { pid, host: hostname(), started: begun(pid), token: "t" };
      for (const content of [holder, { ...holder, started: undefined }]) {
        writeFileSync(path(), JSON.stringify(content));
        await expect(takeLock(folder)).rejects.toThrow(`process ${pid} on ${hostname()}`);
      }
      process.kill(pid, "SIGKILL");
      await gone(pid);
      // It has its number still, and its start.
      expect(() => process.kill(pid, 0)).not.toThrow();
      expect(begun(pid)).toBe(holder.started);
      for (const content of [holder, { ...holder, started: undefined }]) {
        writeFileSync(path(), JSON.stringify(content));
        const lock = await takeLock(folder);
        expect(held().pid).toBe(process.pid);
        await lock.release();
      }
      parent.kill("SIGKILL");
    },
  );

  it("knows a zombie where there is no /proc, too", async () => {
    const { pid, parent } = await zombie();
    expect(toldByPs(pid)).toEqual({ ended: false });
    process.kill(pid, "SIGKILL");
    await gone(pid);
    expect(toldByPs(pid)).toEqual({ ended: true });
    expect(toldByPs(process.pid)).toEqual({ ended: false });
    expect(toldByPs(2 ** 22 + 1)).toEqual({ ended: false });
    parent.kill("SIGKILL");
  });

  it("is refused when its process may live on another machine, of which nothing more can be known", async () => {
    writeFileSync(path(), JSON.stringify({ pid: 1, host: "another-machine", token: "t" }));
    utimesSync(path(), 1, 1);
    await expect(takeLock(folder)).rejects.toThrow(/process 1 on another-machine/);
  });

  const foreign = JSON.stringify({ pid: 1, host: "another-machine", beat: 30, token: "t" });
  const writtenBefore = (seconds: number) => {
    writeFileSync(path(), foreign);
    const { mtimeMs } = statSync(path());
    utimesSync(path(), mtimeMs / 1000 - seconds, mtimeMs / 1000 - seconds);
  };

  it("is taken over from another machine that was silent for ten beats, and not sooner", async () => {
    for (const seconds of [0, 250, -3600]) {
      writtenBefore(seconds);
      await expect(takeLock(folder)).rejects.toThrow(BusyError);
      await expect(takeLock(folder)).rejects.toHaveProperty(
        "hint",
        expect.stringContaining("300 seconds after its last sign of life it is taken over"),
      );
    }
    writtenBefore(350);
    const lock = await takeLock(folder);
    expect(held().pid).toBe(process.pid);
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it("is told apart from an abandoned one by the disk's clock, however wrong the machine's is", async () => {
    const now = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 86_400_000);
    try {
      writtenBefore(0);
      await expect(takeLock(folder)).rejects.toThrow(BusyError);
    } finally {
      now.mockRestore();
    }
  });

  it("is written again at every beat, under no other name than the own", async () => {
    const lock = await takeLock(folder, { beat: 0.02 });
    const text = readFileSync(path(), "utf8");
    const beats = async () => {
      utimesSync(path(), 1, 1);
      while (statSync(path()).mtimeMs < 2000) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    await beats();
    await beats();
    expect(readFileSync(path(), "utf8")).toBe(text);
    // Somebody took it over, as from one that had been silent: his lock is not written over.
    unlinkSync(path());
    writeFileSync(path(), foreign);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(readFileSync(path(), "utf8")).toBe(foreign);
    await expect(lock.check()).rejects.toThrow(OutputError);
    await lock.release();
    expect(readFileSync(path(), "utf8")).toBe(foreign);
  });

  it("is known to be lost, and another's is not given back", async () => {
    const lock = await takeLock(folder);
    const other = JSON.stringify({ pid: 1, host: "another-machine", token: "t" });
    writeFileSync(path(), other);
    await expect(lock.check()).rejects.toThrow(OutputError);
    await lock.release();
    expect(readFileSync(path(), "utf8")).toBe(other);
  });

  it("never has two holders, though four processes fight for an abandoned one", async () => {
    writeFileSync(path(), JSON.stringify({ pid: 2 ** 22 + 1, host: hostname(), token: "t" }));
    const takers = [1, 2, 3, 4].map(() => {
      const child = taker(1500);
      let said = "";
      child.stdout.on("data", (piece: Buffer) => {
        said += piece;
      });
      return once(child, "exit").then(() => JSON.parse(said) as { taken: number; overlaps: number });
    });
    const results = await Promise.all(takers);
    expect(results.reduce((sum, r) => sum + r.taken, 0)).toBeGreaterThan(10);
    expect(results.reduce((sum, r) => sum + r.overlaps, 0)).toBe(0);
  });
});

describe("two runs into one output", () => {
  it("at once: one does it, the other says who does", async () => {
    const images = join(folder, "in");
    await drawFolder(images, 60);
    const out = join(folder, "f.npy");
    const runs = [1, 2].map(() => startExtract({ out, from: images, imageSize: 64 }));
    const [a, b] = await Promise.all(runs.map((r) => r.ended));
    const [won, lost] = a.code === 3 ? [a, b] : [b, a];
    expect(won.code, won.err).toBe(3);
    // Where the first had ended before the second began, that one finds all done.
    if (lost.code !== 3) {
      expect(lost.code, lost.err).toBe(8);
      expect(lost.err).toMatch(/Another run writes into .*f\.npy\.run: process \d+ on /);
    }
    const alone = join(folder, "alone.npy");
    await startExtract({ out: alone, from: images, imageSize: 64 }).ended;
    expect(contentOf(out)).toEqual(contentOf(alone));
  });

  it("that cannot see each other do not mix: the one whose lock was taken stops with what it has", async () => {
    writeFiles(join(folder, "in"), { "a.png": "1", "b.png": "2", "c.png": "3" });
    const out = join(folder, "f.npy");
    const rooms = fakeRooms(folder);
    const network = await rooms.openNetwork({ model: "inception_v1", device: "auto", weights: "seeded" });
    const openNetwork: typeof rooms.openNetwork = async () => ({
      ...network,
      run: (images) => {
        writeFileSync(`${out}.run/lock`, JSON.stringify({ pid: 1, host: "another-machine", token: "t" }));
        return network.run(images);
      },
    });
    const running = extract(requestFor(join(folder, "in"), { out, format: "npy" }), {
      ...rooms,
      openNetwork,
    });
    await expect(running).rejects.toThrow(/Another process has taken over/);
    expect(existsSync(out)).toBe(false);
  });
});
