/** Maps of features files: what they hold, and what is said of files that give none. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mapFeatures } from "../../src/map/map.ts";
import { makeThumbnails, mostInOneFile } from "../../src/map/sheets.ts";
import { findImages, thumbnailSheets } from "../../src/node/images/index.ts";
import { colouringBy, folderColouring } from "../../src/page/colourings.ts";
import type { MapData } from "../../src/page/data.ts";
import { unpackData } from "../../src/page/packed.ts";
import { seededUnits } from "../../src/seeded.ts";

const folder = mkdtempSync(join(tmpdir(), "slimfeatures-map-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const create = (width: number, height: number, background: string) =>
  sharp({ create: { width, height, channels: 3, background } });

/** Writes a features file and gives its path. */
function features(name: string, rows: Readonly<Record<string, readonly (number | null)[]>>): string {
  const path = join(folder, `${name}.jsonl`);
  const lines = Object.entries(rows).map(
    ([image, feature]) => `${JSON.stringify({ path: image, feature })}\n`,
  );
  writeFileSync(path, lines.join(""));
  return path;
}

const dataOf = (page: string): MapData => {
  const [, packed] = /id="data">(.*?)<\/script>/s.exec(readFileSync(page, "utf8")) ?? [];
  return unpackData(packed ?? "");
};

/** Random rows of as many images. */
const rows = (count: number) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`${i % 3}/${i}.png`, Array.from(seededUnits(`row ${i}`, 12))]),
  );

async function mapped(file: string, more: object = {}): Promise<MapData> {
  const out = `${file}.html`;
  await mapFeatures({ features: file, out, device: "cpu", ...more });
  return dataOf(out);
}

describe("a map", () => {
  it("is the same each time, and another with another seed", async () => {
    const file = features("seeded", rows(40));
    const [a, b, c] = [await mapped(file), await mapped(file), await mapped(file, { seed: 7 })];
    expect(b).toEqual(a);
    expect(c.xy).not.toEqual(a.xy);
    expect(a.about).toBe("40 images · UMAP");
    expect((await mapped(file, { method: "pca" })).about).toBe("40 images · principal components");
  });

  it("tells as many neighbours as are asked for, the nearest first", async () => {
    const { neighbours, outliers } = await mapped(features("near", rows(30)), { neighbours: 3 });
    expect(neighbours.k).toBe(3);
    expect(neighbours.indices).toHaveLength(90);
    for (let i = 0; i < 30; i++)
      expect(neighbours.distances[3 * i]).toBeLessThanOrEqual(neighbours.distances[3 * i + 2]);
    expect(outliers).toHaveLength(8);
    expect(outliers[0].distance).toBeGreaterThanOrEqual(outliers[7].distance);
  });

  it("is made of one image, of two, and of equal ones", async () => {
    const one = await mapped(features("one", { "a.png": [1, 2] }));
    expect(one.neighbours.k).toBe(0);
    expect([...one.xy]).toEqual([0, 0]);
    const two = await mapped(features("two", { "a.png": [1, 2], "b.png": [2, -1] }));
    expect(two.neighbours.k).toBe(1);
    const equal = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`${i}.png`, [1, 2, 3]]));
    const same = await mapped(features("equal", equal));
    expect(same.duplicates.map((g) => g.images.length)).toEqual([20]);
    expect(same.xy.every((v) => Number.isFinite(v))).toBe(true);
  });

  it("leaves out rows that are not all numbers, and says so", async () => {
    const { paths, notes } = await mapped(
      features("spoiled", { ...rows(5), "bad.png": Array(12).fill(null) }),
    );
    expect(paths).toHaveLength(5);
    expect(notes.join(" ")).toContain("1 image is left out, since the features are not all numbers: bad.png");
  });

  it("has colours of folders, or of labels from a table", async () => {
    const file = features("labelled", rows(9));
    const table = join(folder, "labels.csv");
    writeFileSync(table, "path,label\n0/0.png,cat\n1/1.png,dog\n2/2.png,cat\n");
    const { colourings } = await mapped(file, { labels: table });
    expect(colourings.map(({ name }) => name)).toEqual(["Cluster", "Label", "Folder"]);
    expect(colourings[1].groups).toEqual(["cat", "dog"]);
    expect([...colourings[1].of]).toEqual(
      [0, -1, -1, 1, -1, -1, 0, -1, -1].map((_, i) => {
        const path = dataOf(`${file}.html`).paths[i];
        return path === "0/0.png" || path === "2/2.png" ? 0 : path === "1/1.png" ? 1 : -1;
      }),
    );
    const byFolder = await mapped(file, { labels: "folders" });
    expect(byFolder.colourings.map(({ name }) => name)).toEqual(["Cluster", "Label"]);
  });

  it("has as many clusters as are asked for", async () => {
    const { colourings } = await mapped(features("clusters", rows(30)), { clusters: 4 });
    expect(colourings[0].groups).toHaveLength(4);
  });

  it("is refused of maps, of no features, and where the named images are not", async () => {
    const maps = join(folder, "maps.jsonl");
    writeFileSync(maps, '{"path":"a.png","shape":[2,2],"feature":[1,2,3,4]}\n');
    await expect(mapped(maps)).rejects.toThrow(/maps of shape/);
    const file = features("some", rows(4));
    await expect(mapped(file, { images: join(folder, "nowhere") })).rejects.toThrow(/There is no folder/);
    await expect(mapFeatures({ features: file, out: folder, device: "cpu" })).rejects.toThrow(/folder/);
    const before = readFileSync(file);
    await expect(mapFeatures({ features: file, out: file, device: "cpu" })).rejects.toThrow(/would be lost/);
    expect(readFileSync(file)).toEqual(before);
  });

  it("refuses what it is not asked for by name", async () => {
    const more = { neighbors: 3 } as object;
    await expect(mapFeatures({ features: "a.npy", ...more })).rejects.toThrow(/no argument `neighbors`/);
    await expect(mapFeatures({ features: "a.npy", seed: -1 })).rejects.toThrow(
      /`seed` must be a whole number/,
    );
  });

  it("stops when it is told to", async () => {
    const signal = AbortSignal.abort("SIGINT");
    const out = join(folder, "stopped.html");
    const file = features("stopped", rows(30));
    await expect(mapFeatures({ features: file, out, device: "cpu" }, { signal })).rejects.toThrow();
    expect(existsSync(out)).toBe(false);
  });
});

