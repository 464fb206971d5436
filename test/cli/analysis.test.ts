/** The commands that look at a features file. */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parquetReadObjects } from "hyparquet";
import { beforeAll, describe, expect, it } from "vitest";
import { ExitCode } from "../../src/errors.ts";
import { readFeatures } from "../../src/tables/readers/index.ts";
import { itWithPython, runPython, temporaryFolder } from "../support/features.ts";
import { runMain } from "./helpers.ts";

const root = resolve(import.meta.dirname, "../..");
const folder = temporaryFolder();
const photos = join(folder, "photos");
const features = join(photos, "../features.npy");

const photographs = ["hills_01.jpg", "hills_02.jpg", "hills_03.png", "bubbles_01.jpg", "towers_01.jpg"];

const jsonl = (name: string, rows: Readonly<Record<string, readonly (number | null)[]>>): string => {
  const path = join(folder, name);
  const lines = Object.entries(rows).map(([p, feature]) => `${JSON.stringify({ path: p, feature })}\n`);
  writeFileSync(path, lines.join(""));
  return path;
};

beforeAll(async () => {
  mkdirSync(join(photos, "kept"), { recursive: true });
  for (const name of photographs) copyFileSync(join(root, "samples", name), join(photos, name));
  copyFileSync(join(photos, "hills_01.jpg"), join(photos, "kept/copy, of hills.jpg"));
  const { default: sharp } = await import("sharp");
  await sharp(join(photos, "hills_03.png"))
    .png({ compressionLevel: 1 })
    .toFile(join(photos, "kept/same.png"));
  await sharp(join(photos, "towers_01.jpg"))
    .modulate({ brightness: 1.05 })
    .png()
    .toFile(join(photos, "kept/near.png"));
  const { code, err } = await runMain("extract", photos, "--out", features, "--device", "cpu");
  expect(err).toContain("features.npy");
  expect(code).toBe(0);
}, 120_000);

