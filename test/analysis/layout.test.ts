/** Maps of rows: what is near stays near, by the numbers of umap-learn where they are at hand. */
import { describe, expect, it } from "vitest";
import { layout, mapNeighbours, trustworthiness } from "../../src/analysis/layout.ts";
import type { Rows } from "../../src/analysis/matrix.ts";
import { nearest } from "../../src/analysis/neighbours.ts";
import { UserError } from "../../src/errors.ts";
import { seededUnits } from "../../src/seeded.ts";
import { needsDigits, readDigits } from "../support/digits.ts";
import { drawnGroups } from "../support/drawn.ts";
import { itWithPython, runPython } from "../support/features.ts";

const { rows, labels } = drawnGroups("map", { groups: 4, each: 30, width: 20, apart: 3 });
const rowsOf = (...values: number[][]): Rows => ({
  count: values.length,
  width: values[0].length,
  data: Float32Array.from(values.flat()),
});

/** The share of rows whose nearest place belongs to a row of the same group. */
function shareOfNearest(xy: Float32Array): number {
  const distance = (a: number, b: number) => Math.hypot(xy[2 * a] - xy[2 * b], xy[2 * a + 1] - xy[2 * b + 1]);
  const all = [...labels.keys()];
  const right = all.filter((i) => {
    const others = all.filter((k) => k !== i);
    const nearestPlace = others.reduce((best, k) => (distance(i, k) < distance(i, best) ? k : best));
    return labels[nearestPlace] === labels[i];
  });
  return right.length / all.length;
}

describe("a map", () => {
  it.each(["umap", "pca"] as const)("by %s keeps groups together", async (method) => {
    const found = await layout(rows, { method });
    expect(found.method).toBe(method);
    expect(found.xy).toHaveLength(2 * rows.count);
    expect(shareOfNearest(found.xy)).toBeGreaterThan(0.95);
  });

  it("is the same bit for bit each time, and another with another seed", async () => {
    const [first, again, other] = [
      await layout(rows, { method: "umap", seed: 5 }),
      await layout(rows, { method: "umap", seed: 5 }),
      await layout(rows, { method: "umap", seed: 6 }),
    ];
    expect(again.xy).toEqual(first.xy);
    expect(other.xy).not.toEqual(first.xy);
  });

  it("takes neighbours that are known, as many as it looks at", async () => {
    const found = await layout(rows, { method: "umap" });
    for (const k of [mapNeighbours, mapNeighbours + 6]) {
      const neighbours = await nearest(rows, k, { metric: "euclidean" });
      expect((await layout(rows, { method: "umap", neighbours })).xy).toEqual(found.xy);
    }
  });

  it("refuses neighbours of other rows", async () => {
    const neighbours = await nearest(rowsOf([1], [2], [3]), 2, { metric: "euclidean" });
    await expect(layout(rows, { method: "umap", neighbours })).rejects.toThrow("3 rows");
  });

  it("tells its rounds", async () => {
    const told: string[] = [];
    await layout(rows, { method: "umap", onProgress: (done, total) => told.push(`${done}/${total}`) });
    expect(told[0]).toBe("1/500");
    expect(told.at(-1)).toBe("500/500");
  });

  it("lets others have their turn", async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    await layout(rows, { method: "umap", onProgress: () => block(2) });
    clearInterval(timer);
    expect(turns).toBeGreaterThan(5);
  });

  it("of a few rows goes by principal components", async () => {
    expect(await layout(rowsOf([1, 2, 3]), { method: "auto" })).toEqual({
      xy: Float32Array.of(0, 0),
      method: "pca",
    });
    const two = await layout(rowsOf([1, 2], [4, 6]), { method: "auto" });
    expect(two.method).toBe("pca");
    expect(Math.abs(two.xy[2] - two.xy[0])).toBeCloseTo(5, 5);
    expect([two.xy[1], two.xy[3]]).toEqual([0, 0]);
    const narrow = await layout(rowsOf([1], [2], [4]), { method: "pca" });
    expect(narrow.xy.every(Number.isFinite)).toBe(true);
    await expect(layout(rowsOf([1], [2], [4]), { method: "umap" })).rejects.toThrow(UserError);
    expect((await layout(rowsOf([1], [2], [4], [8]), { method: "umap" })).xy.every(Number.isFinite)).toBe(
      true,
    );
  });

  it("of more than 50,000 rows goes by principal components", async () => {
    const count = 50_001;
    const many: Rows = { count, width: 2, data: seededUnits("many", 2 * count) };
    const { method, xy } = await layout(many, { method: "auto" });
    expect(method).toBe("pca");
    expect(xy).toHaveLength(2 * count);
  });

  it("of rows that are all equal is a place for each, and no NaN", async () => {
    const equal: Rows = { count: 40, width: 3, data: new Float32Array(120).fill(7) };
    for (const method of ["umap", "pca"] as const) {
      const { xy } = await layout(equal, { method });
      expect(xy.every(Number.isFinite), method).toBe(true);
    }
  });

  it("of rows that are not all numbers is refused", async () => {
    await expect(layout(rowsOf([1, 2], [Number.NaN, 3]), { method: "auto" })).rejects.toThrow("Row 1");
  });

  it.skipIf(needsDigits)(
    `of the digits is as trustworthy as umap-learn's${needsDigits}`,
    async () => {
      const digits = readDigits();
      const { xy, method } = await layout(digits.rows, { method: "auto" });
      expect(method).toBe("umap");
      const theirs = digits.truth["umap trustworthiness k=15"];
      expect(trustworthiness(digits.rows, xy, 15)).toBeGreaterThan(theirs - 0.02);
    },
    120_000,
  );
});

describe("trustworthiness", () => {
  it("is 1 where every nearest place is a nearest row", () => {
    const line = rowsOf(...Array.from({ length: 9 }, (_, i) => [i * i, 0]));
    expect(trustworthiness(line, line.data, 3)).toBe(1);
  });

  it("falls with the ranks of rows that come near", () => {
    // The map puts 0 beside 3, and 1 beside 2.
    const line = rowsOf([0], [1], [2.5], [4.5], [7]);
    const map = Float32Array.of(0, 0, 10, 0, 11, 0, 0.5, 0, 30, 0);
    // Beside 0 is its third neighbour, beside 3 its fourth, beside 1 and 4 their second, beside 2 its first.
    const excess = 2 + 3 + 1 + 1;
    expect(trustworthiness(line, map, 1)).toBeCloseTo(1 - (2 / (5 * (10 - 3 - 1))) * excess, 12);
  });

  it("is not defined for half of the rows or more", () => {
    expect(() => trustworthiness(rowsOf([0], [1], [2], [3]), new Float32Array(8), 2)).toThrow(UserError);
  });

  itWithPython(
    "is scikit-learn's",
    async () => {
      const { xy } = await layout(rows, { method: "pca" });
      const theirs = runPython(
        `
import sys, json, numpy as np
from sklearn.manifold import trustworthiness
d = json.loads(sys.argv[1])
print(trustworthiness(np.array(d["x"]).reshape(-1, 20), np.array(d["xy"]).reshape(-1, 2), n_neighbors=15))`,
        JSON.stringify({ x: [...rows.data], xy: [...xy] }),
      );
      expect(trustworthiness(rows, xy, 15)).toBeCloseTo(theirs as number, 9);
    },
    "sklearn",
  );
});

function block(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}