describe("the images of a map", () => {
  const images = join(folder, "images");
  beforeAll(async () => {
    mkdirSync(join(images, "a"), { recursive: true });
    await create(90, 30, "#ff0000").png().toFile(join(images, "a/wide.png"));
    await create(30, 90, "#00ff00")
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toFile(join(images, "turned.jpg"));
    writeFileSync(join(images, "text.png"), "no image");
  });

  it("are found in their folder, or by their paths", async () => {
    const found = await findImages(["a/wide.png", "gone.png"], [images], true);
    expect(found.inputs.map((input) => input?.key)).toEqual(["a/wide.png", undefined]);
    const named = await findImages([join(images, "turned.jpg")], ["the list"], false);
    expect(named.inputs[0]).toBeDefined();
    expect((await findImages(["a.png"], [join(folder, "nowhere")], false)).inputs).toEqual([undefined]);
  });

  it("become small, upright, each in its cell", async () => {
    const { inputs } = await findImages(["a/wide.png", "gone.png", "turned.jpg", "text.png"], [images], true);
    const failures: [number, string][] = [];
    const sheets = [];
    const shape = { cell: 48, columns: 2, rows: 1 };
    for await (const sheet of thumbnailSheets(inputs, shape, { failed: (i, why) => failures.push([i, why]) }))
      sheets.push(sheet);
    expect(sheets.map(({ sizes }) => [...sizes])).toEqual([
      [48, 16, 0, 0],
      [48, 16, 0, 0],
    ]);
    expect(failures).toEqual([[3, expect.stringMatching(/image/)]]);
    const { data, info } = await sharp(sheets[1].bytes).raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([96, 48]);
    const [red, green] = data;
    expect(red).toBeLessThan(40);
    expect(green).toBeGreaterThan(200);
  });

  it("lie in the page, or, of many, in a folder beside it", async () => {
    const { inputs } = await findImages(["a/wide.png", "turned.jpg"], [images], true);
    const xy = seededUnits("places of many", 2 * (mostInOneFile + 1));
    const page = join(folder, "many.html");
    const few = await makeThumbnails(page, inputs, xy.subarray(0, 4), {}, () => {});
    expect(few.folder).toBeUndefined();
    expect(few.thumbnails.sheets.map((s) => s.slice(0, 23))).toEqual(["data:image/webp;base64,"]);
    expect([...few.thumbnails.sizes]).toEqual([90, 30, 90, 30]);

    mkdirSync(join(folder, "many_files"));
    writeFileSync(join(folder, "many_files/9999.webp"), "of a larger map");
    writeFileSync(join(folder, "many_files/mine.txt"), "of somebody");
    const all = [...inputs, ...Array(mostInOneFile - 1).fill(undefined)];
    const many = await makeThumbnails(page, all, xy, {}, () => {});
    expect(many.folder).toBe(join(folder, "many_files"));
    expect(many.thumbnails.sheets).toHaveLength(Math.ceil(all.length / many.thumbnails.perSheet));
    expect(many.thumbnails.sheets[0]).toBe("many_files/0000.webp");
    const there = readdirSync(join(folder, "many_files"));
    expect(there).toHaveLength(many.thumbnails.sheets.length + 1);
    expect(there).toContain("mine.txt");
    expect(many.thumbnails.slots.filter((slot) => slot >= 0)).toHaveLength(2);
  });
});

describe("colourings", () => {
  it("name the largest group first, and no more than can be told apart", () => {
    expect(colouringBy("Kind", ["b", "a", undefined, "a"])).toEqual({
      name: "Kind",
      groups: ["a", "b"],
      of: Int32Array.of(1, 0, -1, 0),
    });
    const many = colouringBy(
      "Kind",
      Array.from({ length: 100 }, (_, i) => `group ${i}`),
    );
    expect(many.groups).toHaveLength(24);
    expect(many.of[99]).toBe(-1);
  });

  it("are of folders where there are several", () => {
    expect(folderColouring(["a/1.png", "a/2.png"])).toBeUndefined();
    expect(folderColouring(["a/1.png", "2.png", "a/b/3.png"])?.groups).toEqual(["a", "(top)", "a/b"]);
  });
});