describe("similar", () => {
  it("lists the nearest images of one of the file, without itself", async () => {
    const { code, out } = await runMain("similar", features, "--path", "hills_01.jpg", "-k", "3");
    expect(code).toBe(0);
    expect(
      out.split("\n").map((line) =>
        line
          .trim()
          .split(/\s{2,}/)
          .at(-1),
      ),
    ).toEqual([
      "path",
      "kept/copy, of hills.jpg",
      "hills_02.jpg",
      expect.stringMatching(/hills_03.png|kept\/same.png/),
      "",
    ]);
  });

  it("computes a new image as the metadata say the others were", async () => {
    const image = join(root, "samples/hills_01.jpg");
    const { code, out } = await runMain("similar", features, "--image", image, "--json", "--device", "cpu");
    expect(code).toBe(0);
    const { neighbours, metric } = JSON.parse(out);
    expect(metric).toBe("cosine");
    expect(neighbours).toHaveLength(8);
    expect(neighbours[0]).toEqual({ path: "hills_01.jpg", distance: 0 });
    expect(neighbours[1]).toEqual({ path: "kept/copy, of hills.jpg", distance: 0 });
  });

  it("computes it with all that was done to the features: layer, pool, components, length", async () => {
    const reduced = join(folder, "reduced.pkl");
    const made = await runMain(
      ...["extract", photos, "--out", reduced, "--layer", "Conv2d_5_pointwise", "--pool", "gem"],
      ...["--pca", "4", "--l2", "--preprocess", "resize", "--image-size", "96", "--device", "cpu"],
    );
    expect(made.code).toBe(0);
    const image = join(photos, "towers_01.jpg");
    const { out } = await runMain("similar", reduced, "--image", image, "--json", "--metric", "euclidean");
    const [first] = JSON.parse(out).neighbours;
    expect(first.path).toBe("towers_01.jpg");
    expect(first.distance).toBeLessThan(1e-6);
    const components = JSON.parse(readFileSync(`${reduced}.pca.json`, "utf8"));
    components.explained[3] /= 2;
    writeFileSync(`${reduced}.pca.json`, JSON.stringify(components));
    const refitted = await runMain("similar", reduced, "--image", image, "--device", "cpu");
    expect([refitted.code, refitted.err]).toEqual([
      ExitCode.usage,
      expect.stringMatching(/holds other principal components than those that the features of/),
    ]);
  });

  it("prints CSV with names in quotes where they need them", async () => {
    const { out } = await runMain("similar", features, "--path", "hills_01.jpg", "-k", "1", "--csv");
    expect(out).toBe('distance,path\r\n0.0000,"kept/copy, of hills.jpg"\r\n');
  });

  it("wants a file for an image, not an address or nothing", async () => {
    const address = await runMain("similar", features, "--image", "https://example.invalid/x.jpg");
    expect([address.code, address.err]).toEqual([
      ExitCode.usage,
      expect.stringContaining("hint: Download it first."),
    ]);
    const nothing = await runMain("similar", features, "--image", "");
    expect([nothing.code, nothing.err]).toEqual([
      ExitCode.usage,
      expect.stringContaining("--image is given nothing."),
    ]);
  });

  it("tells distances that four decimals do not hold, as duplicates and outliers do", async () => {
    const file = jsonl("scales.jsonl", { a: [0, 0], b: [0, 0], c: [3e-7, 4e-7], d: [3e20, 4e20] });
    const euclidean = ["--metric", "euclidean", "--csv"];
    const { out } = await runMain("similar", file, "--path", "a", ...euclidean);
    expect(out).toBe("distance,path\r\n0.0000,b\r\n5.00e-7,c\r\n5.00e+20,d\r\n");
    const near = await runMain("duplicates", file, "--threshold", "0.001", ...euclidean);
    expect(near.out).toContain("nearly the same,5.00e-7,,c");
    expect((await runMain("outliers", file, "-k", "1", ...euclidean)).out).toMatch(/^5\.00e\+20,/m);
  });

  it("refuses features of another network", async () => {
    const image = join(photos, "hills_01.jpg");
    const other = await runMain("similar", features, "--image", image, "--model", "inception_v1");
    expect([other.code, other.err]).toEqual([
      ExitCode.usage,
      expect.stringMatching(/features.npy are of mobilenet_v1, not of inception_v1/),
    ]);
    const unknown = jsonl("unknown.jsonl", { a: [1, 2], b: [2, 1] });
    const { code, err } = await runMain("similar", unknown, "--image", image);
    expect([code, err]).toEqual([
      ExitCode.usage,
      expect.stringMatching(/does not say which network made its features/),
    ]);
    copyFileSync(features, join(folder, "others.npy"));
    const about = JSON.parse(readFileSync(`${features}.json`, "utf8"));
    about.weights.sha256 = "0".repeat(64);
    writeFileSync(join(folder, "others.npy.json"), JSON.stringify(about));
    const weights = await runMain("similar", join(folder, "others.npy"), "--image", image, "--device", "cpu");
    expect([weights.code, weights.err]).toEqual([
      ExitCode.model,
      expect.stringMatching(/were made with other weights of mobilenet_v1/),
    ]);
    const seeded = jsonl("short.jsonl", { a: [1, 2], b: [2, 1] });
    writeFileSync(`${seeded}.json`, readFileSync(`${features}.json`));
    const short = await runMain("similar", seeded, "--image", image, "--device", "cpu");
    expect(short.err).toMatch(
      /gives 1024 numbers by AvgPool_1a of mobilenet_v1, and the features of .* have 2/,
    );
  });

  it("says which paths are like one that is not there, and what else is wrong", async () => {
    const unknown = await runMain("similar", features, "--path", "hill_01.jpg");
    expect(unknown.code).toBe(ExitCode.usage);
    expect(unknown.err).toMatch(/has no image hill_01.jpg.\nhint: Did you mean hills_01.jpg/);
    expect((await runMain("similar", features)).err).toMatch(/No image is named/);
    const both = await runMain("similar", features, "--path", "a", "--image", "b");
    expect(both.err).toMatch(/A new image and one of the file are named/);
    const gone = await runMain("similar", features, "--image", join(folder, "gone.jpg"), "--device", "cpu");
    expect(gone.err).toMatch(/gone.jpg cannot be read \(ENOENT\)/);
    expect(gone.code).toBe(ExitCode.nothingToDo);
    const one = await runMain("similar", jsonl("one.jsonl", { a: [1] }), "--path", "a");
    expect(one.err).toMatch(/holds a alone/);
  });

  it("leaves images out whose features are no numbers, and says so", async () => {
    const file = jsonl("nan.jsonl", { a: [1, 2], b: [null, 1], c: [1, 3] });
    const { code, out, err } = await runMain("similar", file, "--path", "a");
    expect([code, err]).toEqual([0, expect.stringMatching(/left out, since .* not all numbers: b/)]);
    expect(out).not.toContain("b");
    expect((await runMain("similar", file, "--path", "b")).err).toMatch(/features of b are not all numbers/);
  });
});

