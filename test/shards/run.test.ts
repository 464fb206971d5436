/** Shards: together they are the single run, whoever computes them and however often. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { BusyError, OtherSettingsError, UserError } from "../../src/errors.ts";
import { extract } from "../../src/extract/extract.ts";
import { takeLock } from "../../src/extract/lock.ts";
import { ownRooms } from "../../src/extract/rooms.ts";
import { listFolder } from "../../src/node/images/index.ts";
import {
  checkShards,
  keepNetwork,
  markSuccess,
  mergeShards,
  requeue,
  runShard,
  statusOf,
} from "../../src/shards/index.ts";
import { findFormat } from "../../src/tables/formats/index.ts";
import { readFeatures } from "../../src/tables/readers/index.ts";
import { tar } from "../checkpoint/support.ts";
import { runMain } from "../cli/helpers.ts";
import { itWithPython, runPython, temporaryFolder } from "../support/features.ts";
import { drawFolder } from "../support/runs.ts";
import { planSmall, resultsIn, smallSettings } from "../support/shards.ts";

const count = 13;
let images = "";
let folder = "";

beforeAll(async () => {
  images = join(temporaryFolder(), "images");
  await drawFolder(images, count);
});
beforeEach(() => {
  folder = temporaryFolder();
});

const json = (path: string) => JSON.parse(readFileSync(path, "utf8"));
const lines = (path: string) =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));

/** Computes every shard of a plan, the last first. */
async function runAll(
  { plan, out }: Awaited<ReturnType<typeof planSmall>>,
  scratch = join(folder, "scratch"),
) {
  const reports = [];
  for (const shard of [...plan.shards.keys()].reverse())
    reports.push(await runShard({ plan, out, shard, scratch }));
  return reports;
}

describe("all shards merged", () => {
  const single = (out: string, change: object = {}) =>
    extract({ ...smallSettings, batchSize: "auto", inputs: [images], out, ...change }, ownRooms);

  it.each([
    [1, "npy", {}],
    [2, "npy", {}],
    [7, "npy", {}],
    [7, "pkl", { topk: 3 }],
    [2, "parquet", { dtype: "float16" }],
    [7, "npz", { dtype: "float16", l2: true }],
  ] as const)("of %i are the single run as %s, byte for byte (%o)", async (n, format, change) => {
    const perShard = Math.ceil((count + 1) / n);
    const settings = { ...smallSettings, ...change };
    const planned = await planSmall(join(folder, "out"), { inputs: [images], perShard, settings });
    expect(planned.plan.shards).toHaveLength(n);
    await runAll(planned);
    const merged = join(folder, `merged.${format}`);
    await mergeShards({ ...planned, to: merged, format: findFormat(format) });
    const one = join(folder, `one.${format}`);
    await single(one, { format, ...change });
    expect(readFileSync(merged).equals(readFileSync(one))).toBe(true);
    const beside = (path: string, end: string) =>
      format === "parquet" ? join(folder, `_${path.slice(folder.length + 1)}${end}`) : `${path}${end}`;
    expect(readFileSync(beside(merged, ".json"), "utf8")).toBe(readFileSync(beside(one, ".json"), "utf8"));
    const rows = (path: string) =>
      lines(beside(path, ".manifest.jsonl")).map(({ shard: _, ...record }) => record);
    expect(rows(merged)).toEqual(rows(one));
  });

  it("of n = 7 in either layout are the same, whatever the number of threads", async () => {
    const files = [];
    for (const layout of ["parquet", "clip-retrieval"] as const) {
      const planned = await planSmall(join(folder, layout), { inputs: [images], perShard: 2, layout });
      const { plan, out } = planned;
      for (const shard of plan.shards.keys())
        await runShard({
          plan,
          out,
          shard,
          scratch: join(folder, "s"),
          threads: 1 + (shard % 2),
          batchSize: 1 + shard,
        });
      const to = join(folder, `${layout}.npy`);
      await mergeShards({ ...planned, to, format: findFormat("npy") });
      files.push(readFileSync(to, "latin1"));
    }
    expect(files[0]).toBe(files[1]);
  });

  it.each(["features/00001.parquet", "_manifest/00001.jsonl", "_manifest/00000.json"])(
    "are refused where %s has other bytes than were published",
    async (name) => {
      const planned = await planSmall(join(folder, "out"), { inputs: [images], perShard: 8 });
      await runAll(planned);
      const path = join(folder, "out", name);
      const bytes = readFileSync(path);
      bytes[bytes.length >> 1] ^= 1;
      writeFileSync(path, bytes);
      const to = join(folder, "all.npy");
      await expect(mergeShards({ ...planned, to, format: findFormat("npy") })).rejects.toThrow(
        new RegExp(`${name} has other bytes than were published`),
      );
      expect(existsSync(to)).toBe(false);
    },
  );

  it("are refused while one is missing", async () => {
    const planned = await planSmall(join(folder, "out"), { inputs: [images], perShard: 8 });
    await runShard({ ...planned, shard: 1, scratch: folder });
    const merging = mergeShards({ ...planned, to: join(folder, "m.npy"), format: findFormat("npy") });
    await expect(merging).rejects.toThrow("1 of 2 shards are not there");
  });
});

