/** The commands on features files, and extract's ways of being told and of telling. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { besidePath, findFormat, formats, writeTable } from "../../src/tables/formats/index.ts";
import { bytesOf } from "../../src/tables/numbers.ts";
import { type FeatureRow, readFeatures } from "../../src/tables/readers/index.ts";
import { temporaryFolder } from "../support/features.ts";
import { runMain } from "./helpers.ts";

const root = resolve(import.meta.dirname, "../..");
let folder = "";
beforeAll(() => {
  folder = temporaryFolder();
});

/** What an extraction that costs little is told. */
const common = [
  "--model",
  "mobilenet_v1_025",
  "--image-size",
  "32",
  "--device",
  "cpu",
  "--weights",
  "seeded",
];

type Rows = Readonly<Record<string, readonly number[]>>;
const rows: Rows = { "a.jpg": [1, 2, 3], "b.jpg": [0.1, -5, 0] };

async function write(name: string, content: Rows, metadata: object = { model: "m" }): Promise<string> {
  const path = join(folder, name);
  const values = Object.values(content);
  await writeTable(path, findFormat(name.split(".").at(-1) as string), {
    paths: Object.keys(content),
    shape: [values[0].length],
    dtype: "float32",
    metadata,
    async *rows() {
      for (const row of values) yield bytesOf(Float32Array.from(row));
    },
  });
  return path;
}

async function read(path: string): Promise<FeatureRow[]> {
  const all: FeatureRow[] = [];
  for await (const row of readFeatures(path)) all.push(row);
  return all;
}

describe("convert", () => {
  it.each(formats.map((f) => f.name))("writes %s, and back to the same bytes", async (format) => {
    const first = await write("first.npy", rows);
    const there = join(folder, `there.${format}`);
    expect(await runMain("convert", first, there)).toMatchObject({ code: 0, out: `${there}\n` });
    const back = join(folder, `back-${format}.npy`);
    await runMain("convert", there, back);
    expect(readFileSync(back)).toEqual(readFileSync(first));
    expect(JSON.parse(readFileSync(besidePath(there, ".json", findFormat(format)), "utf8"))).toMatchObject({
      model: "m",
      format,
    });
  });

  it("says what fewer bits cost", async () => {
    const run = await runMain(
      "convert",
      await write("x.npy", rows),
      join(folder, "x16.npz"),
      "--dtype",
      "f16",
    );
    expect(run.err).toMatch(/^2 features of shape 3, off by at most 0\.0000244, 0 saturated\n$/);
  });

  it("counts what is too large for f16, and leaves it its infinities and NaN", async () => {
    const from = join(folder, "large.jsonl");
    writeFileSync(from, '{"path": "a.jpg", "feature": [1, 1e30, -1e30, 1e999, -1e999, null]}\n');
    const to = join(folder, "large16.npy");
    const run = await runMain("convert", from, to, "--dtype", "f16");
    expect(run.err).toMatch(/off by at most 0\.00, 2 saturated\n$/);
    const [row] = await read(to);
    expect(Array.from(row.data)).toEqual([1, 65504, -65504, Infinity, -Infinity, NaN]);
  });

  it.each(["null", "1e999"])("refuses i8, which cannot say it, for a feature with %s", async (odd) => {
    const from = join(folder, "odd.jsonl");
    writeFileSync(from, `{"path": "a.jpg", "feature": [1]}\n{"path": "b.jpg", "feature": [${odd}]}\n`);
    const to = join(folder, `odd${odd}.npy`);
    const run = await runMain("convert", from, to, "--dtype", "i8");
    expect(run).toMatchObject({ code: 1, out: "" });
    expect(run.err).toContain("The feature of b.jpg is not all numbers, and int8 has no NaN");
    expect(existsSync(to)).toBe(false);
  });

  it("asks for the format where the name does not tell it", async () => {
    const run = await runMain("convert", await write("y.npy", rows), join(folder, "y"));
    expect(run).toMatchObject({ code: 2, out: "" });
    expect(run.err).toContain("--format");
  });
});

