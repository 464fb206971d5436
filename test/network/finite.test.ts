/** NaN and infinity are never written in silence: weights are refused by name, images fail with the layer to blame. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { CheckpointError, ImageError } from "../../src/errors.ts";
import { createExtractor } from "../../src/extract/extractor.ts";
import { seededUnits } from "../../src/seeded.ts";
import { type FeatureRow, readFeatures } from "../../src/tables/readers/index.ts";
import { runMain } from "../cli/helpers.ts";
import { temporaryFolder } from "../support/features.ts";
import { openNetwork } from "../support/node.ts";
import { seededVariables, type Variable, writeVariables } from "../support/small-checkpoint.ts";

let folder = "";
let lenet: Variable[] = [];

/** Pixels of 128 are zeros to lenet, whatever its weights; all others overflow under `huge` ones. */
const grey = Buffer.alloc(28 * 28, 128);
const picture = (data: Uint8Array) =>
  sharp(data, { raw: { width: 28, height: 28, channels: 1 } })
    .png()
    .toBuffer();

const changed = (name: string, change: (data: Float32Array) => Float32Array) =>
  lenet.map((v) => (v.name === name ? { ...v, data: change(v.data) } : v));

/** Every number is one, and so is every product with zeros; with anything else the second layer overflows. */
const huge = () =>
  lenet.map((v) => (/conv[12]\/weights$/.test(v.name) ? { ...v, data: v.data.map((x) => x * 1e30) } : v));

beforeAll(async () => {
  folder = temporaryFolder();
  lenet = await seededVariables("lenet");
  mkdirSync(join(folder, "in"));
  writeFileSync(
    join(folder, "in/a.png"),
    await picture(Uint8Array.from(seededUnits("a", 784), (u) => 60 * (u + 1))),
  );
  writeFileSync(join(folder, "in/grey.png"), await picture(grey));
  writeFileSync(join(folder, "in/same as a.png"), readFileSync(join(folder, "in/a.png")));
});

describe.each(["cpu", "webgpu"] as const)("weights that are no numbers, on %s", (device) => {
  const open = (checkpoint: string, layers = ["features"]) =>
    openNetwork({ model: "lenet", layers, device, weights: "checkpoint", checkpoint });

  it.each([
    ["NaN", Number.NaN, /NaN at 1 of its \d+ values, first at 17/],
    ["infinity", Number.NEGATIVE_INFINITY, /infinity at 1 of its \d+ values, first at 17/],
  ])("are refused with the file's and the variable's name: %s", async (name, value, said) => {
    const checkpoint = await writeVariables(
      join(folder, `${device} ${name}.ckpt`),
      changed("LeNet/conv2/weights", (data) => data.with(17, value)),
    );
    const opening = open(checkpoint);
    await expect(opening).rejects.toThrow(CheckpointError);
    await expect(opening).rejects.toThrow(`${device} ${name}.ckpt: LeNet/conv2/weights holds`);
    await expect(opening).rejects.toThrow(said);
  });

  it("do no harm where nothing needs them", async () => {
    const checkpoint = await writeVariables(
      join(folder, `${device} unused.ckpt`),
      changed("LeNet/conv2/weights", (data) => data.map(() => Number.NaN)),
    );
    const network = await open(checkpoint, ["conv1"]);
    await network.close();
  });
});

describe("a moving variance below zero", () => {
  it("is refused by the names of the variables, since no number can be made of it", async () => {
    const variables = await seededVariables("mobilenet_v1_025");
    const name = "MobilenetV1/Conv2d_0/BatchNorm/moving_variance";
    const checkpoint = await writeVariables(
      join(folder, "variance.ckpt"),
      variables.map((v) => (v.name === name ? { ...v, data: v.data.with(3, -1) } : v)),
    );
    const opening = openNetwork({
      model: "mobilenet_v1_025",
      imageSize: 32,
      device: "cpu",
      weights: "checkpoint",
      checkpoint,
    });
    await expect(opening).rejects.toThrow(CheckpointError);
    await expect(opening).rejects.toThrow(/what is made of .*Conv2d_0\/.*moving_variance.* holds NaN/);
  });
});

describe.each(["cpu", "webgpu"])("features that are no numbers, on %s", (device) => {
  const run = (checkpoint: string, out: string) =>
    runMain(
      ...["extract", "--model", "lenet", "--checkpoint", checkpoint, "--data-dir", join(folder, "in")],
      ...["--device", device, "--format", "npy", "--out", out],
    );

  it("are failures of their images, told by path and layer; the others get their rows", async () => {
    const checkpoint = await writeVariables(join(folder, `${device} huge.ckpt`), huge());
    const out = join(folder, `${device}.npy`);
    const { code, err } = await run(checkpoint, out);
    expect(code).toBe(3);
    expect(err).toMatch(
      /^failed: a\.png: its features are not all numbers: LeNet\/conv2 \(conv2d\) gives (NaN|infinity) at \d+ of its 12544 values/m,
    );
    const rows: FeatureRow[] = [];
    for await (const row of readFeatures(out)) rows.push(row);
    expect(rows.map((r) => r.path)).toEqual(["grey.png"]);
    expect(rows[0].data.every(Number.isFinite)).toBe(true);
    const manifest = readFileSync(`${out}.manifest.jsonl`, "utf8").trimEnd().split("\n");
    expect(manifest.map((line) => JSON.parse(line)).map((r) => [r.path, r.status])).toEqual([
      ["a.png", "failed"],
      ["grey.png", "ok"],
      ["same as a.png", "failed"],
    ]);
    expect(JSON.parse(readFileSync(`${out}.json`, "utf8")).images).toMatchObject({ written: 1, failed: 2 });
    // Known from the first run, and told again.
    const again = await run(checkpoint, out);
    expect(again.code).toBe(3);
    expect(again.err).toContain("going on: 2 images are known");
  });
});

describe("the library's extractor", () => {
  it("throws for an image whose features are no numbers, with its path and the layer", async () => {
    const checkpoint = await writeVariables(join(folder, "library.ckpt"), huge());
    const extractor = await createExtractor({ model: "lenet", checkpoint, device: "cpu" });
    try {
      const [good] = await extractor.features([join(folder, "in/grey.png")]);
      expect(good.fc3.length).toBe(1024);
      const both = extractor.features([join(folder, "in/grey.png"), join(folder, "in/a.png")]);
      await expect(both).rejects.toThrow(ImageError);
      await expect(both).rejects.toThrow(/a\.png: fc3 is not all numbers: LeNet\/conv2 \(conv2d\)/);
    } finally {
      await extractor.close();
    }
  });
});
