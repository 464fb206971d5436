/** The command line as a user starts it: processes, files, exit codes. */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mayHaveGpu } from "../../src/node/drivers.ts";
import { type FeatureRow, readFeatures } from "../../src/tables/readers/index.ts";
import { maxAbs, relativeError } from "../../src/verify/measure.ts";
import { needsShared, ownReference, sharedReference } from "../support/reference.ts";

const root = resolve(import.meta.dirname, "../..");
let folder = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "end-to-end-"));
  mkdirSync(join(folder, "images"));
  for (const name of ["picture1", "picture2"]) {
    await sharp(join(ownReference, `images/${name}_331.png`))
      .extract({ left: 0, top: 0, width: 224, height: 224 })
      .png()
      .toFile(join(folder, `images/${name}.png`));
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function runIn(cwd: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, "bin/slimfeatures.mjs"), ...args],
    { cwd, encoding: "utf8" },
  );
  return { status, stdout, stderr };
}

/** From a folder that is not the project's, as its users do who installed it. */
const run = (...args: string[]) => runIn(folder, ...args);

/** The reference's pooled feature of a picture: stored whole. */
function truth(image: number): { feature: Float32Array; bound: number } {
  const net = JSON.parse(readFileSync(join(ownReference, "pictures/inception_v1.json"), "utf8")) as {
    endPoints: { name: string; offset: number; samples: number; stats: { tfFloat32MaxErr: number }[] }[];
  };
  const bytes = readFileSync(join(ownReference, "pictures/inception_v1.f32"));
  const all = new Float32Array(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer,
  );
  const endPoint = net.endPoints.find((e) => e.name === "AvgPool_0a_7x7");
  if (!endPoint) throw new Error("the reference lacks the feature");
  const start = (image * all.length) / 2 + endPoint.offset;
  return {
    feature: all.slice(start, start + endPoint.samples),
    bound: 4 * Math.max(endPoint.stats[image].tfFloat32MaxErr, 1e-6),
  };
}

async function rowsOf(path: string): Promise<FeatureRow[]> {
  const rows: FeatureRow[] = [];
  for await (const row of readFeatures(path)) rows.push(row);
  return rows;
}

async function expectReferenceFeatures(file: string): Promise<void> {
  const rows = await rowsOf(file);
  expect(rows.map((r) => r.path)).toEqual(["picture1.png", "picture2.png"]);
  for (const [i, { data, shape }] of rows.entries()) {
    const { feature, bound } = truth(i);
    expect(shape).toEqual([1024]);
    expect(relativeError(data, feature, maxAbs(feature))).toBeLessThanOrEqual(bound);
  }
}

describe.each(["webgpu", "cpu"])("extract on %s", (device) => {
  it("gives TensorFlow's features, and calls seeded weights untrained on the terminal and in the file", async () => {
    const out = join(folder, `${device}.pkl`);
    const options = [
      "--model",
      "inception_v1",
      "--data-dir",
      join(folder, "images"),
      "--preprocess",
      "resize",
    ];
    const result = run("extract", ...options, "--weights", "seeded", "--device", device, "--out", out);
    expect(result.stderr).toContain("UNTRAINED");
    expect(result).toMatchObject({ status: 0, stdout: `${out}\n` });
    expect(JSON.parse(readFileSync(`${out}.json`, "utf8"))).toMatchObject({
      backend: device,
      weights: { trained: false },
    });
    await expectReferenceFeatures(out);
  });

  it.skipIf(!sharedReference)(`gives them from an archive as it is published${needsShared}`, async () => {
    const out = join(folder, `${device}-archive.npy`);
    const archive = join(sharedReference as string, "checkpoints/inception_v1_seeded.tar.gz");
    const options = [
      "--model",
      "inception_v1",
      "--data-dir",
      join(folder, "images"),
      "--preprocess",
      "resize",
    ];
    const result = run(
      "extract",
      ...options,
      "--checkpoint",
      archive,
      "--device",
      device,
      "--format",
      "npy",
      "--out",
      out,
    );
    expect(result.status).toBe(0);
    expect(result.stderr).not.toContain("UNTRAINED");
    await expectReferenceFeatures(out);
  });
});