describe("a shard", () => {
  it("is named in one way, once", async () => {
    await planSmall(join(folder, "out"), { inputs: [images] });
    const named = (...args: string[]) => runMain("shard", "--plan", join(folder, "out"), ...args);
    for (const args of [
      [],
      ["--shard", "0/1", "--index-from-env"],
      ["--shard", "0/1", "--of", "1"],
      ["--of", "1"],
    ])
      expect(await named(...args)).toMatchObject({ code: 2 });
    expect((await named("--shard", "0/1", "--of", "1")).err).toContain("--of 1 goes with --index-from-env.");
    expect(existsSync(join(folder, "out/_stats"))).toBe(false);
  });

  it("computed twice, in other folders, is the same bytes, and names neither", async () => {
    const results = [];
    for (const copy of ["one", "two"]) {
      const planned = await planSmall(join(folder, copy), { inputs: [images], perShard: 8 });
      await runAll(planned, join(folder, `scratch of ${copy}`));
      results.push(resultsIn(join(folder, copy)));
    }
    expect(results[0]).toEqual(results[1]);
    expect(Object.keys(results[0])).toEqual([
      ...["_manifest/00000.json", "_manifest/00000.jsonl", "_manifest/00001.json", "_manifest/00001.jsonl"],
      ...["_plan.json", "_plan/00000.jsonl", "_plan/00001.jsonl"],
      ...[
        "_stats/00000_stats.json",
        "_stats/00001_stats.json",
        "features/00000.parquet",
        "features/00001.parquet",
      ],
    ]);
    for (const text of Object.values(results[0])) expect(text).not.toContain("scratch of");
    expect(readdirSync(join(folder, "scratch of one"))).toEqual([]);
  });

  it("that is there is not computed again", async () => {
    const planned = await planSmall(join(folder, "out"), { inputs: [images], perShard: 8 });
    await runAll(planned);
    const rooms = { ...ownRooms, openNetwork: () => Promise.reject(new Error("it computes")) };
    expect(await runShard({ ...planned, shard: 0, scratch: folder, rooms })).toMatchObject({
      outcome: "there",
    });
  });

  it("computed by several at once is published by one, and the others are content", async () => {
    const planned = await planSmall(join(folder, "out"), { inputs: [images], perShard: 20 });
    const at = [1, 2, 3, 4].map((i) => runShard({ ...planned, shard: 0, scratch: join(folder, String(i)) }));
    const outcomes = (await Promise.all(at)).map(({ outcome }) => outcome).sort();
    expect(outcomes).toEqual(["published", "there", "there", "there"]);
    expect(readdirSync(join(folder, "out/_running"))).toEqual([]);
  });

  it("that another process of this machine computes is busy, with a code of its own", async () => {
    const planned = await planSmall(join(folder, "out"), { inputs: [images], perShard: 20 });
    const scratch = join(folder, `${planned.plan.hash.slice(0, 12)}-00000`);
    mkdirSync(scratch);
    const lock = await takeLock(scratch);
    await expect(runShard({ ...planned, shard: 0, scratch: folder })).rejects.toThrow(BusyError);
    const run = await runMain("shard", "--plan", join(folder, "out"), "--shard", "0/1", "--scratch", folder);
    expect(run.code).toBe(8);
    await lock.release();
    // Nothing of it is a failure of the shard.
    expect((await checkShards(planned.plan, planned.out)).failed).toEqual([]);
  });

  it("with other bytes than the published ones fails loudly, and those stay", async () => {
    const planned = await planSmall(join(folder, "out"), { inputs: [images], perShard: 20 });
    await runAll(planned);
    const before = resultsIn(join(folder, "out"));
    // As a worker sees it that computes while another publishes: the last file was not there when it began.
    const { out } = planned;
    let looks = 0;
    const late = {
      ...out,
      read: async (name: string) => (name.includes("_stats/") && looks++ === 0 ? undefined : out.read(name)),
    };
    const openNetwork: typeof ownRooms.openNetwork = async (options) => {
      const network = await ownRooms.openNetwork(options);
      const run: typeof network.run = async (inputs) => {
        const computed = await network.run(inputs);
        computed.outputs[0][0] += 1;
        return computed;
      };
      return { ...network, run };
    };
    const running = runShard({
      ...planned,
      out: late,
      shard: 0,
      scratch: folder,
      rooms: { ...ownRooms, openNetwork },
    });
    await expect(running).rejects.toThrow(OtherSettingsError);
    await expect(running).rejects.toThrow(
      /published with other bytes than were computed here: features\/00000\.parquet/,
    );
    expect(resultsIn(join(folder, "out"))).toMatchObject(before);
  });

  it("whose worker died before its last file, with other bytes, is published by the next", async () => {
    const planned = await planSmall(join(folder, "out"), { inputs: [images], perShard: 20 });
    mkdirSync(join(folder, "out/features"));
    writeFileSync(join(folder, "out/features/00000.parquet"), "of a GPU of another kind");
    expect((await runAll(planned))[0].outcome).toBe("published");
    expect((await checkShards(planned.plan, planned.out, { thorough: true })).done.size).toBe(1);
  });

  it("is refused where the weights or the files are others than those that were planned", async () => {
    const labels = join(folder, "labels.txt");
    writeFileSync(labels, Array.from({ length: 1001 }, (_, i) => `class ${i}`).join("\n"));
    const settings = { ...smallSettings, labels, topk: 1 };
    const planned = await planSmall(join(folder, "out"), { inputs: [images], perShard: 20, settings });
    writeFileSync(labels, Array.from({ length: 1001 }, (_, i) => `other ${i}`).join("\n"));
    await expect(runAll(planned)).rejects.toThrow(/labels\.txt is not the file that was planned with/);
    const other = await planSmall(join(folder, "other"), { inputs: [images], perShard: 20 });
    const plan = { ...other.plan, weights: "sha256 of others" };
    await expect(runAll({ ...other, plan })).rejects.toThrow(
      /The weights here are seeded, and the plan's are sha256/,
    );
    const { failed } = await checkShards(planned.plan, planned.out);
    expect(failed).toEqual([]);
  });

  it("after another leaves the network open between them", async () => {
    const planned = await planSmall(join(folder, "out"), { inputs: [images], perShard: 4 });
    let [opened, closed] = [0, 0];
    const openNetwork: typeof ownRooms.openNetwork = async (options) => {
      opened++;
      const network = await ownRooms.openNetwork(options);
      const close = async () => {
        closed++;
        await network.close();
      };
      return Object.create(network, { close: { value: close } });
    };
    const { rooms, close } = keepNetwork({ ...ownRooms, openNetwork });
    for (const shard of planned.plan.shards.keys())
      await runShard({ ...planned, shard, scratch: folder, rooms });
    expect([opened, closed]).toEqual([1, 0]);
    await close();
    expect(closed).toBe(1);
    const failing = keepNetwork({
      ...ownRooms,
      openNetwork: async (options) => {
        const network = await openNetwork(options);
        const dead = opened === 2;
        return dead
          ? Object.create(network, { run: { value: () => Promise.reject(new Error("lost")) } })
          : network;
      },
    });
    const again = await planSmall(join(folder, "again"), { inputs: [images], perShard: 4 });
    const run = (shard: number) => runShard({ ...again, shard, scratch: folder, rooms: failing.rooms });
    // One that was lost is not what the next shard meets.
    await expect(run(0)).rejects.toThrow("lost");
    for (const shard of again.plan.shards.keys()) await run(shard);
    expect([opened, closed]).toEqual([3, 2]);
    await failing.close();
    const alone = await planSmall(join(folder, "alone"), { inputs: [images], perShard: 4 });
    await runAll(alone);
    expect(resultsIn(join(folder, "out"))).toEqual(resultsIn(join(folder, "alone")));
  });

  it("stopped in the middle keeps what it computed for the next on this machine", async () => {
    const planned = await planSmall(join(folder, "out"), { inputs: [images], perShard: 20 });
    const controller = new AbortController();
    const events = { progressed: (done: number) => void (done >= 4 && controller.abort("SIGTERM")) };
    const running = runShard({
      ...planned,
      shard: 0,
      scratch: folder,
      signal: controller.signal,
      events,
      batchSize: 2,
      workers: 1,
    });
    await expect(running).rejects.toThrow("Stopped by SIGTERM");
    expect(existsSync(join(folder, "out/_stats"))).toBe(false);
    let known = 0;
    const started = (_count: number, _network: unknown, before: number) => {
      known = before;
    };
    await runShard({ ...planned, shard: 0, scratch: folder, events: { started } });
    expect(known).toBeGreaterThan(0);
  });
});

