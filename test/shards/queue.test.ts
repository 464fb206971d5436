/** Shards from a queue: with a real Redis, which is emptied, whose workers are killed, and which goes away. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UsageError } from "../../src/errors.ts";
import { checkShards } from "../../src/shards/index.ts";
import { workQueue } from "../../src/shards/queue.ts";
import { runMain } from "../cli/helpers.ts";
import { temporaryFolder } from "../support/features.ts";
import { drawFolder, startCommand } from "../support/runs.ts";
import { planSmall, resultsIn } from "../support/shards.ts";

const there = spawnSync("redis-server", ["--version"]).status === 0;
/** In CI its absence is a failure. */
const runs = there || process.env.CI === "true";
if (!runs) console.log("Tests of queues are skipped: there is no redis-server here.");

let folder = "";
let images = "";
let redis: ChildProcess;
let address = "";
let unbroken: Record<string, string> = {};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Says a command to Redis, and gives the answer's first line. */
const tell = (...command: string[]): string =>
  spawnSync("redis-cli", ["-u", address, ...command], { encoding: "utf8" }).stdout.trim();

async function startRedis(): Promise<void> {
  const { port } = new URL(address);
  redis = spawn("redis-server", ["--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", folder], {
    stdio: "ignore",
  });
  for (let i = 0; tell("PING") !== "PONG"; i++) {
    if (i > 200) throw new Error("Redis does not start");
    await sleep(25);
  }
}

