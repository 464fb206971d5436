/** Runs that are killed, stopped, changed and repeated, as processes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { seededUnits } from "../../src/seeded.ts";
import { temporaryFolder } from "./helpers.ts";

const root = resolve(import.meta.dirname, "../..");
const count = 500;
const names = Array.from({ length: count }, (_, i) => `${String(i % 7)}/image ${i}.jpg`);

let images = "";

async function draw(path: string, seed: string): Promise<void> {
  const units = seededUnits(seed, 24 * 24 * 3);
  const data = Uint8Array.from(units, (u) => 127.5 * (u + 1));
  const raw = { width: 24, height: 24, channels: 3 } as const;
  writeFileSync(path, await sharp(data, { raw }).resize(64, 48).jpeg().toBuffer());
}

beforeAll(async () => {
  images = join(temporaryFolder(), "images");
  for (let i = 0; i < 7; i++) mkdirSync(join(images, `${i}`), { recursive: true });
  await Promise.all(names.map((name, i) => draw(join(images, name), `image ${i}`)));
  writeFileSync(join(images, "0/broken.jpg"), "no image at all, but named like one");
});

interface Run {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly err: string;
}

/** Extracts into `out`; sends `signal` after `after` milliseconds. */
async function extract(
  out: string,
  options: { kill?: [NodeJS.Signals, number]; args?: string[]; from?: string } = {},
): Promise<Run> {
  const { kill, args = [], from = images } = options;
  const common = [
    "--weights",
    "seeded",
    "--device",
    "cpu",
    "--format",
    "npy",
    "--out",
    out,
    "--data-dir",
    from,
  ];
  const child = spawn(
    process.execPath,
    [
      "--import",
      "tsx",
      join(root, "src/cli/main.ts"),
      "extract",
      "--model",
      "mobilenet_v1_025",
      "--image-size",
      "64",
      ...common,
      ...args,
    ],
    { cwd: root, stdio: ["ignore", "ignore", "pipe"] },
  );
  let err = "";
  child.stderr.on("data", (piece: Buffer) => {
    err += piece.toString();
  });
  const timer = kill && setTimeout(() => child.kill(kill[0]), kill[1]);
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  clearTimeout(timer);
  return { code, signal, err };
}

const files = ["", ".json", ".manifest.jsonl"];
const contentOf = (out: string) => files.map((end) => readFileSync(`${out}${end}`, "utf8"));

describe("a run of 500 images", () => {
  let whole: string[] = [];
  let folder = "";
  let seconds = 0;

  beforeAll(async () => {
    folder = temporaryFolder();
    const began = performance.now();
    const { code, err } = await extract(join(folder, "whole.npy"));
    expect(code, err).toBe(3);
    seconds = (performance.now() - began) / 1000;
    whole = contentOf(join(folder, "whole.npy"));
    expect(whole[2].split("\n")).toHaveLength(count + 2);
  });

  it("killed at ten random moments gives the bytes of an unbroken one", async () => {
    const out = join(folder, "killed.npy");
    let kills = 0;
    for (let i = 0; i < 10; i++) {
      const after = 1000 * seconds * (0.15 + 0.8 * Math.random());
      const { signal } = await extract(out, { kill: ["SIGKILL", after], args: ["--commit-every", "1"] });
      if (signal === "SIGKILL") kills++;
    }
    expect(kills).toBeGreaterThan(0);
    const { code, err } = await extract(out);
    expect(code, err).toBe(3);
    expect(contentOf(out)).toEqual(whole);
  });

  it("stopped by SIGTERM keeps what it computed, says how to go on, and gives the same bytes then", async () => {
    const out = join(folder, "stopped.npy");
    const { code, err } = await extract(out, { kill: ["SIGTERM", 700 * seconds] });
    expect([143, 3]).toContain(code);
    if (code === 143) {
      expect(err).toMatch(/stopped\. \d+ images computed by this run are kept; give the same command again/);
      expect(existsSync(out)).toBe(false);
    }
    await extract(out);
    expect(contentOf(out)).toEqual(whole);
  });

  it("again after renames, copies and new files computes only what is new", async () => {
    const out = join(folder, "changed.npy");
    const from = join(folder, "changed");
    cpSync(images, from, { recursive: true });
    await extract(out, { from });
    renameSync(join(from, "1/image 1.jpg"), join(from, "6/renamed.jpg"));
    cpSync(join(from, "2/image 2.jpg"), join(from, "6/copy.jpg"));
    await draw(join(from, "6/new.jpg"), "something new");
    rmSync(join(from, "3/image 3.jpg"));
    const { err } = await extract(out, { from });
    expect(err).toMatch(/images: +501 done, 1 failed, 0 skipped; 1 computed now/);
    const rows = readFileSync(`${out}.manifest.jsonl`, "utf8")
      .trimEnd()
      .split("\n")
      .map((l) => JSON.parse(l));
    const row = (path: string) => rows.find((r) => r.path === path);
    expect(row("6/copy.jpg").sha256).toBe(row("2/image 2.jpg").sha256);
    expect(row("3/image 3.jpg")).toBeUndefined();
    const values = readFileSync(out);
    const feature = (path: string) =>
      values.subarray(values.length - 4 * 256 * (501 - row(path).row)).subarray(0, 4 * 256);
    expect(feature("6/copy.jpg").equals(feature("2/image 2.jpg"))).toBe(true);
    expect(feature("6/new.jpg").equals(feature("2/image 2.jpg"))).toBe(false);
  });

  it("refuses other settings by name, and forgets the earlier run when told", async () => {
    const out = join(folder, "whole.npy");
    const refused = await extract(out, { args: ["--preprocess", "resize"] });
    expect(refused.code).toBe(2);
    expect(refused.err).toMatch(
      /preprocess: it was inception: central crop.*, now it is inception: whole image/,
    );
    expect(contentOf(out)).toEqual(whole);
    const fresh = await extract(out, { args: ["--preprocess", "resize", "--overwrite"] });
    expect(fresh.code).toBe(3);
    expect(readFileSync(out, "utf8")).not.toBe(whole[0]);
  });

  it("tries failures again only when told", async () => {
    const from = join(folder, "mended");
    mkdirSync(from);
    await draw(join(from, "good.jpg"), "good");
    writeFileSync(join(from, "bad.jpg"), "bad");
    const out = join(folder, "mended.npy");
    expect((await extract(out, { from })).code).toBe(3);
    expect((await extract(out, { from })).err).toContain("going on: 2 images are known");
    expect((await extract(out, { from, args: ["--retry-failed"] })).err).toContain(
      "going on: 1 images are known",
    );
  });
});
