/** The samples are what the README's first command promises to run on. */
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { decodeImage, listFolder } from "../../src/node/images/index.ts";

const folder = join(import.meta.dirname, "../../samples");
const files = (await listFolder(folder)).map((i) => i.key);
const images = await Promise.all(
  files.map(async (file) => ({ file, ...(await decodeImage(join(folder, file))) })),
);
const metadata = (file: string) => sharp(join(folder, file)).metadata();

describe("the samples", () => {
  it("are at least 16 in four groups", () => {
    expect(files.length).toBeGreaterThanOrEqual(16);
    const groups = files.map((f) => /([a-z]+)_\d+\.\w+$/.exec(f)?.[1]);
    expect([...new Set(groups)].sort()).toEqual(["bubbles", "hills", "towers", "weave"]);
    for (const group of new Set(groups))
      expect(groups.filter((g) => g === group).length).toBeGreaterThanOrEqual(4);
  });

  it("are jpg, png and bmp, one in upper case, some in a subfolder", () => {
    expect([...new Set(images.map((i) => i.format))].sort()).toEqual(["bmp", "jpeg", "png"]);
    expect(files.some((f) => f.endsWith(".JPG"))).toBe(true);
    expect(files.some((f) => f.includes("/"))).toBe(true);
  });

  it("hold one that is grey, one with alpha, and one that EXIF turns upright", async () => {
    expect(await metadata("towers_02.png")).toMatchObject({ channels: 1 });
    expect(await metadata("bubbles_02.png")).toMatchObject({ hasAlpha: true });
    const turned = images.filter((i) => i.turned);
    expect(turned.map((i) => [i.file, i.orientation])).toEqual([["hills_02.jpg", 6]]);
    // A landscape stored as a portrait.
    expect(turned[0].width).toBeGreaterThan(turned[0].height);
    expect(await metadata("hills_02.jpg")).toMatchObject({ width: 240, height: 320 });
  });
});
