/** Several folders, archives and images as one set: no two of them become one. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UsageError } from "../../src/errors.ts";
import { listSources, type Source } from "../../src/node/images/index.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sources-"));
  for (const name of ["photos/a.jpg", "photos/sub/b.jpg", "old/photos/a.jpg", "x/y/c.jpg", "y/c.jpg"]) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), `\xff\xd8\xff of ${name}`, "latin1");
  }
  execFileSync("tar", ["-cf", join(folder, "shard.tar"), "-C", join(folder, "photos"), "a.jpg"]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const at = (name: string) => join(folder, name);
const paths = (...names: string[]): Source[] => names.map((name) => ({ kind: "path", path: at(name) }));
const keysOf = async (sources: readonly Source[], options = {}) =>
  (await listSources(sources, options)).inputs.map(({ key }) => key);

describe("what is read", () => {
  it("from one folder or archive has the keys that are in it", async () => {
    expect(await keysOf(paths("photos"))).toEqual(["a.jpg", "sub/b.jpg"]);
    expect(await keysOf(paths("shard.tar"))).toEqual(["a.jpg"]);
  });

  it("from several has their names before its keys, whatever their order", async () => {
    const keys = ["photos/a.jpg", "photos/sub/b.jpg", "shard.tar/a.jpg"];
    expect(await keysOf(paths("photos", "shard.tar"))).toEqual(keys);
    expect(await keysOf(paths("shard.tar", "photos/"))).toEqual(keys);
    expect(await keysOf(paths("photos", "shard.tar"), { globs: ["*.jpg"] })).toEqual([keys[0], keys[2]]);
  });

  it("from folders of one name has as much of their paths as tells them apart", async () => {
    const [root] = folder.split("/").slice(-1);
    expect(await keysOf(paths("photos", "old/photos"))).toEqual([
      "old/photos/a.jpg",
      `${root}/photos/a.jpg`,
      `${root}/photos/sub/b.jpg`,
    ]);
    expect(await keysOf(paths("y", "x", "x/y"))).toEqual([
      `${root}/x/y/c.jpg`,
      `${root}/y/c.jpg`,
      "x/y/c.jpg",
    ]);
  });

  it("from a folder that is given twice is refused", async () => {
    const twice = listSources(paths("photos", "x", "photos/../photos"));
    await expect(twice).rejects.toThrow(UsageError);
    await expect(twice).rejects.toThrow(/photos is given twice/);
  });

  it("as single images keeps the paths as they are written, beside folders too", async () => {
    expect(await keysOf(paths("photos/a.jpg"))).toEqual([at("photos/a.jpg")]);
    expect(await keysOf([...paths("photos/a.jpg", "photos/a.jpg"), ...paths("y")])).toEqual([
      at("photos/a.jpg"),
      "y/c.jpg",
    ]);
  });

  it("as more single images than may be open at once is read", async () => {
    const many = Array.from({ length: 3000 }, (_, i) => at(`many/${i}.jpg`));
    mkdirSync(at("many"));
    for (const path of many) writeFileSync(path, "");
    expect(await keysOf(many.map((path) => ({ kind: "path", path })))).toEqual(many.sort());
  });

  it("never has two files of one key", async () => {
    const list: Source = { kind: "list", list: Buffer.from("photos/a.jpg"), dir: at("old") };
    const clash = listSources([...paths("photos", "y"), list]);
    await expect(clash).rejects.toThrow(
      /Two files would both be called photos\/a\.jpg: .*\/photos\/a\.jpg and .*\/old\//,
    );
    // The same file twice is one.
    const same: Source = { kind: "list", list: Buffer.from("photos/a.jpg"), dir: folder };
    expect(await keysOf([...paths("photos"), same])).toEqual(["photos/a.jpg", "photos/sub/b.jpg"]);
  });

  it("that is not there, or is no folder, archive or image, is refused in a sentence", async () => {
    await expect(listSources(paths("photos", "gone"))).rejects.toThrow(/There is no folder .*gone/);
    writeFileSync(at("notes"), "nothing");
    await expect(listSources(paths("notes"))).rejects.toThrow(/is no image and no tar archive/);
    writeFileSync(at("pack.zip"), "PK\x03\x04");
    await expect(listSources(paths("pack.zip"))).rejects.toThrow(/it is a ZIP archive; unpack it first/);
    writeFileSync(at("empty"), "");
    await expect(listSources(paths("empty"))).rejects.toThrow(/it is empty/);
    execFileSync("mkfifo", [at("pipe")]);
    await expect(listSources(paths("pipe"))).rejects.toThrow(/neither a folder nor a file/);
    symlinkSync(at("nowhere"), at("dangling"));
    await expect(listSources(paths("dangling"))).rejects.toThrow(/There is no folder .*dangling/);
  });
});