describe("the command line", () => {
  it.skipIf(mayHaveGpu())("prints nothing but errors with --quiet, whatever drivers there are", () => {
    const out = join(folder, "quiet.npy");
    const result = run("extract", "--data-dir", join(folder, "images"), "--out", out, "--quiet");
    expect(result).toEqual({ status: 0, stdout: `${out}\n`, stderr: "" });
  });

  it("extracts trained features from anywhere without a network or weights being named", () => {
    const out = join(folder, "trained.npy");
    const result = run("extract", "--data-dir", join(folder, "images"), "--device", "cpu", "--out", out);
    expect(result).toMatchObject({ status: 0, stdout: `${out}\n` });
    expect(result.stderr).toMatch(
      /^weights: .*mobilenet_v1_1\.0_224\.ckpt .*trained on ImageNet, as published$/m,
    );
    expect(result.stderr).toMatch(/^picture1\.png {2}\S.* \(0\.\d\d\)$/m);
    expect(JSON.parse(readFileSync(`${out}.json`, "utf8"))).toMatchObject({
      model: "mobilenet_v1",
      weights: { trained: true, published: true },
    });
    const quiet = run(
      "extract",
      "--data-dir",
      join(folder, "images"),
      "--device",
      "cpu",
      "--out",
      out,
      "--quiet",
    );
    expect(quiet).toEqual({ status: 0, stdout: `${out}\n`, stderr: "" });
  });

  it("names a file that cannot be decoded, extracts the others, and ends with 3", async () => {
    const images = join(folder, "mixed");
    cpSync(join(folder, "images"), images, { recursive: true });
    writeFileSync(join(images, "a.jpg"), "this is a text file");
    const out = join(folder, "mixed.jsonl");
    const options = [
      "--model",
      "inception_v1",
      "--data-dir",
      images,
      "--preprocess",
      "resize",
      "--device",
      "cpu",
    ];
    const result = run("extract", ...options, "--weights", "seeded", "--format", "jsonl", "--out", out);
    expect(result.status).toBe(3);
    expect(result.stderr).toContain("a.jpg: cannot be decoded: it is a text file\n");
    await expectReferenceFeatures(out);
  });

  it("extracts any end point by its name, as a map where it is one", async () => {
    const out = join(folder, "map.pkl");
    const options = ["--model", "inception_v1", "--data-dir", join(folder, "images"), "--device", "cpu"];
    const result = run("extract", ...options, "--weights", "seeded", "--layer", "Mixed_5b", "--out", out);
    expect(result.status).toBe(0);
    expect((await rowsOf(out)).map((r) => r.shape)).toEqual([
      [7, 7, 832],
      [7, 7, 832],
    ]);
  });

  it("explains what to do without a checkpoint, and writes nothing", async () => {
    const out = join(folder, "none.pkl");
    const empty = mkdtempSync(join(folder, "empty-"));
    const options = ["--model", "inception_v1", "--data-dir", join(folder, "images"), "--out", out];
    const result = runIn(empty, "extract", ...options);
    expect(result.status).toBe(5);
    expect(result.stderr).toContain("npm run fetch -- inception_v1");
    expect(result.stderr).not.toContain("    at ");
    expect(existsSync(out)).toBe(false);
  });

  it("refuses a checkpoint of something else without a stack trace", async () => {
    const wrong = join(folder, "page.ckpt");
    writeFileSync(wrong, "<!DOCTYPE html><html><head><title>404 Not Found</title></head></html>");
    const options = ["--model", "inception_v1", "--data-dir", join(folder, "images"), "--device", "cpu"];
    const result = run("extract", ...options, "--checkpoint", wrong);
    expect(result.status).toBe(5);
    expect(result.stderr).toContain('is a web page ("404 Not Found"), not a checkpoint');
    expect(result.stderr).not.toContain("    at ");
  });

  it("verifies operations, and ends with 1 when a true value is another", async () => {
    expect(run("verify", "ops", ownReference, "--device", "cpu")).toMatchObject({ status: 0 });
    const changed = join(folder, "changed");
    mkdirSync(changed);
    cpSync(join(ownReference, "ops.json"), join(changed, "ops.json"));
    const bytes = readFileSync(join(ownReference, "ops.f32"));
    bytes.writeFloatLE(bytes.readFloatLE(0) + 1, 0);
    writeFileSync(join(changed, "ops.f32"), bytes);
    const result = run("verify", "ops", changed, "--device", "cpu");
    expect(result.status).toBe(1);
    expect(result.stdout).toContain("64 passed, 1 failed");
  });
});