describe("duplicates", () => {
  it("groups the same content, the same pixels and what is nearly the same", async () => {
    const { code, out, err } = await runMain("duplicates", features, "--images", photos, "--json");
    expect(code).toBe(0);
    const { groups } = JSON.parse(out);
    const told = groups.map((g: { keep: string; others: { path: string; same: string }[] }) => [
      g.keep,
      ...g.others.map(({ path, same }) => `${same} ${path}`),
    ]);
    expect(told).toEqual([
      ["hills_01.jpg", "content kept/copy, of hills.jpg"],
      ["hills_03.png", "pixels kept/same.png"],
      ["kept/near.png", "near towers_01.jpg"],
    ]);
    expect(err).toMatch(/3 groups, 3 images of 8 besides those to keep/);
    expect(existsSync(join(photos, "kept/same.png"))).toBe(true);
  });

  it("goes on where images are gone or there is no manifest, and says so", async () => {
    mkdirSync(join(folder, "elsewhere"));
    const moved = await runMain("duplicates", features, "--images", join(folder, "elsewhere"));
    expect(moved.code).toBe(0);
    expect(moved.err).toMatch(/8 of 8 images are not in .*elsewhere: bubbles_01\.jpg, .* and 5 more/);
    expect(moved.out).toMatch(/nearly the same .*kept\/same.png/);
    for (const command of ["duplicates", "cluster"]) {
      const { code, err } = await runMain(command, features, "--images", join(folder, "no such"));
      expect([code, err]).toEqual([
        ExitCode.usage,
        expect.stringMatching(/There is no folder or file .*no such/),
      ]);
    }
    const damaged = jsonl("damaged.jsonl", { a: [1, 2], b: [1, 2] });
    writeFileSync(`${damaged}.manifest.jsonl`, '{"path":"a"}\n{"path"');
    expect((await runMain("duplicates", damaged)).err).toMatch(/manifest.jsonl is damaged in line 2/);
    const { err, out } = await runMain("duplicates", jsonl("two.jsonl", { a: [1, 2], b: [1, 2] }));
    expect(err).toMatch(/no manifest beside the file/);
    expect(out).toMatch(/keep +a\n +1 +nearly the same +0.0000 +b\n/);
  });

  it("and words and pictures find images where extract did: in archives, and by names that are no text", async () => {
    const own = join(folder, "archived");
    mkdirSync(own);
    // Only Linux has names that are no text.
    const name =
      process.platform === "linux" ? Buffer.from("6f64ff642e6a7067", "hex") : Buffer.from("odd.jpg");
    const odd = Buffer.concat([Buffer.from(`${own}/`), name]);
    copyFileSync(join(photos, "hills_01.jpg"), odd as unknown as string);
    const { default: sharp } = await import("sharp");
    await sharp(join(photos, "hills_01.jpg")).png().toFile(join(own, "b.png"));
    const tar = join(folder, "archived.tar");
    execFileSync("tar", ["-cf", tar, "-C", own, "."]);
    for (const place of [own, tar]) {
      const out = join(folder, "archived.npy");
      const common = ["--device", "cpu", "--overwrite", "--quiet", "--model", "mobilenet_v1_025"];
      const made = await runMain("extract", place, "--out", out, ...common, "--weights", "seeded");
      expect(made.err).toBe("");
      const clusters = await runMain("cluster", out, "--images", place, "-k", "1", "--json");
      expect(JSON.parse(clusters.out).clusters[0].words).toHaveLength(3);
      const exported = await runMain("export", out, "--to", "projector", "--images", place);
      for (const { err } of [clusters, exported]) expect(err).not.toMatch(/not in|cannot|no picture/);
      const found = await runMain("duplicates", out, "--images", place, "--threshold", "2", "--json");
      expect(found.err).not.toMatch(/not in|cannot/);
      expect(JSON.parse(found.out).groups).toHaveLength(1);
    }
  });

  it("of one image are none", async () => {
    const { code, err } = await runMain("duplicates", jsonl("one.jsonl", { a: [1] }));
    expect([code, err]).toEqual([0, expect.stringMatching(/0 groups, 0 images of 1/)]);
  });
});

