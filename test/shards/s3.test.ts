/** Shards on S3: a stub on loopback, with the faults that servers and networks have. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { OtherSettingsError, OutputError } from "../../src/errors.ts";
import { checkShards, mergeShards, readPlan, runShard } from "../../src/shards/index.ts";
import { openStorage } from "../../src/shards/storage/index.ts";
import { findFormat } from "../../src/tables/formats/index.ts";
import { tar } from "../checkpoint/support.ts";
import { temporaryFolder } from "../support/features.ts";
import { startCommand } from "../support/runs.ts";
import { type Fault, type S3Server, startS3 } from "../support/s3-server.ts";
import { planSmall } from "../support/shards.ts";

let folder = "";
let server: S3Server;
let fault: (asked: { method: string; path: string; before: number }) => Fault = () => undefined;
let archive: Buffer;

beforeAll(async () => {
  const draw = (background: string) =>
    sharp({ create: { width: 20, height: 16, channels: 3, background } })
      .jpeg()
      .toBuffer();
  archive = tar([
    { name: "1.jpg", data: await draw("red") },
    { name: "1.txt", data: Buffer.from("red") },
    { name: "2.jpg", data: await draw("blue") },
  ]);
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "test",
    AWS_EC2_METADATA_DISABLED: "true",
  });
  server = await startS3((asked) => fault(asked));
  // One server for all tests: a process keeps its client.
  process.env.AWS_ENDPOINT_URL_S3 = server.endpoint;
  return () => server.close();
});
beforeEach(() => {
  folder = temporaryFolder();
  server.objects.clear();
});
afterEach(() => {
  fault = () => undefined;
});

const putInputs = (count: number) => {
  for (let i = 0; i < count; i++) server.objects.set(`data/in/0${i}.tar`, { bytes: archive });
};

describe("a bucket", () => {
  it("gives and takes files: whole, by ranges, lists in pages, and never one in the place of another", async () => {
    const storage = await openStorage("s3://data/some/folder");
    for (let i = 0; i < 8; i++) await storage.put(`n/${i}`, Buffer.from(`content ${i}`), { ifAbsent: false });
    const names = [];
    for await (const { name, bytes } of storage.list("n/")) names.push(`${name} ${bytes}`);
    expect(names).toEqual(Array.from({ length: 8 }, (_, i) => `n/${i} 9`));
    expect(server.names("data/some/folder/n/")).toHaveLength(8);
    expect(String(await storage.read("n/3"))).toBe("content 3");
    expect(String(await storage.read("n/3", 2, 5))).toBe("nte");
    expect(String(await storage.read("n/3", 8))).toBe("3");
    expect(await storage.read("n/9")).toBeUndefined();
    expect(await storage.find("n/9")).toBeUndefined();
    expect(await storage.find("n/1")).toEqual({ name: "n/1", bytes: 9 });
    expect(await storage.put("n/1", Buffer.from("other"), { ifAbsent: true })).toBe(false);
    expect(await storage.put("m", Buffer.from("other"), { ifAbsent: true })).toBe(true);
    expect(String(await storage.read("n/1"))).toBe("content 1");
    const hash = await storage.hashOf("n/1");
    server.objects.set("data/some/folder/foreign", { bytes: Buffer.from("content 1") });
    expect(await storage.hashOf("foreign")).toBe(hash);
    await storage.remove("n/1");
    await storage.remove("n/1");
    expect(await storage.find("n/1")).toBeUndefined();
  });

  it("that answers 503, breaks off or does not answer is asked again", async () => {
    const storage = await openStorage("s3://data/x");
    fault = ({ method, before }) =>
      method === "PUT" && before < 2 ? ([503, "half"] as const)[before] : undefined;
    expect(await storage.put("a", Buffer.alloc(300_000, 7), { ifAbsent: true })).toBe(true);
    fault = ({ method, before }) =>
      method === "GET" && before < 2 ? (["half", "cut"] as const)[before] : undefined;
    await storage.download("a", join(folder, "a"));
    expect(readFileSync(join(folder, "a")).equals(Buffer.alloc(300_000, 7))).toBe(true);
    expect(existsSync(join(folder, "a.part"))).toBe(false);
    fault = () => 403;
    await expect(storage.put("b", Buffer.from("x"), { ifAbsent: true })).rejects.toThrow(OutputError);
    await expect(storage.read("a")).rejects.toThrow(/Cannot read s3:\/\/data\/x\/a.*403/);
  });

  it("that conflicts with another put is asked who was first", async () => {
    const storage = await openStorage("s3://data/x");
    fault = ({ method, before }) => (method === "PUT" && before < 1 ? 409 : undefined);
    expect(await storage.put("c", Buffer.from("x"), { ifAbsent: true })).toBe(true);
  });
});

describe("shards on S3", () => {
  it("are planned, computed by two at once, checked and merged there", async () => {
    putInputs(3);
    const planned = await planSmall("s3://data/out", { inputs: ["s3://data/in/"] });
    expect(planned.plan.shards).toHaveLength(3);
    const { plan, out } = await readPlan("s3://data/out");
    const workers = [0, 1].map(async (worker) => {
      const outcomes = [];
      for (const shard of plan.shards.keys())
        outcomes.push((await runShard({ plan, out, shard, scratch: join(folder, `${worker}`) })).outcome);
      return outcomes;
    });
    const outcomes = (await Promise.all(workers)).flat();
    expect(outcomes.filter((o) => o === "published")).toHaveLength(3);
    expect((await checkShards(plan, out, { thorough: true })).done.size).toBe(3);
    expect(server.names("data/out/_running/")).toEqual([]);
    const to = join(folder, "merged.npy");
    await mergeShards({ plan, out, to, format: findFormat("npy") });
    const here = join(folder, "in");
    mkdirSync(here);
    for (const i of [0, 1, 2]) writeFileSync(join(here, `0${i}.tar`), archive);
    const local = await planSmall(join(folder, "local"), { inputs: [here] });
    for (const shard of [0, 1, 2]) await runShard({ ...local, shard, scratch: join(folder, "s") });
    await mergeShards({ ...local, to: join(folder, "local.npy"), format: findFormat("npy") });
    expect(readFileSync(to).equals(readFileSync(join(folder, "local.npy")))).toBe(true);
  });

  // Each of the files that a shard publishes, and each way in which a put can end.
  const files = ["_manifest/00000.jsonl", "features/00000.parquet", "_stats/00000_stats.json"];
  it.each(
    files.flatMap((file) =>
      (["cut", "half", "unanswered", 503] as const).map((kind) => [file, kind] as const),
    ),
  )("with %s put under a server that fails by %s are published once and whole", async (file, kind) => {
    putInputs(1);
    const { plan, out } = await planSmall("s3://data/out", { inputs: ["s3://data/in/00.tar"] });
    fault = ({ method, path, before }) =>
      method === "PUT" && path === `data/out/${file}` && before === firstOf(path) ? kind : undefined;
    const asked = server.asked.length;
    const firstOf = (path: string) =>
      server.asked.slice(0, asked).filter((a) => a.method === "PUT" && a.path === path).length;
    const report = await runShard({ plan, out, shard: 0, scratch: folder });
    // Done and unanswered is done: the second attempt meets the first one's file, and its bytes are the same.
    expect(["published", "there"]).toContain(report.outcome);
    expect((await checkShards(plan, out, { thorough: true })).done.size).toBe(1);
  });

  it("with a server that stays away while publishing are not there, and the same command again publishes them", async () => {
    putInputs(1);
    const { plan, out } = await planSmall("s3://data/out", { inputs: ["s3://data/in/00.tar"] });
    fault = ({ method, path }) => (method === "PUT" && path.includes("/features/") ? 503 : undefined);
    const failing = runShard({ plan, out, shard: 0, scratch: folder });
    await expect(failing).rejects.toMatchObject({ exitCode: 7 });
    expect((await checkShards(plan, out)).missing).toEqual([0]);
    // It may pass, so nothing says that the shard was given up.
    expect((await checkShards(plan, out)).failed).toEqual([]);
    fault = () => undefined;
    expect((await runShard({ plan, out, shard: 0, scratch: folder })).outcome).toBe("published");
  });

  it("published with other bytes meanwhile are 412, then refused", async () => {
    putInputs(1);
    const { plan, out } = await planSmall("s3://data/out", { inputs: ["s3://data/in/00.tar"] });
    const { stats } = await runShard({ plan, out, shard: 0, scratch: folder });
    const objects = Object.fromEntries(
      Object.entries(stats.objects).map(([name, o]) => [name, { ...o, sha256: "0" }]),
    );
    const others = Buffer.from(JSON.stringify({ ...stats, objects }));
    server.objects.delete("data/out/_stats/00000_stats.json");
    fault = ({ method, path }) => {
      // Another publishes between our look and our last file.
      if (method === "PUT" && path.includes("/_stats/")) server.objects.set(path, { bytes: others });
      return undefined;
    };
    await expect(runShard({ plan, out, shard: 0, scratch: folder })).rejects.toThrow(OtherSettingsError);
    expect(server.objects.get("data/out/_stats/00000_stats.json")?.bytes).toBe(others);
  });

  it("survive kill -9 of their workers at any moment", async () => {
    putInputs(2);
    await planSmall("s3://data/out", { inputs: ["s3://data/in/{00..01}.tar"] });
    const { plan, out } = await readPlan("s3://data/out");
    // Killed as a certain request comes in: before each of the files of a shard.
    for (const moment of [
      "GET data/in/",
      "PUT data/out/_manifest",
      "PUT data/out/features",
      "PUT data/out/_stats",
    ]) {
      const run = startCommand([
        "shard",
        "--plan",
        "s3://data/out",
        "--shard",
        "0/1",
        "--scratch",
        join(folder, "k"),
      ]);
      fault = ({ method, path }) => {
        if (`${method} ${path}`.startsWith(moment)) run.child.kill("SIGKILL");
        return undefined;
      };
      expect((await run.ended).signal).toBe("SIGKILL");
    }
    fault = () => undefined;
    const run = startCommand([
      "shard",
      "--plan",
      "s3://data/out",
      "--shard",
      "0/1",
      "--scratch",
      join(folder, "k"),
    ]);
    const { code, err } = await run.ended;
    expect(code, err).toBe(0);
    expect((await checkShards(plan, out, { thorough: true })).done.size).toBe(2);
  });
});
