/** What is read, by which name, and what becomes of files that are no images. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  listArchive,
  listFolder,
  listNamed,
  nameOf,
  openDecodePool,
  type ReadRecipe,
  readContent,
} from "../../src/node/images/index.ts";

let folder = "";
let jpeg: Buffer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "inputs-"));
  jpeg = await sharp({ create: { width: 40, height: 30, channels: 3, background: "#a08060" } })
    .jpeg()
    .toBuffer();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const keys = (inputs: readonly { key: string }[]) => inputs.map((i) => i.key);
const recipe: ReadRecipe = {
  decode: { exif: "auto" },
  preprocess: { family: "inception", mode: "slim", size: 8, channels: 3 },
};

describe("a folder", () => {
  it("is narrowed by patterns", async () => {
    const dir = join(folder, "patterns");
    for (const name of ["cats/a.jpg", "cats/kittens/b.jpg", "dogs/a.jpg", "c.png"]) {
      mkdirSync(join(dir, name, ".."), { recursive: true });
      writeFileSync(join(dir, name), "");
    }
    expect(keys(await listFolder(dir, { globs: ["cats/**"] }))).toEqual(["cats/a.jpg", "cats/kittens/b.jpg"]);
    expect(keys(await listFolder(dir, { globs: ["*.png", "**/a.jpg"], excludes: ["dogs/**"] }))).toEqual([
      "c.png",
      "cats/a.jpg",
    ]);
  });

  it("may hold names of any bytes", async () => {
    const dir = join(folder, "names");
    mkdirSync(dir);
    const odd = Buffer.concat([Buffer.from(`${dir}/caf`), Buffer.from([0xe9]), Buffer.from(" é.jpg")]);
    writeFileSync(odd, jpeg);
    writeFileSync(join(dir, "line\nbreak.jpg"), jpeg);
    const inputs = await listFolder(dir);
    expect(keys(inputs)).toEqual(["caf\\xe9 é.jpg", "line\nbreak.jpg"]);
    const pool = openDecodePool(1, recipe);
    for (const input of inputs) expect(await pool.read(input, () => true)).toMatchObject({ status: "ok" });
    await pool.close();
  });
});

describe("an archive", () => {
  it("gives its images by their names, and reads them where they lie", async () => {
    const dir = join(folder, "shard");
    const long = `${"deep/".repeat(25)}${"x".repeat(120)}.jpg`;
    for (const name of ["0001.jpg", "0001.json", ".hidden.jpg", long, "é.jpg"]) {
      mkdirSync(join(dir, name, ".."), { recursive: true });
      writeFileSync(join(dir, name), name.endsWith(".jpg") ? jpeg : "{}");
    }
    for (const format of ["gnu", "pax"]) {
      const tar = join(folder, `${format}.tar`);
      execFileSync("tar", ["-cf", tar, `--format=${format}`, "-C", dir, "."]);
      const inputs = await listArchive(tar, { excludes: ["*.json"] });
      expect(keys(inputs)).toEqual(["0001.jpg", long, "é.jpg"]);
      const pool = openDecodePool(1, recipe);
      for (const input of inputs) {
        expect(await pool.read(input, () => true)).toMatchObject({
          status: "ok",
          facts: { width: 40, height: 30 },
        });
      }
      await pool.close();
      writeFileSync(`${tar}.cut`, readFileSync(tar).subarray(0, 1500));
      await expect(listArchive(`${tar}.cut`)).rejects.toThrow(/was cut off|is damaged/);
    }
    // A pax header that says the next file is of a negative size would lead back to itself.
    const header = Buffer.alloc(512);
    header.write("pax", 0);
    header.write("00000000016\0", 124);
    header.write("x", 156);
    header.write("        ", 148);
    header.write(
      `${header
        .reduce((a, b) => a + b, 0)
        .toString(8)
        .padStart(6, "0")}\0 `,
      148,
    );
    const hostile = join(folder, "hostile.tar");
    const pax = Buffer.alloc(512);
    pax.write("14 size=-1536\n");
    writeFileSync(hostile, Buffer.concat([header, pax, readFileSync(join(folder, "gnu.tar"))]));
    await expect(listArchive(hostile)).rejects.toThrow(/is damaged/);
    execFileSync("gzip", ["-k", join(folder, "gnu.tar")]);
    await expect(listArchive(join(folder, "gnu.tar.gz"))).rejects.toThrow(/is compressed/);
    await expect(listArchive(join(dir, "0001.jpg"))).rejects.toThrow(/is no tar archive/);
  });
});

/** The bytes that a key stands for, by the rule that README gives. */
const bytesOfKey = (key: string) =>
  Buffer.concat(
    key
      .split(/(\\x[0-9a-f]{2})/)
      .map((part, i) =>
        i % 2 === 1 ? Buffer.from([Number.parseInt(part.slice(2), 16)]) : Buffer.from(part),
      ),
  );

