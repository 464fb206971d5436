/** A folder of everything that goes wrong with images: each file has its outcome, and every other row is right. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { seededUnits } from "../../src/seeded.ts";
import { type FeatureRow, readFeatures } from "../../src/tables/readers/index.ts";
import { runMain } from "../cli/helpers.ts";
import { temporaryFolder } from "../support/features.ts";

const side = 40;
let folder = "";
const expected = new Map<string, "ok" | "failed" | "skipped">();

const picture = (seed: string) =>
  sharp(
    Uint8Array.from(seededUnits(seed, side * side * 3), (u) => 127.5 * (u + 1)),
    { raw: { width: side, height: side, channels: 3 } },
  );

/** A PNG whose header says 20000 x 20000. */
function hugePng(png: Buffer): Buffer {
  const huge = Buffer.from(png);
  huge.writeUInt32BE(20_000, 16);
  huge.writeUInt32BE(20_000, 20);
  return huge;
}

function put(
  dir: string,
  name: string | Buffer,
  content: Uint8Array | string,
  status: "ok" | "failed" | "skipped",
) {
  mkdirSync(join(folder, dir), { recursive: true });
  const bytes = typeof name === "string" ? Buffer.from(name) : name;
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/${dir}/`), bytes]), content);
  const key = typeof name === "string" ? name : "caf\\xe9.png";
  if (dir === "all") expected.set(key, status);
}

beforeAll(async () => {
  folder = temporaryFolder();
  const jpeg = await picture("jpeg").jpeg().toBuffer();
  const png = await picture("png").png().toBuffer();
  const good: (readonly [string | Buffer, Buffer])[] = [
    ["plain.jpg", jpeg],
    ["wrong extension.jpg", png],
    ["no extension", png],
    ["line\nbreak.png", png],
    [Buffer.from([0x63, 0x61, 0x66, 0xe9, 0x2e, 0x70, 0x6e, 0x67]), png],
    ["cmyk.jpg", await picture("cmyk").toColourspace("cmyk").jpeg().toBuffer()],
    ["sixteen.png", await picture("16").toColourspace("rgb16").png().toBuffer()],
    ["grey.png", await picture("grey").greyscale().png().toBuffer()],
    ["palette.png", await picture("palette").png({ palette: true }).toBuffer()],
    ["alpha.webp", await picture("alpha").ensureAlpha(0.5).webp({ lossless: true }).toBuffer()],
    ["broken exif.jpg", withBrokenExif(jpeg)],
  ];
  for (const [name, content] of good) for (const dir of ["all", "good"]) put(dir, name, content, "ok");
  put("all", "empty.png", "", "failed");
  put("all", "text.jpg", "not a picture, whatever its name says", "failed");
  put("all", "page.png", "<!DOCTYPE html><title>404</title>", "failed");
  put("all", "huge.png", hugePng(png), "failed");
  put("all", "notes.md", "# notes", "skipped");
  for (let tenth = 1; tenth < 10; tenth++) {
    put("all", `cut ${tenth}.png`, png.subarray(0, Math.floor((png.length * tenth) / 10)), "failed");
    put("all", `cut ${tenth}.jpg`, jpeg.subarray(0, Math.floor((jpeg.length * tenth) / 10)), "failed");
  }
});

/** An APP1 segment that says it is EXIF and holds nonsense. */
function withBrokenExif(jpeg: Buffer): Buffer {
  const exif = Buffer.concat([Buffer.from("Exif\0\0MM\0*"), Buffer.alloc(40, 0xff)]);
  const segment = Buffer.concat([Buffer.from([0xff, 0xe1, 0, exif.length + 2]), exif]);
  return Buffer.concat([jpeg.subarray(0, 2), segment, jpeg.subarray(2)]);
}

async function extract(dir: string) {
  const out = join(folder, `${dir}.npy`);
  const run = await runMain(
    ...[
      "extract",
      "--model",
      "mobilenet_v1_025",
      "--image-size",
      "32",
      "--device",
      "cpu",
      "--weights",
      "seeded",
    ],
    ...["--data-dir", join(folder, dir), "--out", out, "--format", "npy", "--max-pixels", "100000000"],
  );
  const rows: FeatureRow[] = [];
  for await (const row of readFeatures(out)) rows.push(row);
  const manifest = readFileSync(`${out}.manifest.jsonl`, "utf8").trimEnd().split("\n");
  return { ...run, rows, manifest: manifest.map((line) => JSON.parse(line)) };
}

describe("a hostile folder", () => {
  it("gives every file its outcome, ends with 3, and every good row is right", async () => {
    const { code, rows, manifest } = await extract("all");
    expect(code).toBe(3);
    expect(Object.fromEntries(manifest.map((r) => [r.path, r.status]))).toEqual(Object.fromEntries(expected));
    for (const record of manifest) if (record.status !== "ok") expect(record.reason).toMatch(/\w{3}/);
    const alone = await extract("good");
    expect(alone.code).toBe(0);
    expect(rows).toEqual(alone.rows);
    expect(manifest.find((r) => r.path === "wrong extension.jpg")).toMatchObject({
      format: "png",
      width: side,
    });
  });
});
