/** Dense spots of a map: scikit-learn's HDBSCAN finds the same ones. */
import { describe, expect, it } from "vitest";
import { findSpots } from "../../src/analysis/hdbscan.ts";
import { layout } from "../../src/analysis/layout.ts";
import { UserError } from "../../src/errors.ts";
import { seededRandom } from "../../src/seeded.ts";
import { needsDigits, readDigits } from "../support/digits.ts";
import { normal } from "../support/drawn.ts";
import { itWithPython, runPython } from "../support/features.ts";

/** Spots of different sizes and densities, and `stray` places anywhere. */
function drawnSpots(name: string, sizes: readonly number[], stray: number): Float32Array {
  const random = seededRandom(name);
  const places: number[] = [];
  for (const [i, size] of sizes.entries()) {
    const width = 0.3 + 0.4 * i;
    for (let k = 0; k < size; k++) {
      places.push(
        10 * Math.cos(i * 1.3) + width * normal(random),
        10 * Math.sin(i * 1.3) + width * normal(random),
      );
    }
  }
  for (let k = 0; k < 2 * stray; k++) places.push(40 * random() - 20);
  return Float32Array.from(places);
}

/** Each label as the first place that has it: the same for two numberings of the same clusters. */
const unnamed = (labels: Iterable<number>) => {
  const list = [...labels];
  return list.map((label) => (label < 0 ? -1 : list.indexOf(label)));
};

const theirs = (xy: Float32Array, leastSize: number, samples: number) =>
  runPython(
    `
import sys, json, numpy as np
from sklearn.cluster import HDBSCAN
x = np.array(json.loads(sys.argv[1]), dtype=np.float32).astype(np.float64).reshape(-1, 2)
print(json.dumps(HDBSCAN(min_cluster_size=int(sys.argv[2]), min_samples=int(sys.argv[3]), copy=True).fit(x).labels_.tolist()))`,
    JSON.stringify([...xy]),
    String(leastSize),
    String(samples),
  ) as number[];

describe("the spots of a map", () => {
  const xy = drawnSpots("spots", [80, 50, 120], 30);

  it("are those that were drawn, the largest first, and half of the stray places or more are in none", async () => {
    const { labels, spots } = await findSpots(xy);
    expect(spots).toHaveLength(3);
    expect(spots.map(({ size }) => size)).toEqual(spots.map(({ size }) => size).sort((a, b) => b - a));
    expect([labels[0], labels[80], labels[130]].sort()).toEqual([0, 1, 2]);
    for (const [from, to] of [
      [0, 80],
      [80, 130],
      [130, 250],
    ]) {
      const own = labels.subarray(from, to);
      const most = own.filter((label) => label === labels[from]).length;
      expect(most).toBeGreaterThan(0.85 * own.length);
    }
    expect(labels.subarray(250).filter((label) => label === -1).length).toBeGreaterThanOrEqual(15);
    for (const [spot, { size, centre }] of spots.entries()) {
      expect(labels[centre]).toBe(spot);
      expect(labels.filter((label) => label === spot)).toHaveLength(size);
    }
  });

  it.each([
    [0, "no places"],
    [1, "one place"],
    [4, "fewer places than make a cluster"],
  ])("of %i places are none: %s", async (count) => {
    const { labels, spots } = await findSpots(new Float32Array(2 * count));
    expect([...labels]).toEqual(new Array(count).fill(-1));
    expect(spots).toEqual([]);
  });

  it("of places on each other, twice, are two", async () => {
    const twice = Float32Array.from({ length: 40 }, (_, i) => (i < 20 ? 1 : 5));
    const { labels, spots } = await findSpots(twice);
    expect(spots.map(({ size }) => size)).toEqual([10, 10]);
    expect(labels[0]).not.toBe(labels[19]);
  });

  it("of one spot is none", async () => {
    const { spots } = await findSpots(new Float32Array(100).fill(3));
    expect(spots).toEqual([]);
  });

  it("are not looked for by numbers that make no sense", async () => {
    await expect(findSpots(xy, { leastSize: 1 })).rejects.toThrow(UserError);
    await expect(findSpots(xy, { samples: 0 })).rejects.toThrow(UserError);
  });

  itWithPython(
    "are scikit-learn's",
    async () => {
      const cases = [
        [drawnSpots("first", [60, 200, 90, 40], 60), 5, 1, 1],
        [drawnSpots("second", [300, 20, 20, 20, 100], 10), 15, 2, 1],
        [drawnSpots("third", [300, 20, 20, 20, 100], 10), 15, 3, 1],
        // Where core distances decide, many edges are equally long, and their order decides on a place at the edge.
        [drawnSpots("fourth", [60, 200, 90, 40], 60), 5, 5, 0.98],
        [drawnSpots("fifth", [30, 30, 30, 30, 30], 200), 8, 10, 0.98],
      ] as const;
      for (const [places, leastSize, samples, least] of cases) {
        const { labels, spots } = await findSpots(places, { leastSize, samples });
        const known = theirs(places, leastSize, samples);
        expect(spots).toHaveLength(Math.max(...known) + 1);
        expect(spots.length).toBeGreaterThan(2);
        const [a, b] = [unnamed(labels), unnamed(known)];
        const same = a.filter((label, i) => label === b[i]).length / a.length;
        expect(same).toBeGreaterThanOrEqual(least);
      }
    },
    "sklearn",
  );

  it.skipIf(needsDigits)(
    `of the digits' map show a digit each${needsDigits}`,
    async () => {
      const { rows, labels: digits } = readDigits();
      const { xy: places } = await layout(rows, { method: "auto" });
      const { labels, spots } = await findSpots(places);
      let right = 0;
      let inSome = 0;
      for (const spot of spots.keys()) {
        const counts = new Array(10).fill(0);
        for (const [i, label] of labels.entries()) if (label === spot) counts[digits[i]]++;
        right += Math.max(...counts);
        inSome += spots[spot].size;
      }
      expect(inSome).toBeGreaterThan(0.6 * rows.count);
      expect(right / inSome).toBeGreaterThan(0.85);
    },
    120_000,
  );
});