const published = (out: string) =>
  Object.fromEntries(Object.entries(resultsIn(out)).filter(([name]) => !/^_(running|failed)\//.test(name)));
const plan = (out: string) => planSmall(out, { inputs: [images], perShard: 5 });

beforeAll(async () => {
  if (!runs) return;
  folder = temporaryFolder();
  address = `redis://127.0.0.1:${await freePort()}`;
  await startRedis();
  images = join(folder, "images");
  await drawFolder(images, 19);
  const { plan: frozen, out } = await plan(join(folder, "unbroken"));
  const { runShard } = await import("../../src/shards/index.ts");
  for (const shard of frozen.shards.keys())
    await runShard({ plan: frozen, out, shard, scratch: join(folder, "s") });
  unbroken = published(join(folder, "unbroken"));
});
afterAll(() => void redis?.kill("SIGKILL"));

/** A worker in this process. */
const worker = (planned: Awaited<ReturnType<typeof plan>>, name: string, change: object = {}) =>
  workQueue({ ...planned, queue: address, scratch: join(folder, name), patience: 2, look: 300, ...change });

describe.runIf(runs)("workers of a queue", () => {
  it("share the shards of a plan, and end when all are done", async () => {
    const planned = await plan(join(folder, "shared"));
    const [a, b] = await Promise.all([worker(planned, "a"), worker(planned, "b")]);
    expect(a.checked.done.size).toBe(4);
    expect(a.reports.length + b.reports.length).toBeGreaterThanOrEqual(4);
    expect(published(join(folder, "shared"))).toEqual(unbroken);
  });

  it("go on when the queue is emptied in the middle", async () => {
    const planned = await plan(join(folder, "flushed"));
    let flushed = false;
    const fetched = () => {
      if (!flushed) tell("FLUSHALL");
      flushed = true;
    };
    const events = { started: fetched };
    const { checked } = await worker(planned, "c", { events });
    expect(flushed).toBe(true);
    expect(checked.done.size).toBe(4);
    expect(published(join(folder, "flushed"))).toEqual(unbroken);
  });

  it("pass over what names no shard of the plan, and write no note of it", async () => {
    const out = join(folder, "strange");
    const planned = await plan(out);
    const { Queue } = await import("bullmq");
    const queue = new Queue(`slimfeatures-${planned.plan.hash.slice(0, 12)}`, {
      connection: { url: address },
    });
    const strange = [
      null,
      {},
      { shard: -1 },
      { shard: 4 },
      { shard: 0.5 },
      { shard: "length" },
      { shard: "../../x" },
    ];
    await queue.addBulk(strange.map((data) => ({ name: "shard", data, opts: { attempts: 5 } })));
    await queue.close();
    const lost: number[] = [];
    const { checked } = await worker(planned, "h", { failed: (shard: number) => lost.push(shard) });
    expect(checked).toMatchObject({ missing: [], failed: [] });
    expect(lost).toEqual([]);
    expect(existsSync(join(out, "_failed"))).toBe(false);
    expect(published(out)).toEqual(unbroken);
  });

  it("take over what a killed one had", async () => {
    const out = join(folder, "killed");
    const planned = await plan(out);
    const args = [
      "work",
      "--plan",
      out,
      "--queue",
      address,
      "--patience",
      "2",
      "--look",
      "1",
      "--scratch",
      join(folder, "d"),
    ];
    const first = startCommand(args);
    await first.says("computing");
    first.child.kill("SIGKILL");
    await first.ended;
    const { code, err, out: said } = await startCommand(args).ended;
    expect(code, err).toBe(0);
    expect(said).toMatch(/published: \d+ images/);
    expect((await checkShards(planned.plan, planned.out, { thorough: true })).done.size).toBe(4);
    expect(published(out)).toEqual(unbroken);
  });

  it("give a shard up that cannot be computed, do the others, and say so", async () => {
    const out = join(folder, "given up");
    const planned = await plan(out);
    rmSync(join(out, "_plan/00002.jsonl"));
    const lost: [number, boolean][] = [];
    const failed = (shard: number, _error: Error, last: boolean) => lost.push([shard, last]);
    const { checked } = await worker(planned, "e", { failed, attempts: 1 });
    expect(lost).toEqual([[2, true]]);
    expect([...checked.done.keys()].sort()).toEqual([0, 1, 3]);
    expect(checked.failed).toMatchObject([{ shard: 2, error: expect.stringContaining("00002.jsonl") }]);
    // It is not taken again until that is asked for.
    expect((await worker(planned, "e")).reports).toEqual([]);
    expect((await runMain("shards", "check", "--plan", out, "--requeue", "--queue", address)).out).toBe(
      "2\n",
    );
    expect(tell("--scan", "--pattern", `*${planned.plan.hash.slice(0, 12)}-2`)).not.toBe("");
  });

  it("wait for a queue that goes away", async () => {
    const planned = await plan(join(folder, "away"));
    let away: Promise<void> | undefined;
    const notices: string[] = [];
    const started = () => {
      away ??= (async () => {
        redis.kill("SIGKILL");
        await once(redis, "exit");
        await sleep(500);
        await startRedis();
      })();
    };
    const { checked } = await worker(planned, "f", {
      events: { started },
      notice: (s: string) => notices.push(s),
    });
    await away;
    expect(notices.join()).toMatch(/queue: /);
    expect(checked.done.size).toBe(4);
  });

  it("stopped by a signal give their shard back at once", async () => {
    const planned = await plan(join(folder, "stopped"));
    const controller = new AbortController();
    const events = { started: () => controller.abort("SIGTERM") };
    await expect(worker(planned, "g", { events, signal: controller.signal })).rejects.toThrow(
      "Stopped by SIGTERM",
    );
    const { checked } = await worker(planned, "h", { patience: 600 });
    expect(checked.done.size).toBe(4);
  });

  it("say what is wrong where there is no queue", async () => {
    const planned = await plan(join(folder, "none"));
    await expect(worker(planned, "i", { queue: "http://host" })).rejects.toThrow(UsageError);
    const port = await freePort();
    const none = worker(planned, "i", { queue: `redis://me:secret@127.0.0.1:${port}` });
    await expect(none).rejects.toThrow(`The queue redis://127.0.0.1:${port} does not answer`);
  });
});