describe("merge", () => {
  it("puts files together, of any formats", async () => {
    const one = await write("one.csv", { "a.jpg": [1, 2] });
    const two = await write("two.npy", { "b.jpg": [3, 4], "c.jpg": [5, 6] });
    const all = join(folder, "all.npz");
    expect((await runMain("merge", all, one, two)).code).toBe(0);
    expect((await read(all)).map((r) => [r.path, ...r.data])).toEqual([
      ["a.jpg", 1, 2],
      ["b.jpg", 3, 4],
      ["c.jpg", 5, 6],
    ]);
  });

  it("keeps the repeats of one file, but for a map", async () => {
    const twice = join(folder, "twice.npy");
    await writeTable(twice, findFormat("npy"), {
      paths: ["b.jpg", "a.jpg", "b.jpg"],
      shape: [1],
      dtype: "float32",
      metadata: {},
      async *rows() {
        for (const x of [1, 2, 1]) yield bytesOf(Float32Array.of(x));
      },
    });
    const parquet = join(folder, "twice.parquet");
    expect((await runMain("convert", twice, parquet)).code).toBe(0);
    expect((await read(parquet)).map((row) => row.path)).toEqual(["b.jpg", "a.jpg", "b.jpg"]);
    expect((await runMain("convert", twice, join(folder, "twice.pkl"))).err).toMatch(
      /b\.jpg is in .* and again .*\nhint: pkl has each path once/,
    );
    expect(await runMain("compare", twice, parquet)).toMatchObject({ code: 0 });
  });

  it("refuses an image that stands twice, and other shapes", async () => {
    const one = await write("m1.npy", { "a.jpg": [1, 2] });
    const longer = await write("m2.npy", { "b.jpg": [1, 2, 3] });
    expect((await runMain("merge", join(folder, "m.npy"), one, one)).err).toContain("a.jpg is in");
    expect((await runMain("merge", join(folder, "m.npy"), one, longer)).err).toContain(
      "of shape 3, others are 2",
    );
  });

  it("keeps how the features were made, and where their images are, of files that were made alike", async () => {
    const made = { model: "m", endPoint: "AvgPool_1a", weights: { kind: "checkpoint", sha256: "ab" } };
    const one = await write("k1.npy", { "a.jpg": [1, 2] }, { ...made, dataDir: "one", images: { found: 1 } });
    const moved = { ...made, weights: { ...made.weights, path: "/elsewhere" } };
    const two = await write(
      "k2.npy",
      { "b.jpg": [3, 4] },
      { ...moved, dataDir: "two", images: { found: 2 } },
    );
    const all = join(folder, "k.npy");
    expect(await runMain("merge", all, one, two)).toMatchObject({ code: 0 });
    const metadata = JSON.parse(readFileSync(`${all}.json`, "utf8"));
    expect(metadata).toMatchObject({ ...made, dataDir: ["one", "two"], paths: ["a.jpg", "b.jpg"] });
    expect(metadata.images).toBeUndefined();
    expect(metadata.mergedFrom.map((m: { images: object }) => m.images)).toEqual([
      { found: 1 },
      { found: 2 },
    ]);
  });

  it("refuses files that were made in different ways, whatever their lengths, and says in what", async () => {
    const one = await write("w1.npy", { "a.jpg": [1, 2] }, { model: "mobilenet_v1" });
    const silent = await write("w2.npy", { "b.jpg": [3, 4] }, {});
    const two = await write("w3.npy", { "c.jpg": [3, 4] }, { model: "inception_v1" });
    const run = await runMain("merge", join(folder, "w.npy"), silent, one, two);
    expect(run).toMatchObject({ code: 1, out: "" });
    expect(run.err).toContain(`those of ${two} are of network inception_v1, not mobilenet_v1.`);
    expect(await runMain("merge", join(folder, "w.npy"), silent, one)).toMatchObject({ code: 0 });
    expect(JSON.parse(readFileSync(join(folder, "w.npy.json"), "utf8")).model).toBeUndefined();
  });

  it("tells of damaged metadata as of a user's file, not as of an error of its own", async () => {
    const one = await write("damaged.csv", { "a.jpg": [1, 2] });
    writeFileSync(besidePath(one, ".json", findFormat("csv")), "{");
    const run = await runMain("convert", one, join(folder, "from-damaged.npy"));
    expect(run.code).toBe(1);
    expect(run.err).toMatch(/^error: .*damaged\.csv\.json cannot be read/);
  });
});

describe("compare", () => {
  it("says how far two files are apart", async () => {
    const a = await write("ca.npy", rows);
    const b = await write("cb.csv", { "a.jpg": [1, 2, 3], "b.jpg": [0.1, -5, 0.5], "d.jpg": [0, 0, 0] });
    expect(await runMain("compare", a, a)).toMatchObject({ code: 0 });
    const run = await runMain("compare", a, b, "--json");
    expect(run.code).toBe(1);
    expect(JSON.parse(run.out)).toMatchObject({
      both: 2,
      onlyFirst: [],
      onlySecond: ["d.jpg"],
      identical: 1,
      maxDifference: 0.5,
      worst: "b.jpg",
    });
    expect((await runMain("compare", a, b)).out).toContain("largest difference: 0.500 (b.jpg)");
  });

  it("takes cosines of the images that have one, and counts the others as in both", async () => {
    const images = Array.from({ length: 9 }, (_, i) => `${i}.jpg`);
    const fill = (odd: number) => Object.fromEntries(images.map((p, i) => [p, [1, i % 4 === 2 ? odd : i]]));
    const [a, b] = [await write("na.npy", fill(1)), await write("nb.npy", fill(Number.NaN))];
    const compared = JSON.parse((await runMain("compare", a, b, "--json")).out);
    expect(compared).toMatchObject({ both: 9, identical: 7, worst: "2.jpg" });
    expect(compared.cosine.min).toBeCloseTo(1, 12);
    expect(compared.cosine.p50).toBeCloseTo(1, 12);
  });
});

