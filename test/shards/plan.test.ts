/** Plans: what they are made of, and that they stay as they are. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { OtherSettingsError, UsageError } from "../../src/errors.ts";
import { cellsOf, divideTable, readRows } from "../../src/shards/addresses.ts";
import { indexFromEnvironment, shardsOfPart } from "../../src/shards/array.ts";
import { expandBraces } from "../../src/shards/braces.ts";
import { divideKey } from "../../src/shards/gather.ts";
import { ranges, shardIn } from "../../src/shards/names.ts";
import { hashOfPlan, readPlan } from "../../src/shards/plan.ts";
import { tar } from "../checkpoint/support.ts";
import { temporaryFolder, writeFiles } from "../support/features.ts";
import { planSmall, smallSettings } from "../support/shards.ts";

let folder = "";
beforeEach(() => {
  folder = temporaryFolder();
});

describe("names with ranges", () => {
  it.each([
    ["a.tar", ["a.tar"]],
    ["{08..11}.tar", ["08.tar", "09.tar", "10.tar", "11.tar"]],
    ["{8..11}.tar", ["8.tar", "9.tar", "10.tar", "11.tar"]],
    ["{2..0}", ["2", "1", "0"]],
    ["{train,val}-{0..1}.tar", ["train-0.tar", "train-1.tar", "val-0.tar", "val-1.tar"]],
    ["s3://b/{00000..00001}/x", ["s3://b/00000/x", "s3://b/00001/x"]],
    ["{odd}.tar", ["{odd}.tar"]],
    ["{}", ["{}"]],
  ])("%s are %o", (text, names) => {
    expect(expandBraces(text)).toEqual(names);
  });

  it("of more than ten million are refused, not made", () => {
    expect(() => expandBraces("{0..99999999}")).toThrow(UsageError);
    expect(() => expandBraces("{0..9999}{0..9999}")).toThrow(UsageError);
  });

  it("are found again in the names of shards", () => {
    expect(
      ["_stats/00012_stats.json", "features/123456.parquet", "img_emb/img_emb_00003.npy"].map(shardIn),
    ).toEqual([12, 123456, 3]);
    expect(ranges([19, 3, 17, 18])).toBe("3,17-19");
    expect(ranges([])).toBe("");
  });
});

describe("a part of an array of jobs", () => {
  it.each([
    [{ JOB_COMPLETION_INDEX: "3" }, 3],
    [{ SLURM_ARRAY_TASK_ID: "17" }, 17],
    [{ AWS_BATCH_JOB_ARRAY_INDEX: "0" }, 0],
    [{ BATCH_TASK_INDEX: "9" }, 9],
    [{ JOB_COMPLETION_INDEX: "4", BATCH_TASK_INDEX: "4" }, 4],
  ])("is told by the environment: %o", (env, index) => {
    expect(indexFromEnvironment(env as NodeJS.ProcessEnv)).toBe(index);
  });

  it.each([
    [{}, /JOB_COMPLETION_INDEX \(Kubernetes\)/],
    [{ SLURM_ARRAY_TASK_ID: "x" }, /SLURM_ARRAY_TASK_ID is x/],
    [{ JOB_COMPLETION_INDEX: "4", SLURM_ARRAY_TASK_ID: "5" }, /not sure/],
  ])("is not guessed: %o", (env, message) => {
    try {
      indexFromEnvironment(env as NodeJS.ProcessEnv);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(UsageError);
      expect(`${(error as UsageError).message} ${(error as UsageError).hint}`).toMatch(message);
    }
  });

  it("has every n-th shard, each once over all parts", () => {
    const all = [0, 1, 2].flatMap((i) => shardsOfPart(i, 3, 8));
    expect(shardsOfPart(1, 3, 8)).toEqual([1, 4, 7]);
    expect(all.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(shardsOfPart(5, 10, 3)).toEqual([]);
    expect(() => shardsOfPart(3, 3, 8)).toThrow(UsageError);
  });
});

describe("tables of addresses", () => {
  const rows = Array.from(
    { length: 7 },
    (_, i) => `https://host/${i}.jpg,"caption, ""${i}""\nin two lines",k${i}`,
  );

  it("are divided where records end, and each shard reads its own", async () => {
    const path = join(folder, "t.csv");
    writeFileSync(path, `\ufeffURL,TEXT,id\r\n${rows.join("\n")}\n\n`);
    const columns = { url: "URL", caption: "TEXT", key: "id" };
    const { table, ranges: parts } = await divideTable(path, columns, 3);
    expect(parts.map(({ first, count }) => [first, count])).toEqual([
      [0, 3],
      [3, 3],
      [6, 1],
    ]);
    const read = (await Promise.all(parts.map((part) => readRows(table, part)))).flat();
    expect(read).toEqual(
      rows.map((_, i) => ({
        url: `https://host/${i}.jpg`,
        caption: `caption, "${i}"\nin two lines`,
        key: `k${i}`,
      })),
    );
    writeFileSync(path, "changed");
    await expect(readRows(table, parts[0])).rejects.toThrow(/had \d+ when this was planned/);
  });

  it("of Parquet are read by rows; keys are numbers where no column is named", async () => {
    const { parquetWriteBuffer } = await import("hyparquet-writer");
    const path = join(folder, "t.parquet");
    const data = Array.from({ length: 5 }, (_, i) => `https://host/${i}`);
    writeFileSync(
      path,
      Buffer.from(parquetWriteBuffer({ columnData: [{ name: "url", data, type: "STRING" }] })),
    );
    const { table, ranges: parts } = await divideTable(path, { url: "url" }, 2);
    expect(parts).toHaveLength(3);
    expect(await readRows(table, parts[1])).toEqual([
      { url: "https://host/2", caption: null, key: "000000002" },
      { url: "https://host/3", caption: null, key: "000000003" },
    ]);
    await expect(divideTable(path, { url: "URL" }, 2)).rejects.toThrow(/has no column URL/);
  });

  it("may be an address a line", async () => {
    const path = join(folder, "t.txt");
    writeFileSync(path, "https://host/a\r\n\nhttps://host/b");
    const { table, ranges: parts } = await divideTable(path, { url: "url" }, 1);
    expect(
      (await Promise.all(parts.map((part) => readRows(table, part)))).flat().map(({ url }) => url),
    ).toEqual(["https://host/a", "https://host/b"]);
  });

  it("lose no row to a quote that opens no cell", async () => {
    const path = join(folder, "t.csv");
    const texts = ['5" pipe', '"a ""quote"",\nand a line"', 'x"', '""', 'end "'];
    const text = texts.map((caption, i) => `https://host/${i}?"${caption === '""' ? "" : '"'},${caption}`);
    writeFileSync(path, `\ufeff"url",text\n${text.join("\n")}\n`);
    const { table, ranges: parts } = await divideTable(path, { url: "url", caption: "text" }, 2);
    const read = (await Promise.all(parts.map((part) => readRows(table, part)))).flat();
    expect(read.map(({ caption }) => caption)).toEqual([
      '5" pipe',
      'a "quote",\nand a line',
      'x"',
      null,
      'end "',
    ]);
  });

  it.each([
    ["as Windows writes it", "\ufeffhttps://host/a\r\nhttps://host/b\r\n"],
    ["with notes", "# from the survey\n\nhttps://host/a\n# more\nhttps://host/b"],
  ])("may be a list of addresses %s", async (_, text) => {
    writeFileSync(join(folder, "t.txt"), text);
    const { plan } = await planSmall(join(folder, "out"), { lists: [join(folder, "t.txt")] });
    const [shard] = plan.shards;
    if (shard.kind !== "rows") throw new Error(shard.kind);
    expect((await readRows(plan.tables[0], shard)).map(({ url }) => url)).toEqual([
      "https://host/a",
      "https://host/b",
    ]);
  });

  it("are refused in UTF-16, and where what is named of them cannot be", async () => {
    const list = join(folder, "t.txt");
    const wishes = { lists: [list] };
    const planned = (more = {}) => planSmall(join(folder, "out"), { ...wishes, ...more });
    writeFileSync(list, Buffer.from("\ufeffhttps://host/a\n", "utf16le"));
    await expect(planned()).rejects.toThrow(/is text in UTF-16/);
    writeFileSync(list, "https://host/a\n");
    await expect(planned({ captionColumn: "text" })).rejects.toThrow(/has no column text/);
    await expect(planned({ keyColumn: "id" })).rejects.toThrow(/has no column id/);
    writeFiles(folder, { "a.jpg": "x" });
    const inputs = [join(folder, "a.jpg")];
    for (const column of ["urlColumn", "captionColumn", "keyColumn"])
      await expect(planned({ inputs, lists: [], [column]: "c" })).rejects.toThrow(/no table.*column c/);
  });

  it("have cells as CSV has them", () => {
    expect(cellsOf('a,"b,""c""",,d\r\n')).toEqual(["a", 'b,"c"', "", "d"]);
    expect(cellsOf(",x")).toEqual(["", "x"]);
  });

  it("and archives have keys as webdataset has them", () => {
    expect(divideKey("a.b/0001.seg.png")).toEqual({ key: "a.b/0001", ending: "seg.png" });
    expect(divideKey("noending")).toEqual({ key: "noending", ending: "" });
  });
});

describe("a plan", () => {
  const images = () => {
    writeFiles(join(folder, "in"), { "b.jpg": "x", "a.jpg": "x", "c/d.jpg": "x", "note.txt": "x" });
    return join(folder, "in");
  };

  it("divides a sorted list, and lies beside its results", async () => {
    const out = join(folder, "out");
    const { plan } = await planSmall(out, { inputs: [images()], perShard: 3 });
    expect(plan.shards.map((s) => s.kind === "files" && s.count)).toEqual([3, 1]);
    expect(
      readFileSync(join(out, "_plan/00000.jsonl"), "utf8")
        .split("\n")
        .filter(Boolean)
        .map((l) => JSON.parse(l)),
    ).toEqual(["a.jpg", "b.jpg", "c/d.jpg"].map((key) => ({ key, at: join(folder, "in", key) })));
    expect(plan.featureShape).toEqual([256]);
    expect((await readPlan(out)).plan).toEqual(plan);
    expect((await readPlan(join(out, "_plan.json"))).plan).toEqual(plan);
  });

  it("takes what it lists as extract does: by patterns, and out of an archive of any name", async () => {
    const picked = await planSmall(join(folder, "picked"), { inputs: [images()], globs: ["c/**"] });
    expect(picked.plan.shards).toMatchObject([{ count: 1 }]);
    const archive = join(folder, "archive of no ending");
    writeFileSync(archive, tar([{ name: "a.jpg", data: Buffer.from("xyz") }, { name: "b.jpg" }]));
    await planSmall(join(folder, "parts"), { inputs: [archive] });
    const list = readFileSync(join(folder, "parts/_plan/00000.jsonl"), "utf8");
    expect(JSON.parse(list.split("\n")[0])).toEqual({
      key: "a.jpg",
      part: { offset: 512, size: 3 },
      at: archive,
    });
  });

  it("is the same when it is made again, and no other takes its place", async () => {
    const out = join(folder, "out");
    const first = await planSmall(out, { inputs: [images()] });
    const notices: string[] = [];
    const again = await planSmall(out, { inputs: [images()], notice: (s) => notices.push(s) });
    expect(again.plan).toEqual(first.plan);
    expect(notices).toEqual(["This was planned before; nothing is changed."]);
    await expect(planSmall(out, { inputs: [images()], perShard: 2 })).rejects.toThrow(OtherSettingsError);
    const settings = { ...smallSettings, imageSize: 64 };
    await expect(planSmall(out, { inputs: [images()], settings })).rejects.toThrow(OtherSettingsError);
    expect((await readPlan(out)).plan).toEqual(first.plan);
  });

  it("that was changed by hand is refused, and so is one of another version", async () => {
    const out = join(folder, "out");
    await planSmall(out, { inputs: [images()] });
    const path = join(out, "_plan.json");
    const text = readFileSync(path, "utf8");
    writeFileSync(path, text.replace('"imageSize": 32', '"imageSize": 64'));
    await expect(readPlan(out)).rejects.toThrow(/changed by hand/);
    writeFileSync(path, text.replace('"version": 1', '"version": 2'));
    await expect(readPlan(out)).rejects.toThrow(/another version/);
    writeFileSync(path, text.slice(0, 100));
    await expect(readPlan(out)).rejects.toThrow(/damaged/);
    await expect(readPlan(join(folder, "nowhere"))).rejects.toThrow(/There is no plan/);
  });

  it.each([
    ["no shards", { shards: undefined }],
    ["a shard that is none", { shards: [null] }],
    ["a shard of no kind", { shards: [{ kind: "constructor" }] }],
    ["a list elsewhere", { shards: [{ kind: "files", list: "../list.jsonl", sha256: "", count: 1 }] }],
    ["rows of no table", { shards: [{ kind: "rows", table: 0, first: 0, count: 1 }] }],
    ["an archive without a place", { shards: [{ kind: "tar", prefix: "" }] }],
    ["a layout of another name", { layout: "constructor" }],
    ["no settings", { settings: undefined }],
    ["a device of another name", { settings: { ...smallSettings, device: "auto" } }],
    ["no files", { files: null }],
    ["a shape that is none", { featureShape: ["a"] }],
  ])("with %s is refused, though its hash is right", async (_, change) => {
    const out = join(folder, "out");
    const { hash: _hash, ...content } = (await planSmall(out, { inputs: [images()] })).plan;
    const changed = { ...content, ...change } as Parameters<typeof hashOfPlan>[0];
    const write = async (plan: typeof changed) =>
      writeFileSync(join(out, "_plan.json"), JSON.stringify({ ...plan, hash: await hashOfPlan(plan) }));
    await write(content);
    expect((await readPlan(out)).plan).toMatchObject(content);
    await write(changed);
    await expect(readPlan(out)).rejects.toThrow(/is damaged/);
  });

  it("has a shard for each archive, by ranges, patterns and folders alike, in the order of their keys", async () => {
    const shards = join(folder, "shards");
    mkdirSync(shards);
    for (const name of ["00", "01", "02"]) writeFileSync(join(shards, `${name}.tar`), tar([]));
    const tars = async (...inputs: string[]) =>
      (await planSmall(join(folder, `out-${Math.random()}`), { inputs })).plan.shards;
    const expected = ["00", "01", "02"].map((name) => ({
      kind: "tar",
      place: join(shards, `${name}.tar`),
      prefix: `${name}.tar/`,
      bytes: 1024,
    }));
    expect(await tars(shards)).toEqual(expected);
    expect(await tars(join(shards, "{02..00}.tar"))).toEqual(expected);
    expect(await tars(join(shards, "*.tar"))).toEqual(expected);
    // One alone keeps its members' names, as it does for extract.
    expect(await tars(join(shards, "01.tar"))).toEqual([{ ...expected[1], prefix: "" }]);
    expect((await tars("https://host/{0..1}.tar")).map((s) => s.kind === "tar" && s.place)).toEqual([
      "https://host/0.tar",
      "https://host/1.tar",
    ]);
    mkdirSync(join(folder, "elsewhere"));
    writeFileSync(join(folder, "elsewhere/00.tar"), tar([]));
    await expect(tars(join(shards, "00.tar"), join(folder, "elsewhere/00.tar"))).rejects.toThrow(
      /Two archives are called/,
    );
    await expect(tars(join(shards, "9*.tar"))).rejects.toThrow(/Nothing is called/);
    await expect(tars("https://host/folder/")).rejects.toThrow(/cannot be listed/);
    await expect(tars("ftp://host/x")).rejects.toThrow(UsageError);
  });

  it("takes no archive that is not there, and a folder of an archive's name for a folder", async () => {
    const shards = join(folder, "shards");
    mkdirSync(shards);
    for (const i of [0, 1])
      writeFileSync(join(shards, `${i}.tar`), tar([{ name: "a.jpg", data: Buffer.from("x") }]));
    const out = join(folder, "out");
    for (const missing of ["{0..2}.tar", "2.tar"])
      await expect(planSmall(out, { inputs: [join(shards, missing)] })).rejects.toThrow(
        `There is no archive ${join(shards, "2.tar")}.`,
      );
    expect(existsSync(out)).toBe(false);
    writeFiles(join(folder, "images.tar"), { "a.jpg": "x" });
    const { plan } = await planSmall(out, { inputs: [join(folder, "images.tar")] });
    expect(plan.shards).toMatchObject([{ kind: "files", count: 1 }]);
  });

  it("refuses what would make a shard's features depend on what else is in it, or that its layout cannot hold", async () => {
    const inputs = [images()];
    const plan = (change: object, layout: "parquet" | "clip-retrieval" = "parquet") =>
      planSmall(join(folder, "out"), { inputs, layout, settings: { ...smallSettings, ...change } });
    await expect(plan({ dtype: "int8" })).rejects.toThrow(/scale for each shard/);
    await expect(plan({ layers: ["features", "logits"] })).rejects.toThrow(/one layer/);
    await expect(plan({ layers: ["Conv2d_0"] }, "clip-retrieval")).rejects.toThrow(/is of vectors/);
    await expect(plan({ layers: ["no such layer"] })).rejects.toThrow(UsageError);
    await expect(planSmall(join(folder, "out"), { inputs: [join(folder, "nowhere")] })).rejects.toThrow(
      /There is no folder/,
    );
  });
});
