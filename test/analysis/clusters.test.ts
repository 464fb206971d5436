/** Clusters, outliers and groups of near rows. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { duplicates, nearThreshold } from "../../src/analysis/duplicates.ts";
import { kmeans } from "../../src/analysis/kmeans.ts";
import { blocksOf, type Rows } from "../../src/analysis/matrix.ts";
import { outliers } from "../../src/analysis/outliers.ts";
import { groupsOf, nearGroups, pairsWithin } from "../../src/analysis/pairs.ts";
import { allDistances, kmeansAuto, silhouette } from "../../src/analysis/silhouette.ts";
import { typicalRows } from "../../src/analysis/typical.ts";
import type { Device } from "../../src/engine/device.ts";
import { openCpu, openWebGpu } from "../support/node.ts";
import { clusteredRows, drawnRows } from "../support/rows.ts";

const devices: Record<"cpu" | "webgpu", Device | undefined> = { cpu: undefined, webgpu: undefined };
beforeAll(async () => {
  devices.cpu = openCpu();
  devices.webgpu = await openWebGpu();
});
afterAll(async () => {
  await devices.cpu?.close();
  await devices.webgpu?.close();
});

const inertiaOf = ({ data, width, count }: Rows, labels: Int32Array, centres: Rows): number => {
  let sum = 0;
  for (let i = 0; i < count; i++)
    for (let j = 0; j < width; j++) sum += (data[i * width + j] - centres.data[labels[i] * width + j]) ** 2;
  return sum;
};

describe("k-means", () => {
  const rows = clusteredRows("k-means", 600, 24, 6, 0.2);

  it("finds the clusters that are there, and numbers them by size", async () => {
    const { k, labels, sizes, centres, inertia } = await kmeans(rows, { k: 6 });
    expect(k).toBe(6);
    expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
    expect(sizes.reduce((a, b) => a + b)).toBe(600);
    for (let i = 6; i < 600; i++) expect(labels[i]).toBe(labels[i % 6]);
    expect(new Set(labels.slice(0, 6)).size).toBe(6);
    expect(inertia).toBeCloseTo(inertiaOf(rows, labels, centres), 2);
  });

  it("gives the same on every device, from memory and from blocks", async () => {
    const vague = clusteredRows("vague", 700, 16, 5, 1.2);
    const wanted = await kmeans(vague, { k: 9, restarts: 3 });
    for (const device of Object.values(devices))
      expect((await kmeans(vague, { k: 9, restarts: 3, device })).labels).toEqual(wanted.labels);
    const blocks = { ...blocksOf(vague), blockRows: 100 };
    expect(await kmeans(blocks, { k: 9, restarts: 3 })).toEqual(wanted);
  });

  it("is drawn by its seed alone", async () => {
    const vague = clusteredRows("vague", 300, 8, 5, 2);
    const of = (seed: string) => kmeans(vague, { k: 12, restarts: 1, seed });
    expect(await of("a")).toEqual(await of("a"));
    expect((await of("a")).inertia).not.toBe((await of("b")).inertia);
  });

  it("ends where each row is with its nearest centre and each centre is its rows' mean", async () => {
    const vague = clusteredRows("vague", 400, 8, 5, 1.5);
    const { labels, centres, k } = await kmeans(vague, { k: 4 });
    for (let i = 0; i < 400; i++) {
      const apart = Array.from({ length: k }, (_, c) => {
        let sum = 0;
        for (let j = 0; j < 8; j++) sum += (vague.data[i * 8 + j] - centres.data[c * 8 + j]) ** 2;
        return sum;
      });
      expect(apart[labels[i]]).toBeLessThanOrEqual(Math.min(...apart) + 1e-5);
    }
  });

  it.each([
    [2, 2, [1, 1]],
    [1, 1, [1]],
  ])("puts %i rows into %i clusters", async (count, k, sizes) => {
    expect((await kmeans(drawnRows("few", count, 5), { k })).sizes).toEqual(sizes);
  });

  it("makes one cluster of two equal rows, whatever is asked", async () => {
    const equal = drawnRows("equal", 2, 5, () => 0.5);
    const { k, sizes, inertia } = await kmeans(equal, { k: 2 });
    expect([k, sizes, inertia]).toEqual([1, [2], 0]);
    expect((await kmeansAuto(equal, {})).k).toBe(1);
  });

  it("fills a cluster that no row is nearest to", async () => {
    const two = drawnRows("two", 40, 3, (v, row) => (row < 20 ? v : 50 + v));
    const starts = { count: 3, width: 3, data: Float32Array.of(25, 25, 25, 25, 25, 25, 900, 900, 900) };
    expect((await kmeans(two, { k: 3, starts })).sizes).toHaveLength(3);
  });

  it("refuses more clusters than rows", async () => {
    await expect(kmeans(drawnRows("four", 4, 2), { k: 5 })).rejects.toThrow(
      /clusters cannot be made of 4 rows/,
    );
  });

  it("takes 100,000 rows", async () => {
    const many = drawnRows("many", 100_000, 4, (v, row) => 3 * (row % 3) + 0.2 * v);
    const { sizes } = await kmeans(many, { k: 3, restarts: 2, device: devices.cpu });
    expect(sizes).toEqual([33334, 33333, 33333]);
  });

  it("chooses the number of clusters that are apart", async () => {
    const { k, trials } = await kmeansAuto(rows, { device: devices.cpu });
    expect(k).toBe(6);
    expect(trials.map((t) => t.k)).toContain(2);
    expect(Math.max(...trials.map((t) => t.silhouette))).toBe(trials.find((t) => t.k === 6)?.silhouette);
  });

  it("has typical rows nearest to each centre", async () => {
    const clusters = await kmeans(rows, { k: 6 });
    const typical = await typicalRows(rows, clusters, 3);
    expect(typical.map((t) => t.length)).toEqual([3, 3, 3, 3, 3, 3]);
    for (const [c, own] of typical.entries()) for (const row of own) expect(clusters.labels[row]).toBe(c);
  });
});

describe("the silhouette", () => {
  it("is that of a worked example", () => {
    // On a line at 0, 1, 4 and 6: the first two, and the last two.
    const distances = allDistances({ count: 4, width: 1, data: Float32Array.of(0, 1, 4, 6) });
    const each = [(5 - 1) / 5, (4 - 1) / 4, (3.5 - 2) / 3.5, (5.5 - 2) / 5.5];
    expect(silhouette(distances, [0, 0, 1, 1])).toBeCloseTo(each.reduce((a, b) => a + b) / 4, 12);
    expect(silhouette(distances, [0, 0, 0, 0])).toBeNaN();
    expect(silhouette(distances, [0, 1, 2, 3])).toBe(0);
  });
});

describe("outliers", () => {
  it("come first, with how far they are out", async () => {
    const rows = drawnRows("outliers", 300, 6, (v, row) => (row === 123 ? 9 + v : v));
    const all = await outliers(rows, { metric: "euclidean" });
    expect(all).toHaveLength(300);
    expect(all[0].row).toBe(123);
    expect(all[0].times).toBeGreaterThan(10);
    expect(all[150].times).toBeCloseTo(1, 1);
  });

  it("are not hidden by a few copies of themselves", async () => {
    const rows = drawnRows("outliers", 300, 6, (v, row, c) => (row > 297 ? 9 + c : v));
    const all = await outliers(rows, { metric: "euclidean" });
    expect(all.slice(0, 2).map((o) => o.row)).toEqual([298, 299]);
    expect(all[0].nearest).toBe(299);
  });

  it("are told of two rows, and of rows that are all alike", async () => {
    expect(await outliers(drawnRows("two", 2, 3), { metric: "cosine" })).toHaveLength(2);
    const same = await outliers(
      drawnRows("same", 9, 3, () => 1),
      { metric: "cosine" },
    );
    expect(same.map(({ row, distance, times }) => [row, distance, times])).toEqual(
      Array.from({ length: 9 }, (_, row) => [row, 0, 1]),
    );
  });
});

describe("near rows", () => {
  it("are all pairs within the threshold, each once, on every device", async () => {
    const rows = clusteredRows("pairs", 560, 9, 30, 0.1);
    for (const metric of ["cosine", "euclidean"] as const) {
      const all = allDistances(rows);
      const threshold = metric === "euclidean" ? 0.25 : 0.02;
      const wanted: number[] = [];
      if (metric === "euclidean") {
        for (let a = 0; a < 560; a++)
          for (let b = 0; b < a; b++) if (all[a * 560 + b] <= threshold) wanted.push(a * 560 + b);
        expect(wanted.length).toBeGreaterThan(20);
      }
      const found = [];
      for (const device of Object.values(devices)) {
        const pairs: number[] = [];
        await pairsWithin(rows, threshold, (a, b) => pairs.push(a * 560 + b), { metric, device });
        found.push(pairs.sort((x, y) => x - y));
      }
      expect(found[0]).toEqual(found[1]);
      expect(new Set(found[0]).size).toBe(found[0].length);
      if (metric === "euclidean") expect(found[0]).toEqual(wanted);
    }
  });

  it("make groups through each other", async () => {
    const line = { count: 6, width: 1, data: Float32Array.of(0, 1, 10, 2, 11, 30) };
    expect(await nearGroups(line, 1, { metric: "euclidean" })).toEqual([
      [0, 1, 3],
      [2, 4],
    ]);
    const groups = groupsOf(4);
    groups.join(3, 1);
    expect(groups.together(1, 3)).toBe(true);
    expect(groups.list()).toEqual([[1, 3]]);
  });

  it("do not depend on how many copies there are of each", async () => {
    // Neighbours alone would not do: the nearest of each copy are other copies.
    const rows = drawnRows("copies", 60, 4, (_, row, c) => (row < 30 ? c + 1 : c + 1.001));
    const { groups } = await duplicates(rows, { metric: "euclidean", threshold: 0.01 });
    expect(groups).toHaveLength(1);
    expect(groups[0].others).toHaveLength(59);
  });
});

describe("duplicates", () => {
  const rows = drawnRows("photographs", 50, 32, (v, row, c) => {
    if (row === 7) return Math.sin(c);
    if (row === 31) return Math.sin(c) + 0.001 * v;
    if (row === 40) return Math.sin(c) + 0.002 * v;
    return v;
  });

  it("keep the largest, and say what makes the others so", async () => {
    const facts = Array.from({ length: 50 }, (_, row) => ({
      content: row === 40 || row === 31 ? "one file" : `file ${row}`,
      width: row === 31 || row === 40 ? 200 : 100,
      height: 100,
    }));
    const { groups } = await duplicates(rows, { metric: "cosine", facts });
    expect(groups.map(({ keep, others }) => [keep, others.map((o) => [o.row, o.same])])).toEqual([
      [31, [[7, "near"], [40, "content"]]],
    ]); // biome-ignore format: a group
  });

  it("are the same pixels where decoding says so, which is asked of near ones alone", async () => {
    const asked: number[] = [];
    const pixelsOf = async (row: number) => {
      asked.push(row);
      return row === 40 ? undefined : "the same";
    };
    const { groups } = await duplicates(rows, { metric: "cosine", pixelsOf });
    expect(groups[0].others.map((o) => o.same)).toEqual(["pixels", "near"]);
    expect(new Set(asked)).toEqual(new Set([7, 31, 40]));
  });

  it("of the same content are found whatever their features", async () => {
    const facts = [{ content: "x" }, {}, { content: "x" }];
    const { groups } = await duplicates(drawnRows("three", 3, 9), { metric: "cosine", threshold: 0, facts });
    expect(groups).toHaveLength(1);
    expect(groups[0]).toMatchObject({ keep: 0, others: [{ row: 2, same: "content" }] });
  });

  it("go by what is usual between two rows", async () => {
    const near = await nearThreshold(rows, "euclidean");
    const wide = { ...rows, data: rows.data.map((v) => 8 * v) };
    expect(await nearThreshold(wide, "euclidean")).toBeCloseTo(8 * near, 4);
    expect(await nearThreshold(wide, "cosine")).toBeCloseTo(await nearThreshold(rows, "cosine"), 6);
    expect(await nearThreshold(drawnRows("one", 1, 3), "cosine")).toBe(0);
  });
});