describe("extract", () => {
  it("names the next command as a shell takes it, whatever the file is called", async () => {
    const out = join(folder, "it's mine.npy");
    const weights = ["--model", "mobilenet_v1", "--image-size", "32", "--global-pool", "--device", "cpu"];
    const { code, err } = await runMain("extract", ...weights, "--glob", "hills_01*", "--out", out);
    expect(code).toBe(0);
    expect(err).toContain(`map '${folder}/it'\\''s mine.npy'\n`);
  });

  it("says what it would do, and writes nothing", async () => {
    const out = join(folder, "dry.npy");
    const run = await runMain("extract", ...common, "--out", out, "--dry-run", "--glob", "hills*");
    expect(run.code).toBe(0);
    expect(run.out).toMatch(
      /^files: 3\nnetwork: mobilenet_v1_025 on cpu .*\nfeature: AvgPool_1a 1x1x256|256, /,
    );
    expect(() => readFileSync(`${out}.run/run.json`)).toThrow();
  });

  it("prints one JSON object, and nothing but errors when quiet", async () => {
    const out = join(folder, "told.npy");
    const run = await runMain(
      "extract",
      ...common,
      "--out",
      out,
      "--format",
      "npy",
      "--json",
      "--quiet",
      "--glob",
      "hills*",
    );
    expect(run).toMatchObject({ code: 0, err: "" });
    const report = JSON.parse(run.out);
    expect(report.files[0]).toMatchObject({ path: out, images: { written: 3 }, weights: { trained: false } });
    expect(report).toMatchObject({ computed: 3, known: 0, manifest: `${out}.manifest.jsonl` });
  });

  it("takes options from a file and the environment, the command line first", async () => {
    const config = join(folder, "config.json");
    const out = join(folder, "config.npy");
    writeFileSync(
      config,
      JSON.stringify({ model: "lenet", "image-size": 32, glob: ["hills*"], l2: true, out: "elsewhere.npy" }),
    );
    const env = { ...process.env, SLIMFEATURES_DEVICE: "cpu", SLIMFEATURES_FORMAT: "csv" };
    const args = [
      "--config",
      config,
      "--model",
      "mobilenet_v1_025",
      "--weights",
      "seeded",
      "--out",
      out,
      "--format",
      "npy",
    ];
    const run = spawnSync(process.execPath, [join(root, "bin/slimfeatures.mjs"), "extract", ...args], {
      env,
      encoding: "utf8",
    });
    expect(run.status, run.stderr).toBe(0);
    const metadata = JSON.parse(readFileSync(`${out}.json`, "utf8"));
    expect(metadata).toMatchObject({
      model: "mobilenet_v1_025",
      imageSize: 32,
      backend: "cpu",
      format: "npy",
      l2: true,
    });
    writeFileSync(config, JSON.stringify({ modle: "lenet" }));
    expect((await runMain("extract", "--config", config)).err).toMatch(
      /no option modle.*\nhint: Did you mean model/,
    );
  });

  it.each<[string, (text: string) => Buffer]>([
    ["a byte order mark", (text) => Buffer.from(`\ufeff${text}`)],
    ["UTF-16, as Windows' editors write it", (text) => Buffer.from(`\ufeff${text}`, "utf16le")],
  ])("takes options from a file with %s", async (_, encode) => {
    const config = join(folder, "marked.json");
    writeFileSync(config, encode(JSON.stringify({ modle: "lenet" })));
    expect((await runMain("extract", "--config", config)).err).toMatch(/no option modle/);
    writeFileSync(config, encode("{"));
    expect((await runMain("extract", "--config", config)).err).toMatch(/marked\.json cannot be read/);
  });

  it("reads a list from stdin, and a tar archive", async () => {
    const out = join(folder, "list.npy");
    const args = ["extract", ...common, "--out", out, "--format", "npy"];
    const run = spawnSync(process.execPath, [join(root, "bin/slimfeatures.mjs"), ...args, "--list", "-"], {
      cwd: join(root, "samples"),
      input: "hills_01.jpg\0more/hills_04.JPG\0",
      encoding: "utf8",
    });
    expect(run.status, run.stderr).toBe(0);
    const tar = join(folder, "samples.tar");
    execFileSync("tar", ["-cf", tar, "-C", join(root, "samples"), "hills_01.jpg", "more/hills_04.JPG"]);
    const other = join(folder, "tar.npy");
    expect(
      (await runMain("extract", ...common, "--out", other, "--format", "npy", "--data-dir", tar)).code,
    ).toBe(0);
    expect((await runMain("compare", out, other)).out).toContain("identical: 2");
  });
});

