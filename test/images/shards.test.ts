/** Folders of tar archives, as data sets are kept in shards: read shard by shard, under the names of these. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listSources, openDecodePool } from "../../src/node/images/index.ts";

let folder = "";
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "shards-"));
  const shades = ["#102030", "#405060", "#708090"];
  for (const [shard, names] of Object.entries({ "0": ["a.jpg", "b.jpg"], "1": ["a.jpg"] })) {
    const dir = at(`content/${shard}`);
    mkdirSync(dir, { recursive: true });
    for (const [i, name] of names.entries()) {
      const background = shades[i + 2 * Number(shard)];
      await sharp({ create: { width: 9, height: 9, channels: 3, background } })
        .jpeg()
        .toFile(join(dir, name));
      writeFileSync(join(dir, name.replace("jpg", "json")), "{}");
    }
    mkdirSync(at("set/train"), { recursive: true });
    execFileSync("tar", ["-cf", at(`set/train/${shard}.tar`), "-C", dir, "."]);
  }
  writeFileSync(at("set/sizes.json"), "{}");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const list = (dir: string, options = {}) => listSources([{ kind: "path", path: at(dir) }], options);
const keysOf = async (dir: string, options = {}) => (await list(dir, options)).inputs.map(({ key }) => key);
const images = ["train/0.tar/a.jpg", "train/0.tar/b.jpg", "train/1.tar/a.jpg"];

/** A copy of the set with other files in it. */
function copied(name: string, files: Readonly<Record<string, string | Buffer>>): string {
  cpSync(at("set"), at(name), { recursive: true });
  for (const [file, content] of Object.entries(files)) writeFileSync(join(at(name), file), content);
  return name;
}

describe("a folder of tar archives", () => {
  it("gives the members of each under its name, and reads them where they lie", async () => {
    const { inputs } = await list(copied("documented", { "paper.pdf": "%PDF-" }));
    expect(inputs.map(({ key }) => key)).toContain("paper.pdf");
    expect(inputs.map(({ key }) => key).filter((key) => key.endsWith(".jpg"))).toEqual(images);
    const pool = openDecodePool(1, {
      decode: {},
      preprocess: { family: "inception", mode: "slim", size: 8, channels: 3 },
    });
    const hashes = new Set<string>();
    for (const input of inputs) {
      const outcome = await pool.read(input, () => true);
      const status = input.key.endsWith(".pdf") ? "failed" : "skipped";
      expect(outcome.status).toBe(input.key.endsWith(".jpg") ? "ok" : status);
      if (outcome.status === "ok") hashes.add(outcome.hash);
    }
    await pool.close();
    expect(hashes.size).toBe(3);
  });

  it("is narrowed by patterns for the whole key; an archive that is excluded is not opened", async () => {
    expect(await keysOf("set", { globs: ["**/a.jpg"] })).toEqual([images[0], images[2]]);
    expect(await keysOf("set", { globs: ["train/1.tar/*.jpg"] })).toEqual([images[2]]);
    copied("damaged", { "train/0.tar": readFileSync(at("set/train/0.tar")).subarray(0, 700) });
    await expect(list("damaged")).rejects.toMatchObject({
      message: expect.stringMatching(/train\/0\.tar (was cut off|is damaged)/),
      hint: expect.stringContaining('`excludes: "train/0.tar"`'),
    });
    expect(await keysOf("damaged", { globs: ["**/*.jpg"], excludes: ["train/0.tar"] })).toEqual([images[2]]);
  });

  it("that are compressed is refused with what to do", async () => {
    copied("pressed", {});
    execFileSync("gzip", [at("pressed/train/1.tar")]);
    await expect(list("pressed")).rejects.toThrow(/1\.tar\.gz is compressed/);
  });

  it("and of images gives the images, and says that the archives are not opened", async () => {
    const { inputs, note } = await list(copied("mixed", { "cover.png": "" }));
    expect(inputs.map(({ key }) => key)).toEqual(["cover.png", "sizes.json", "train/0.tar", "train/1.tar"]);
    expect(note).toMatch(/holds images, and archives that are not opened \(train\/0\.tar, train\/1\.tar\)/);
  });
});