describe("shards without features", () => {
  it("are done: with images that all fail, and without any", async () => {
    const shards = join(folder, "tars");
    mkdirSync(shards);
    writeFileSync(join(shards, "0.tar"), tar([]));
    writeFileSync(join(shards, "1.tar"), tar([{ name: "broken.jpg", data: Buffer.from("no image") }]));
    const good = await sharp({ create: { width: 9, height: 9, channels: 3, background: "red" } })
      .png()
      .toBuffer();
    writeFileSync(join(shards, "2.tar"), tar([{ name: "good.png", data: good }]));
    const planned = await planSmall(join(folder, "out"), { inputs: [shards] });
    const stats = (await runAll(planned)).map((report) => report.stats).reverse();
    expect(
      stats.map(({ count, successes, failed_to_resize }) => [count, successes, failed_to_resize]),
    ).toEqual([
      [0, 0, 0],
      [1, 0, 1],
      [1, 1, 0],
    ]);
    expect(readdirSync(join(folder, "out/features"))).toEqual(["00002.parquet"]);
    const to = join(folder, "all.npy");
    await mergeShards({ ...planned, to, format: findFormat("npy") });
    expect(json(`${to}.json`)).toMatchObject({
      paths: ["2.tar/good.png"],
      images: { found: 2, written: 1, failed: 1 },
    });
  });
});