describe("inputs as arguments", () => {
  const samples = join(root, "samples");
  const keysIn = async (name: string, ...args: string[]) => {
    const out = join(folder, `${name}.npy`);
    const run = await runMain("extract", ...args, ...common, "--out", out, "--format", "npy");
    expect(run, run.err).toMatchObject({ code: 0, out: `${out}\n` });
    return (await read(out)).map((row) => row.path);
  };

  it("are folders, images and archives, as many as one likes, and go together with --data-dir", async () => {
    const all = await keysIn("folder", samples);
    expect(all).toContain("more/hills_04.JPG");
    const image = join(samples, "hills_01.jpg");
    expect(await keysIn("image", image)).toEqual([image]);
    const tar = join(folder, "arguments.tar");
    execFileSync("tar", ["-cf", tar, "-C", samples, "weave_01.jpg"]);
    expect(await keysIn("several", image, tar, "--data-dir", join(samples, "more"))).toEqual([
      image,
      "arguments.tar/weave_01.jpg",
      "more/hills_04.JPG",
      "more/towers_05.jpeg",
    ]);
  });

  it("of nothing but HEIC are not told to be no images", async () => {
    const dir = join(folder, "phone");
    mkdirSync(dir);
    writeFileSync(join(dir, "IMG_0001.HEIC"), "\0\0\0\x18ftypheic\0\0\0\0mif1heic");
    const run = await runMain(
      "extract",
      dir,
      ...common,
      "--out",
      join(folder, "phone.npy"),
      "--format",
      "npy",
    );
    expect(run.code).toBe(4);
    expect(run.err).toMatch(/failed: IMG_0001\.HEIC: cannot be decoded: it is a HEIC image/);
    expect(run.err).toMatch(/Nothing was written: the only image in .* gave no feature/);
  });

  it("that are not there, or stand beside a list, are refused", async () => {
    expect(await runMain("extract", "phots", ...common)).toMatchObject({
      code: 2,
      err: expect.stringMatching(/There is no folder or file phots/),
    });
    expect((await runMain("extract", samples, ...common, "--list", "x.txt")).code).toBe(2);
  });

  it("say how a network is named where its name stands among them", async () => {
    const { code, err } = await runMain("extract", "inception_v1");
    expect(code).toBe(2);
    expect(err).toContain("inception_v1 is a network: name it by --model inception_v1.");
  });
});

describe("doctor", () => {
  it("tells versions, and times the devices", async () => {
    const { code, out } = await runMain("doctor", "--json");
    expect(code).toBe(0);
    const report = JSON.parse(out);
    expect(report).toMatchObject({
      node: process.version,
      sharp: expect.stringMatching(/^\d/),
      webgpu: expect.stringMatching(/^\d/),
    });
    expect(report.devices.map((d: { backend: string }) => d.backend)).toEqual(["webgpu", "cpu"]);
    for (const device of report.devices) expect(device.milliseconds).toBeGreaterThan(0);
  });
});

describe("completion", () => {
  it("completes commands, options and values in bash", async () => {
    const { out } = await runMain("completion", "bash");
    const complete = (...words: string[]) =>
      execFileSync(
        "bash",
        [
          "-c",
          `${out}\nCOMP_WORDS=(slimfeatures ${words.map((w) => `'${w}'`).join(" ")})\nCOMP_CWORD=${words.length}\n_slimfeatures\nprintf '%s\\n' "\${COMPREPLY[@]}"`,
        ],
        { encoding: "utf8" },
      )
        .trim()
        .split("\n");
    expect(complete("ext")).toEqual(["extract"]);
    expect(complete("extract", "--mo")).toEqual(["--model"]);
    expect(complete("extract", "--model", "vgg")).toEqual(["vgg_a", "vgg_16", "vgg_19"]);
    expect(complete("checkpoint", "")).toContain("why");
  });

  it.each(["zsh", "fish"])("knows %s too", async (shell) => {
    const { code, out } = await runMain("completion", shell);
    expect(code).toBe(0);
    expect(out).toContain("inception_v1");
  });
});