describe("cluster", () => {
  it("tells sizes, typical images and words from the features alone", async () => {
    const { code, out } = await runMain("cluster", features, "-k", "3", "--json");
    expect(code).toBe(0);
    const { clusters, images, k } = JSON.parse(out);
    expect(k).toBe(3);
    const of = (path: string) => images.find((i: { path: string }) => i.path === path).cluster;
    expect(new Set(["hills_01.jpg", "hills_02.jpg", "hills_03.png", "kept/same.png"].map(of)).size).toBe(1);
    expect(of("towers_01.jpg")).not.toBe(of("hills_01.jpg"));
    const hills = clusters[of("hills_01.jpg")];
    expect(hills.size).toBe(5);
    expect(hills.words[0].word).toBe("balloon");
    const byImages = await runMain("extract", photos, "--out", join(folder, "mid.npy"), "--layer", "Conv2d_3_pointwise", "--pool", "avg", "--device", "cpu"); // biome-ignore format: a command
    expect(byImages.code).toBe(0);
    const told = await runMain("cluster", join(folder, "mid.npy"), "-k", "1", "--images", photos, "--json", "--device", "cpu"); // biome-ignore format: a command
    expect(JSON.parse(told.out).clusters[0].words).toHaveLength(3);
    const without = await runMain("cluster", join(folder, "mid.npy"), "-k", "1");
    expect(without.err).toMatch(/No words: .* --images DIR/);
  });

  it("has the same words from the features as from the images", async () => {
    const { includedHead, logitsOfImages } = await import("../../src/extract/words.ts");
    const { readVectors } = await import("../../src/tables/vectors.ts");
    const { rows, madeBy, paths } = await readVectors(features);
    const head = await includedHead(madeBy);
    const [logits] = await logitsOfImages(
      [{ key: paths[0], path: Buffer.from(join(photos, paths[0])) }],
      { device: "cpu" },
      () => {},
    );
    const own = head?.logits(rows.data.subarray(0, rows.width)) ?? [];
    expect(own).toHaveLength(1001);
    for (const [i, v] of (logits ?? []).entries()) expect(own[i]).toBeCloseTo(v, 4);
    expect(await includedHead({ ...madeBy, l2: true })).toBeUndefined();
    expect(await includedHead({ ...madeBy, endPoint: "Conv2d_3_pointwise" })).toBeUndefined();
  });

  it("chooses their number, prints each image's, and refuses more than there are", async () => {
    const { out, err, code } = await runMain("cluster", features, "--csv");
    expect([code, err]).toEqual([0, expect.stringMatching(/clusters are apart best/)]);
    expect(out.split("\r\n")).toHaveLength(10);
    expect(out).toMatch(/^path,cluster\r\n/);
    const many = await runMain("cluster", features, "-k", "9");
    expect([many.code, many.err]).toEqual([
      ExitCode.usage,
      expect.stringMatching(/9 clusters cannot be made of 8/),
    ]);
    expect((await runMain("cluster", features, "-k", "some")).err).toMatch(
      /whole number from 1 to 1000000, or auto/,
    );
  });

  it("of equal images, or of one, is one", async () => {
    const equal = jsonl("equal.jsonl", { a: [1, 2], b: [1, 2] });
    const two = await runMain("cluster", equal, "-k", "2", "--json");
    expect(JSON.parse(two.out).clusters).toHaveLength(1);
    expect(two.err).toMatch(/There is only 1 cluster:/);
    const one = await runMain("cluster", jsonl("one.jsonl", { a: [1] }), "--json");
    expect(JSON.parse(one.out).images).toEqual([{ path: "a", cluster: 0 }]);
  });
});