describe("a shard whose files cannot be had", () => {
  /** Twelve images in a folder, and links to them in another. */
  async function planned(of: "files" | "links") {
    const disk = join(folder, "disk");
    await drawFolder(join(disk, "images"), 12);
    const links = join(folder, "links");
    mkdirSync(links);
    for (const { key } of await listFolder(join(disk, "images")))
      symlinkSync(join(disk, "images", key), join(links, key.replaceAll("/", "-")));
    const inputs = [of === "files" ? join(disk, "images") : links];
    return { disk, ...(await planSmall(join(folder, "out"), { inputs, perShard: 20 })) };
  }
  const run = ({ plan, out }: Awaited<ReturnType<typeof planSmall>>) =>
    runShard({ plan, out, shard: 0, scratch: join(folder, "scratch") });

  it.each([
    ["files", "away"],
    ["links", "away"],
    ["files", "empty"],
    ["links", "empty"],
  ] as const)("(%s on a disk that is %s) is not published, and is when they are there", async (of, how) => {
    const { disk, ...plan } = await planned(of);
    renameSync(disk, `${disk}-unmounted`);
    if (how === "empty") mkdirSync(join(disk, "images"), { recursive: true });
    await expect(run(plan)).rejects.toThrow(/13 of its 13 files cannot be had here/);
    await expect(run(plan)).rejects.toMatchObject({ exitCode: 1 });
    expect((await checkShards(plan.plan, plan.out)).missing).toEqual([0]);
    rmSync(disk, { recursive: true, force: true });
    renameSync(`${disk}-unmounted`, disk);
    expect((await run(plan)).stats).toMatchObject({ count: 13, successes: 12 });
  });

  it("is published without one that was removed from among the others", async () => {
    const { disk, ...plan } = await planned("files");
    rmSync(join(disk, "images/0/image 0.jpg"));
    expect((await run(plan)).stats).toMatchObject({
      count: 13,
      successes: 11,
      status_dict: { "it cannot be read (ENOENT)": 1 },
    });
  });

  it("since its archive goes in the middle is not published", async () => {
    const data = readFileSync(join(images, "0/image 0.jpg"));
    const archive = join(folder, "a.tar");
    const names = Array.from({ length: 40 }, (_, i) => `${i}.jpg`);
    // Each another content, so that each is computed.
    writeFileSync(
      archive,
      tar(names.map((name) => ({ name, data: Buffer.concat([data, Buffer.from(name)]) }))),
    );
    const { plan, out } = await planSmall(join(folder, "out"), { inputs: [archive] });
    const events = { started: () => rmSync(archive) };
    await expect(runShard({ plan, out, shard: 0, scratch: folder, events, workers: 1 })).rejects.toThrow(
      /files cannot be had here/,
    );
    expect((await checkShards(plan, out)).missing).toEqual([0]);
  });
});