describe("two names", () => {
  /** Each a name of its own, byte by byte. */
  const alike: readonly Buffer[] = [
    ...["\xff.jpg", "\\xff.jpg", "\\x5cxff.jpg", "\\x5c\xff.jpg", "\\\xff.jpg", "\\\\xff.jpg", "\\xFF.jpg"],
    ...["\xc3.jpg", "\\xc3.jpg", "\xc3\xa9.jpg", "\\xc3\\xa9.jpg", "\xc3\\xa9.jpg", "\xed\xa0\x80.jpg"],
    ...["\\x.jpg", "\\xf.jpg", "\\u00ff.jpg", "\\n.jpg", "\n.jpg", "\\.jpg", "%ff.jpg", "\xef\xbf\xbd.jpg"],
  ].map((name) => Buffer.from(name, "latin1"));

  it("never become one key, in a folder, an archive or a list, and keys give them back", async () => {
    const dir = join(folder, "alike");
    mkdirSync(dir);
    for (const name of alike) writeFileSync(Buffer.concat([Buffer.from(`${dir}/`), name]), name);
    const tar = join(folder, "alike.tar");
    execFileSync("tar", ["-cf", tar, "--format=pax", "-C", dir, "."]);
    const list = Buffer.concat(alike.flatMap((name) => [name, Buffer.of(0)]));
    const ways = [await listFolder(dir), await listArchive(tar), listNamed(list, dir).inputs];
    const sorted = [...alike].sort(Buffer.compare).map((name) => name.toString("hex"));
    for (const inputs of ways) {
      expect(keys(inputs)).toEqual(keys(ways[0]));
      expect(new Set(keys(inputs)).size).toBe(alike.length);
      expect(inputs.map(({ key }) => bytesOfKey(key).toString("hex")).sort()).toEqual(sorted.sort());
      for (const input of inputs) {
        const content = readContent(input);
        expect("bytes" in content && content.bytes.equals(bytesOfKey(input.key)), input.key).toBe(true);
      }
    }
  });

  it("of any bytes never become one", () => {
    const pieces = [
      "\\",
      "x",
      "X",
      "5",
      "c",
      "f",
      "F",
      "\0",
      "\xff",
      "\xc3",
      "\xa9",
      "\xe2\x82\xac",
      "\xf0\x9f",
    ];
    const seen = new Map<string, string>();
    for (let i = 0; i < 4000; i++) {
      const digits = (i * 104_729).toString(pieces.length);
      const parts = Array.from(digits, (digit) => pieces[Number.parseInt(digit, pieces.length)]);
      const name = Buffer.from(parts.join(""), "latin1");
      const key = nameOf(name);
      expect(bytesOfKey(key).equals(name), JSON.stringify(key)).toBe(true);
      expect(seen.get(key) ?? name.toString("hex")).toBe(name.toString("hex"));
      seen.set(key, name.toString("hex"));
    }
    expect(seen.size).toBeGreaterThan(2000);
  });
});

describe("a name", () => {
  it("keeps its text, and shows bytes that are none", () => {
    for (const ordinary of ["漢 😀.png", "a\\b.png", "C:\\photos\\x.png", "\\xylophone.png", "50%.png"])
      expect(nameOf(Buffer.from(ordinary))).toBe(ordinary);
    expect(nameOf(Uint8Array.of(0xff, 0x41, 0xc3, 0xa9, 0xc3))).toBe("\\xffAé\\xc3");
  });
});

