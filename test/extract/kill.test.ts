/** Runs that are killed, stopped, changed and repeated, as processes. */
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../support/features.ts";
import { contentOf, drawFolder, drawJpeg, type Ended, leftovers, startExtract } from "../support/runs.ts";

const count = 500;
let images = "";

beforeAll(async () => {
  images = join(temporaryFolder(), "images");
  await drawFolder(images, count);
});

/** Extracts into `out`; sends a signal so many milliseconds after the run said that it computes. */
async function extract(
  out: string,
  options: { kill?: [NodeJS.Signals, number]; args?: string[]; from?: string } = {},
): Promise<Ended> {
  const { kill, args, from = images } = options;
  const { child, ended, says } = startExtract({ out, from, imageSize: 64, args });
  if (kill) await says("computing");
  const timer = kill && setTimeout(() => child.kill(kill[0]), kill[1]);
  const result = await ended;
  clearTimeout(timer);
  return result;
}

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
      // The first one has all images before it, however fast the machine is meanwhile.
      const after = i === 0 ? 0 : 800 * seconds * Math.random();
      const { signal } = await extract(out, { kill: ["SIGKILL", after], args: ["--commit-every", "1"] });
      if (signal === "SIGKILL") kills++;
    }
    expect(kills).toBeGreaterThan(0);
    const { code, err } = await extract(out);
    expect(code, err).toBe(3);
    expect(contentOf(out)).toEqual(whole);
    expect(leftovers(out)).toEqual([]);
  });

  it("stopped by SIGTERM keeps what it computed, says how to go on, and gives the same bytes then", async () => {
    const out = join(folder, "stopped.npy");
    const { code, err } = await extract(out, { kill: ["SIGTERM", 400 * seconds] });
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
    await drawJpeg(join(from, "6/new.jpg"), "something new");
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
    expect(refused.code).toBe(9);
    expect(refused.err).toMatch(
      /preprocess: it was inception: central crop.*, now it is inception: whole image/,
    );
    expect(contentOf(out)).toEqual(whole);
    const fresh = await extract(out, { args: ["--preprocess", "resize", "--overwrite"] });
    expect(fresh.code).toBe(3);
    expect(readFileSync(out, "latin1")).not.toBe(whole[0]);
  });

  it("tries failures again only when told", async () => {
    const from = join(folder, "mended");
    mkdirSync(from);
    await drawJpeg(join(from, "good.jpg"), "good");
    writeFileSync(join(from, "bad.jpg"), "bad");
    const out = join(folder, "mended.npy");
    expect((await extract(out, { from })).code).toBe(3);
    expect((await extract(out, { from })).err).toContain("going on: 2 images are known");
    expect((await extract(out, { from, args: ["--retry-failed"] })).err).toContain(
      "going on: 1 images are known",
    );
  });
});