describe("img2dataset's archives", () => {
  const picture = (background: string) =>
    sharp({ create: { width: 20, height: 16, channels: 3, background } })
      .jpeg()
      .toBuffer();

  async function archives(): Promise<string> {
    const shards = join(folder, "tars");
    mkdirSync(shards);
    for (const [number, colours] of [
      ["00000", ["red", "lime"]],
      ["00001", ["blue"]],
    ] as const) {
      const members = [];
      for (const [i, colour] of colours.entries()) {
        const key = `${number}${i}`;
        const told = {
          key,
          caption: `a ${colour} picture`,
          url: `https://host/${colour}.jpg`,
          status: "success",
        };
        members.push(
          { name: `${key}.jpg`, data: await picture(colour) },
          { name: `${key}.json`, data: Buffer.from(JSON.stringify(told)) },
          { name: `${key}.txt`, data: Buffer.from(told.caption) },
        );
      }
      writeFileSync(join(shards, `${number}.tar`), tar(members));
    }
    return shards;
  }

  it("keep their captions, keys and addresses, and give what one run over them gives", async () => {
    const shards = await archives();
    const planned = await planSmall(join(folder, "out"), { inputs: [shards] });
    await runAll(planned);
    const { asyncBufferFromFile, parquetReadObjects } = await import("hyparquet");
    const file = await asyncBufferFromFile(join(folder, "out/features/00000.parquet"));
    const rows = await parquetReadObjects({ file });
    expect(rows.map(({ feature: _, ...row }) => row)).toEqual([
      {
        path: "00000.tar/000000.jpg",
        caption: "a red picture",
        key: "000000",
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        url: "https://host/red.jpg",
      },
      expect.objectContaining({ key: "000001", caption: "a lime picture", url: "https://host/lime.jpg" }),
    ]);
    const to = join(folder, "all.npy");
    await mergeShards({ ...planned, to, format: findFormat("npy") });
    const one = join(folder, "one.npy");
    await extract({ ...smallSettings, batchSize: "auto", inputs: [shards], out: one }, ownRooms);
    expect(readFileSync(to).equals(readFileSync(one))).toBe(true);
    expect(readFileSync(`${to}.json`, "utf8")).toBe(readFileSync(`${one}.json`, "utf8"));
    expect(json(join(folder, "out/_stats/00000_stats.json"))).toMatchObject({
      count: 2,
      successes: 2,
      status_dict: { success: 2 },
    });
  });

  it("that changed since they were planned are refused", async () => {
    const shards = await archives();
    const planned = await planSmall(join(folder, "out"), { inputs: [shards] });
    writeFileSync(join(shards, "00001.tar"), tar([]));
    await expect(runAll(planned)).rejects.toThrow(
      /00001\.tar has 1024 bytes, and had \d+ when this was planned/,
    );
  });

  it("lie as clip-retrieval reads them", async () => {
    const planned = await planSmall(join(folder, "out"), {
      inputs: [await archives()],
      layout: "clip-retrieval",
    });
    await runAll(planned);
    expect(Object.keys(resultsIn(join(folder, "out"))).filter((name) => !name.startsWith("_"))).toEqual([
      ...["img_emb/img_emb_00000.npy", "img_emb/img_emb_00001.npy"],
      ...["metadata/metadata_00000.parquet", "metadata/metadata_00001.parquet"],
    ]);
    const { asyncBufferFromFile, parquetReadObjects } = await import("hyparquet");
    const file = await asyncBufferFromFile(join(folder, "out/metadata/metadata_00001.parquet"));
    expect(Object.keys((await parquetReadObjects({ file }))[0])).toEqual([
      "image_path",
      "caption",
      "key",
      "sha256",
      "url",
    ]);
  });

  itWithPython(
    "are one table for pyarrow and DuckDB, and numpy has the array with its metadata in order",
    async () => {
      const shards = await archives();
      const tables = await planSmall(join(folder, "out"), { inputs: [shards] });
      await runAll(tables);
      const arrays = await planSmall(join(folder, "clip"), { inputs: [shards], layout: "clip-retrieval" });
      await runAll(arrays);
      const program = `
import json, sys, numpy, duckdb, pyarrow.dataset as ds, pyarrow.parquet as pq
out, clip = sys.argv[1:]
table = ds.dataset(out + "/features", format="parquet").to_table().sort_by("key")
sql = "select key, caption, len(feature), array_cosine_similarity(feature::float[256], feature::float[256]) from '%s/features/*.parquet' order by key" % out
emb = numpy.concatenate([numpy.load(clip + "/img_emb/img_emb_0000%d.npy" % i) for i in (0, 1)])
meta = pq.read_table(clip + "/metadata").sort_by("key")
same = bool((emb == numpy.array(table["feature"].to_pylist(), dtype="f4")).all())
print(json.dumps([table["caption"].to_pylist(), [list(r[:3]) + [round(r[3], 5)] for r in duckdb.sql(sql).fetchall()], list(emb.shape), meta["key"].to_pylist(), same]))`;
      const captions = ["a red picture", "a lime picture", "a blue picture"];
      const keys = ["000000", "000001", "000010"];
      expect(runPython(program, join(folder, "out"), join(folder, "clip"))).toEqual([
        captions,
        keys.map((key, i) => [key, captions[i], 256, 1]),
        [3, 256],
        keys,
        true,
      ]);
    },
    "duckdb, pyarrow",
  );
});