describe("outliers", () => {
  it("come with how far they are and what they are most like", async () => {
    const file = jsonl("outliers.jsonl", Object.fromEntries([..."abcdefgh"].map((c, i) => [c, [1, i / 50, c === "f" ? -3 : 0]]))); // biome-ignore format: rows
    const { out, code } = await runMain("outliers", file, "-n", "2", "--json");
    expect(code).toBe(0);
    const { outliers } = JSON.parse(out);
    expect(outliers).toHaveLength(2);
    expect(outliers[0].path).toBe("f");
    expect(outliers[0].times).toBeGreaterThan(5);
    const one = await runMain("outliers", jsonl("one.jsonl", { a: [1] }));
    expect([one.code, one.err]).toEqual([ExitCode.usage, expect.stringMatching(/holds a alone/)]);
  });
});

describe("export", () => {
  const to = async (name: string, ...args: string[]) => {
    const { code, out, err } = await runMain("export", features, "--to", name, ...args);
    expect(code).toBe(0);
    return { path: out.trim(), err };
  };

  it("to projector has tensors, metadata with a header, a sprite of all images, and both configurations", async () => {
    const { path, err } = await to("projector", "--images", photos);
    expect(err).toMatch(/tensorboard --logdir/);
    const tensors = readFileSync(join(path, "tensors.tsv"), "utf8").trimEnd().split("\n");
    const rows = [];
    for await (const row of readFeatures(features)) rows.push(row);
    expect(tensors.map((line) => line.split("\t").map((v) => Math.fround(Number(v))))).toEqual(
      rows.map((r) => Array.from(r.data)),
    );
    const metadata = readFileSync(join(path, "metadata.tsv"), "utf8").trimEnd().split("\n");
    expect(metadata[0]).toBe("path\tlabel");
    expect(metadata).toContain("kept/near.png\tkept");
    expect(metadata).toHaveLength(9);
    const { default: sharp } = await import("sharp");
    const sprite = await sharp(join(path, "sprite.png")).metadata();
    expect([sprite.width, sprite.height]).toEqual([192, 192]);
    expect(readFileSync(join(path, "projector_config.pbtxt"), "utf8")).toMatch(
      /sprite \{\n +image_path: "sprite.png"/,
    );
    const { embeddings } = JSON.parse(readFileSync(join(path, "config.json"), "utf8"));
    expect(embeddings[0].tensorShape).toEqual([8, 1024]);
  });

  it.each(["embedding-atlas", "spotlight"])(
    "to %s is a Parquet file with labels and places",
    async (name) => {
      const { path } = await to(name, "--images", photos);
      const bytes = readFileSync(path);
      const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
      const rows = (await parquetReadObjects({ file })) as Record<string, unknown>[];
      expect(rows).toHaveLength(8);
      const near = rows.find((r) => r.path === "kept/near.png") ?? {};
      expect(near.label).toBe("kept");
      expect(near.feature).toHaveLength(1024);
      expect(near[name === "spotlight" ? "image" : "file"]).toBe(join(photos, "kept/near.png"));
      if (name === "embedding-atlas") expect(near.image).toMatch(/^data:image\/jpeg;base64,\/9j/);
      let count = 0;
      for await (const { data } of readFeatures(path)) count += data.length;
      expect(count).toBe(8 * 1024);
    },
  );

  it("to fiftyone and clip-retrieval are folders with embeddings in the order of the images", async () => {
    const fiftyone = await to("fiftyone", "--images", photos);
    const samples = JSON.parse(readFileSync(join(fiftyone.path, "samples.json"), "utf8"));
    expect(samples.map((s: { path: string }) => s.path)).toHaveLength(8);
    expect(samples.every((s: { filepath: string }) => existsSync(s.filepath))).toBe(true);
    expect(readFileSync(join(fiftyone.path, "open.py"), "utf8")).toContain("compute_similarity");
    const clip = await to("clip-retrieval", "--out", join(folder, "clip"));
    const bytes = readFileSync(join(clip.path, "metadata/metadata_0.parquet"));
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
    const rows = (await parquetReadObjects({ file })) as Record<string, unknown>[];
    expect(rows.map((r) => r.caption)).toEqual(samples.map((s: { path: string }) => s.path));
    const npy = readFileSync(join(clip.path, "img_emb/img_emb_0.npy"));
    const values = new Float32Array(
      npy.buffer.slice(npy.byteOffset + npy.length - 4 * 1024, npy.byteOffset + npy.length),
    );
    expect(Math.hypot(...values)).toBeCloseTo(1, 5);
  });

  itWithPython(
    "to projector is read by TensorBoard",
    async () => {
      const { path } = await to("projector", "--out", join(folder, "tensorboard"), "--images", photos);
      const read = runPython(
        `
import json, os, sys
from google.protobuf import text_format
from tensorboard.plugins.projector import projector_config_pb2, projector_plugin
folder = sys.argv[1]
config = projector_config_pb2.ProjectorConfig()
text_format.Parse(open(os.path.join(folder, "projector_config.pbtxt")).read(), config)
[e] = config.embeddings
tensors = projector_plugin._read_tensor_tsv_file(os.path.join(folder, e.tensor_path))
there = [os.path.exists(os.path.join(folder, p)) for p in (e.metadata_path, e.sprite.image_path)]
print(json.dumps([list(tensors.shape), there, list(e.sprite.single_image_dim)]))
`,
        path,
      );
      expect(read).toEqual([
        [8, 1024],
        [true, true],
        [64, 64],
      ]);
    },
    "tensorboard",
  );

  itWithPython(
    "as Parquet is read by pandas, with the numbers of the file",
    async () => {
      const atlas = await to("embedding-atlas", "--images", photos);
      const clip = await to("clip-retrieval", "--out", join(folder, "clip for pandas"));
      const read = runPython(
        `
import json, sys
import numpy as np, pandas as pd
x = np.load(sys.argv[1]).reshape(8, -1)
atlas = pd.read_parquet(sys.argv[2])
meta = pd.read_parquet(sys.argv[3] + "/metadata/metadata_0.parquet")
unit = np.load(sys.argv[3] + "/img_emb/img_emb_0.npy").reshape(8, -1)
same = bool((np.stack(atlas.feature.to_list()).astype(np.float32) == x).all())
near = float(np.abs(unit - x / np.linalg.norm(x, axis=1, keepdims=True)).max())
print(json.dumps([list(atlas.columns), same, near < 1e-6, list(meta.columns), meta.caption.tolist() == atlas.path.tolist()]))
`,
        ...[features, atlas.path, clip.path],
      );
      expect(read).toEqual([
        ["path", "label", "file", "image", "feature"],
        true,
        true,
        ["image_path", "caption"],
        true,
      ]);
    },
    "pandas",
  );

  it("says what it cannot know, and refuses what is in the way", async () => {
    const file = jsonl("bare.jsonl", { "a\tb": [1, 2] });
    const { err, out } = await runMain("export", file, "--to", "projector");
    expect(err).toMatch(/folder of the images is not known/);
    expect(readFileSync(join(out.trim(), "metadata.tsv"), "utf8")).toBe("path\tlabel\na b\t\n");
    const there = await runMain("export", file, "--to", "spotlight", "--out", folder);
    expect(there.err).toMatch(/is there, and is a folder/);
    expect((await runMain("export", file, "--to", "spotlight", "--images", "no/such")).err).toMatch(
      /no folder or file no\/such/,
    );
    expect((await runMain("export", file)).code).toBe(ExitCode.usage);
  });

  it("never takes the place of the features", async () => {
    const file = jsonl("own.jsonl", { a: [1, 2], b: [2, 1] });
    const before = readFileSync(file);
    symlinkSync(file, join(folder, "link.jsonl"));
    const over = await runMain("export", file, "--to", "spotlight", "--out", join(folder, "link.jsonl"));
    expect([over.code, over.err]).toEqual([ExitCode.usage, expect.stringMatching(/would be lost/)]);
    expect(readFileSync(file)).toEqual(before);
  });
});