describe("the decoding workers", () => {
  it("give every file its outcome, by content and not by name", async () => {
    const dir = join(folder, "outcomes");
    mkdirSync(dir);
    const png = await sharp(jpeg).png().toBuffer();
    const files: Readonly<Record<string, Buffer | string>> = {
      "empty.jpg": "",
      image: png,
      "notes.txt": "nothing to see",
      "really.png.jpg": png,
      "text.jpg": "this is a text, not a picture",
      "truncated.png": png.subarray(0, png.length >> 1),
      "huge.bmp": Buffer.concat([
        Buffer.from("BM"),
        Buffer.alloc(12),
        Buffer.from(Uint32Array.of(40, 200_000, 200_000).buffer),
        Buffer.from(Uint16Array.of(1, 24).buffer),
        Buffer.alloc(24),
      ]),
    };
    for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, name), content);
    const pool = openDecodePool(2, recipe);
    const outcomes = await Promise.all(
      (await listFolder(dir)).map(async (input) => [input.key, await pool.read(input, () => true)] as const),
    );
    await pool.close();
    const short = outcomes.map(([key, o]) => [
      key,
      o.status,
      o.status === "ok" ? o.facts.format : "reason" in o ? o.reason : "",
    ]);
    expect(short).toEqual([
      ["empty.jpg", "failed", "cannot be decoded: the file is empty"],
      ["huge.bmp", "failed", expect.stringContaining("cannot be decoded")],
      ["image", "ok", "png"],
      ["notes.txt", "skipped", "neither its name nor its content is an image's"],
      ["really.png.jpg", "ok", "png"],
      ["text.jpg", "failed", "cannot be decoded: it is a text file"],
      ["truncated.png", "failed", expect.stringContaining("damaged")],
    ]);
  });

  it("are not asked to decode what is known", async () => {
    const path = join(folder, "known.jpg");
    writeFileSync(path, jpeg);
    const pool = openDecodePool(1, recipe);
    const input = { key: "known.jpg", path: Buffer.from(path) };
    const asked: string[] = [];
    const outcome = await pool.read(input, (hash) => {
      asked.push(hash);
      return false;
    });
    expect(outcome).toEqual({ status: "known", hash: asked[0] });
    expect(asked[0]).toMatch(/^[0-9a-f]{64}$/);
    const again = await pool.read(input, () => true);
    expect(again).toMatchObject({
      status: "ok",
      facts: { format: "jpeg", width: 40, height: 30, turned: false },
    });
    expect(again.status === "ok" && again.input.length).toBe(8 * 8 * 3);
    await pool.close();
  });

  it("ask only about contents that were told of or read before, and use every input's memory again", async () => {
    const paths = await Promise.all(
      ["red", "lime", "blue"].map(async (background, i) => {
        const path = join(folder, `asked ${i}.png`);
        const create = { width: 9, height: 9, channels: 3, background } as const;
        writeFileSync(path, await sharp({ create }).png().toBuffer());
        return path;
      }),
    );
    const input = (path: string) => ({ key: path, path: Buffer.from(path) });
    const hashes = paths.map((path) => createHash("sha256").update(readFileSync(path)).digest("hex"));
    const pool = openDecodePool(1, recipe, [hashes[1]]);
    const asked: string[] = [];
    const memory = new Set<ArrayBufferLike>();
    const kinds: string[] = [];
    for (const i of [0, 1, 2, 0, 1, 1]) {
      const outcome = await pool.read(input(paths[i]), (hash) => {
        asked.push(hash);
        return hash === hashes[0];
      });
      kinds.push(outcome.status);
      if (outcome.status !== "ok") continue;
      expect([...outcome.input.subarray(0, 3)]).toEqual([0, 1, 2].map((c) => (c === i ? 1 : -1)));
      memory.add(outcome.input.buffer);
      pool.giveBack(outcome.input);
    }
    expect(asked).toEqual([hashes[1], hashes[0], hashes[1], hashes[1]]);
    expect(kinds).toEqual(["ok", "known", "ok", "ok", "known", "known"]);
    expect(memory.size).toBe(1);
    await pool.close();
  });

  it("tell a file that is gone", async () => {
    const pool = openDecodePool(1, recipe);
    const outcome = await pool.read(
      { key: "gone.jpg", path: Buffer.from(join(folder, "gone.jpg")) },
      () => true,
    );
    expect(outcome).toEqual({ status: "failed", reason: "it cannot be read (ENOENT)" });
    await pool.close();
  });
});