describe("shards check", () => {
  it("names what is missing, failed and foreign, and says success only when all is there", async () => {
    const out = join(folder, "out");
    const planned = await planSmall(out, { inputs: [images], perShard: 4 });
    const { plan, out: storage } = planned;
    for (const shard of [0, 1, 2]) await runShard({ plan, out: storage, shard, scratch: folder });
    const stats = json(join(out, "_stats/00001_stats.json"));
    writeFileSync(join(out, "_stats/00001_stats.json"), JSON.stringify({ ...stats, plan: "f".repeat(64) }));
    rmSync(join(out, "features/00002.parquet"));
    rmSync(join(out, "_plan/00003.jsonl"));
    await expect(runShard({ plan, out: storage, shard: 3, scratch: folder })).rejects.toThrow(UserError);
    const checked = await checkShards(plan, storage);
    expect(checked.missing).toEqual([3]);
    expect(checked.foreign).toEqual([
      { shard: 1, why: "it is of another plan, ffffffffffff" },
      { shard: 2, why: "features/00002.parquet is missing" },
    ]);
    expect(await markSuccess(plan, storage, checked)).toBe(false);
    await expect(runShard({ plan, out: storage, shard: 1, scratch: folder })).rejects.toThrow(
      /published by another plan/,
    );
    const run = await runMain("shards", "check", "--plan", out);
    expect(run).toMatchObject({ code: 1, out: "1-3\n" });
    expect(await requeue(plan, storage, checked)).toEqual([1, 2, 3]);
    expect((await checkShards(plan, storage)).missing).toEqual([1, 2, 3]);
    for (const shard of [1, 2]) await runShard({ plan, out: storage, shard, scratch: folder });
    expect((await checkShards(plan, storage)).missing).toEqual([3]);
    expect(existsSync(join(out, "_SUCCESS"))).toBe(false);
  });

  it("removes nothing but what shards publish, whatever is written there", async () => {
    const out = join(folder, "out");
    const { plan, out: storage } = await planSmall(out, { inputs: [images], perShard: 20 });
    const { stats } = await runShard({ plan, out: storage, shard: 0, scratch: folder });
    const [own] = Object.values(stats.objects);
    writeFileSync(join(folder, "precious.parquet"), "precious");
    for (const name of ["../precious.parquet", "features/../../precious.parquet", "_plan.json"]) {
      const written = { ...stats, objects: { ...stats.objects, [name]: own } };
      writeFileSync(join(out, "_stats/00000_stats.json"), JSON.stringify(written));
      const checked = await checkShards(plan, storage);
      expect(checked.foreign).toEqual([{ shard: 0, why: "its statistics are damaged" }]);
      expect(await requeue(plan, storage, checked)).toEqual([0]);
      expect(readFileSync(join(folder, "precious.parquet"), "utf8")).toBe("precious");
      expect(existsSync(join(out, "_plan.json"))).toBe(true);
    }
    expect(existsSync(join(out, "features/00000.parquet"))).toBe(false);
  });

  it.each(["", "5", "null", '{"plan":1}', '{"plan":"x","objects":{}}'])(
    "takes statistics that are %j for damaged, as a worker does, which publishes nothing over them",
    async (text) => {
      const out = join(folder, "out");
      const { plan, out: storage } = await planSmall(out, { inputs: [images], perShard: 20 });
      mkdirSync(join(out, "_stats"));
      writeFileSync(join(out, "_stats/00000_stats.json"), text);
      writeFileSync(join(out, "_stats/00000_stats.json.bak"), text);
      const run = () => runShard({ plan, out: storage, shard: 0, scratch: folder });
      await expect(run()).rejects.toThrow(OtherSettingsError);
      await expect(run()).rejects.toThrow(/_stats\/00000_stats\.json, are damaged/);
      const checked = await checkShards(plan, storage);
      expect(checked.foreign).toEqual([{ shard: 0, why: "its statistics are damaged" }]);
      expect(await requeue(plan, storage, checked)).toEqual([0]);
      expect(await run()).toMatchObject({ outcome: "published" });
    },
  );

  it("takes no note of a worker for what it is not", async () => {
    const out = join(folder, "out");
    const { plan, out: storage } = await planSmall(out, { inputs: [images], perShard: 8 });
    const note = (name: string, value: unknown) => {
      mkdirSync(join(out, name, ".."), { recursive: true });
      writeFileSync(join(out, name), JSON.stringify(value));
    };
    note("_running/00000.json", { host: "a", pid: 1, done: 3, total: 7, rate: "fast", time: 1 });
    note("_running/00001.json", null);
    note("_failed/00000.json", [1]);
    note("_failed/00001.json", { error: "no room", host: "a", time: "today", exitCode: 7 });
    expect(await statusOf(plan, storage)).toMatchObject({ running: [], silent: [], failed: 2 });
    expect((await checkShards(plan, storage)).failed).toEqual([
      {
        shard: 0,
        error: "the note of its failure is damaged",
        exitCode: 1,
        host: "unknown",
        time: "unknown",
      },
      { shard: 1, error: "no room", exitCode: 7, host: "a", time: "today" },
    ]);
    expect(await runMain("shards", "status", "--plan", out)).toMatchObject({ code: 0 });
  });

  it("finds bytes that were changed, when it is thorough", async () => {
    const out = join(folder, "out");
    const { plan, out: storage } = await planSmall(out, { inputs: [images], perShard: 20 });
    await runShard({ plan, out: storage, shard: 0, scratch: folder });
    const path = join(out, "features/00000.parquet");
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1] ^= 1;
    writeFileSync(path, bytes);
    expect((await checkShards(plan, storage)).foreign).toEqual([]);
    expect((await checkShards(plan, storage, { thorough: true })).foreign).toEqual([
      { shard: 0, why: "features/00000.parquet has other bytes" },
    ]);
  });

  it("keeps a note of why a shard was given up, until it is done", async () => {
    const settings = { ...smallSettings, weights: undefined, checkpoint: join(folder, "w.ckpt") };
    const planned = await planSmall(join(folder, "out"), { inputs: [images], perShard: 20 });
    const plan = { ...planned.plan, settings };
    await expect(runShard({ ...planned, plan, shard: 0, scratch: folder })).rejects.toMatchObject({
      exitCode: 5,
    });
    const { failed } = await checkShards(plan, planned.out);
    expect(failed).toMatchObject([{ shard: 0, exitCode: 5, error: expect.stringContaining("w.ckpt") }]);
    await runAll(planned);
    expect((await checkShards(planned.plan, planned.out)).failed).toEqual([]);
    expect(readdirSync(join(folder, "out/_failed"))).toEqual([]);
  });

  it("status tells images a second while it runs", async () => {
    const planned = await planSmall(join(folder, "out"), { inputs: [images], perShard: 8 });
    await runShard({ ...planned, shard: 0, scratch: folder });
    const note = { host: "a", pid: 1, done: 3, total: 7, rate: 12.5, time: Date.now() / 1000 };
    mkdirSync(join(folder, "out/_running"), { recursive: true });
    writeFileSync(join(folder, "out/_running/00001.json"), JSON.stringify(note));
    expect(await statusOf(planned.plan, planned.out)).toMatchObject({
      shards: 2,
      done: 1,
      images: 8,
      failedImages: 1,
      imagesPerSecond: 12.5,
      running: [{ shard: 1, done: 3 }],
      silent: [],
      secondsLeft: expect.closeTo(5 / 12.5, 6),
    });
    writeFileSync(
      join(folder, "out/_running/00001.json"),
      JSON.stringify({ ...note, time: note.time - 500 }),
    );
    expect(await statusOf(planned.plan, planned.out)).toMatchObject({
      running: [],
      silent: [{ shard: 1 }],
      imagesPerSecond: 0,
    });
    // Nor does one whose clock went ahead keep its shard until the others' clocks are there.
    const ahead = JSON.stringify({ ...note, time: note.time + 90_000 });
    writeFileSync(join(folder, "out/_running/00001.json"), ahead);
    expect(await statusOf(planned.plan, planned.out)).toMatchObject({ running: [], silent: [{ shard: 1 }] });
    const { out } = await runMain("shards", "status", "--plan", join(folder, "out"));
    expect(out).toMatch(
      /^shards: 1 of 2 done, 0 failed, 0 foreign, 0 running\nimages: 8 done, 1 of them failed/,
    );
  });
});

