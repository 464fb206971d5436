/** A run whose parent is killed ends with it, where that was asked for, and keeps what it computed. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { toldByPs } from "../../src/extract/lock.ts";
import { temporaryFolder } from "../support/features.ts";
import { contentOf, drawFolder, root, startExtract } from "../support/runs.ts";

let folder = "";
let images = "";
beforeAll(async () => {
  folder = temporaryFolder();
  images = join(folder, "images");
  await drawFolder(images, 300);
});

const tool = join(root, "bin/slimfeatures.mjs");
const extract = (out: string, ...more: string[]) => [
  ...["extract", "--model", "mobilenet_v1_025", "--weights", "seeded", "--format", "npy", "--device", "cpu"],
  ...["--threads", "1", "--image-size", "192", "--data-dir", images, "--out", out, ...more],
];

const isThere = (pid: number) => {
  try {
    process.kill(pid, 0);
    return !toldByPs(pid).ended;
  } catch {
    return false;
  }
};

/** Until a run's lock says whose it is; a run that has one computes, or will at once. */
async function holderOf(out: string, parent: ChildProcess): Promise<number> {
  for (;;) {
    if (parent.exitCode !== null) throw new Error("the run ended before it computed");
    const lock = join(`${out}.run`, "lock");
    if (existsSync(lock)) return (JSON.parse(readFileSync(lock, "utf8")) as { pid: number }).pid;
    await sleep(20);
  }
}

/** What stands between us and the run: a parent that waits for it, whom we kill. */
const parents: Readonly<Record<string, (args: readonly string[]) => ChildProcess>> = {
  // A shell that waits, as those of queues and job arrays do.
  parent: (args) =>
    spawn("sh", ["-c", '"$@"; echo over', "sh", process.execPath, tool, ...args], { stdio: "ignore" }),
  // The pipe comes through a shell that stays: only its owner's end is seen.
  stdin: (args) =>
    spawn(
      process.execPath,
      [
        "-e",
        `const { spawn } = require("node:child_process");
         spawn("sh", ["-c", '"$@"; echo over', "sh", ...process.argv.slice(1)], { stdio: ["pipe", "ignore", "ignore"] });
         setInterval(() => {}, 1000);`,
        process.execPath,
        tool,
        ...args,
      ],
      { stdio: "ignore" },
    ),
};

describe("a run that is to end with", () => {
  it.each(["parent", "stdin"])("its %s leaves no orphan, and the next one goes on", async (what) => {
    const out = join(folder, `${what}.npy`);
    const parent = parents[what](extract(out, "--end-with", what, "--commit-every", "1"));
    const pid = await holderOf(out, parent);
    while (!readdirSync(`${out}.run`).some((name) => name.endsWith(".jsonl"))) await sleep(20);
    expect(isThere(pid)).toBe(true);
    parent.kill("SIGKILL");
    await once(parent, "exit");
    while (isThere(pid)) await sleep(50);
    expect(existsSync(out)).toBe(false);
    expect(existsSync(join(`${out}.run`, "lock"))).toBe(false);
    const again = await startExtract({ out, from: images, imageSize: 192 }).ended;
    expect(again.code, again.err).toBe(3);
    expect(again.err).toMatch(/going on: \d+ images are known/);
  });

  it("stdin ends by itself when it is done, though the pipe stays open", async () => {
    const plain = join(folder, "plain.npy");
    const from = join(folder, "few");
    await drawFolder(from, 7);
    await startExtract({ out: plain, from, imageSize: 64 }).ended;
    const watched = join(folder, "watched.npy");
    const own = spawn(
      process.execPath,
      [
        ...[tool, "extract", "--model", "mobilenet_v1_025", "--weights", "seeded", "--format", "npy"],
        ...["--device", "cpu", "--image-size", "64", "--data-dir", from, "--out", watched],
        ...["--end-with", "stdin"],
      ],
      { stdio: ["pipe", "ignore", "pipe"] },
    );
    own.stderr?.resume();
    const [done] = (await once(own, "exit")) as [number];
    expect(done).toBe(3);
    expect(contentOf(watched)).toEqual(contentOf(plain));
  });

  it("stdin is refused where stdin is the list", async () => {
    const out = join(folder, "list.npy");
    const child = spawn(process.execPath, [tool, ...extract(out), "--end-with", "stdin", "--list", "-"], {
      stdio: ["pipe", "ignore", "pipe"],
    });
    let err = "";
    child.stderr?.on("data", (piece: Buffer) => {
      err += piece;
    });
    child.stdin?.end("x.jpg\n");
    expect(await once(child, "exit")).toEqual([2, null]);
    expect(err).toMatch(/stdin is the list/);
  });
});