describe("plan, shard and shards as commands", () => {
  it("make of a folder one file", async () => {
    const out = join(folder, "out");
    const planned = await runMain(
      ...["plan", images, "--model", "mobilenet_v1_025", "--weights", "seeded", "--image-size", "32"],
      ...["--per-shard", "4", "--out", out],
    );
    expect(planned).toMatchObject({ code: 0, out: `${out}/_plan.json\n` });
    expect(planned.err).toMatch(/4 shards \(0-3\), mobilenet_v1_025 on cpu, JPEG fast/);
    for (const i of [0, 1]) {
      const run = await runMain("shard", "--plan", out, "--shard", `${i}/2`, "--scratch", folder);
      expect(run.code, run.err).toBe(0);
      expect(run.out.split("\n")).toHaveLength(3);
    }
    const again = await runMain("shard", "--plan", out, "--shard", "0/2", "--scratch", folder, "--strict");
    expect(again).toMatchObject({
      code: 3,
      out: expect.stringContaining("00000 was published before: 3 images, 1 failed\n"),
    });
    expect(await runMain("shards", "check", "--plan", out)).toMatchObject({ code: 0, out: "" });
    expect(json(join(out, "_SUCCESS"))).toMatchObject({ shards: 4, count: count + 1, successes: count });
    const bare = join(folder, "all");
    expect(await runMain("shards", "merge", bare, "--plan", out)).toMatchObject({
      code: 2,
      err: expect.stringContaining("--format"),
    });
    const named = await runMain("shards", "merge", bare, "--plan", out, "--format", "jsonl");
    expect(named).toMatchObject({ code: 0, out: `${bare}\n` });
    const to = join(folder, "all.jsonl");
    expect(await runMain("shards", "merge", to, "--plan", out)).toMatchObject({ code: 0, out: `${to}\n` });
    expect(readFileSync(bare)).toEqual(readFileSync(to));
    let rows = 0;
    for await (const _ of readFeatures(to)) rows++;
    expect(rows).toBe(count);
  });

  it.each([
    [["shard", "--plan", "P"], /said once/],
    [["shard", "--plan", "P", "--shard", "1"], /no part/],
    [["shard", "--plan", "P", "--shard", "2/2"], /no part 2 of 2/],
    [["shard", "--plan", "P", "--shard", "0/1", "--index-from-env"], /said once/],
    [["shards", "check", "--plan", "P", "--queue", "redis://x"], /goes with --requeue/],
    [["plan", "--out", "x"], /Nothing is named/],
  ])("are refused with the code of wrong usage: %o", async (args, message) => {
    await planSmall(join(folder, "out"), { inputs: [images] });
    const run = await runMain(...args.map((arg) => (arg === "P" ? join(folder, "out") : arg)));
    expect(run.code).toBe(2);
    expect(run.err).toMatch(message);
  });
});
