/** Principal components, and what else is done to features on their way out. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { UsageError } from "../../src/errors.ts";
import { extract } from "../../src/extract/extract.ts";
import { checkLabels, topClasses } from "../../src/extract/predictions.ts";
import { fitPca, project } from "../../src/pca.ts";
import { seededUnits } from "../../src/seeded.ts";
import { pooledShape, poolMap, unitLength } from "../../src/tables/numbers.ts";
import { loadPca, savePca } from "../../src/tables/pca.ts";
import { readFeatures } from "../../src/tables/readers/index.ts";
import {
  fakeRooms,
  itWithPython,
  requestFor,
  runPython,
  temporaryFolder,
  writeFiles,
} from "../support/features.ts";

const width = 12;
/** 200 rows that lie mostly along three directions. */
const rows = Array.from({ length: 200 }, (_, i) => {
  const along = seededUnits(`row ${i}`, 3).map((u, k) => u * [9, 4, 2][k]);
  const noise = seededUnits(`noise ${i}`, width);
  return Float32Array.from({ length: width }, (_, j) => {
    const directions = [0, 1, 2].map((k) => seededUnits(`direction ${k}`, width)[j]);
    return 5 + j + along.reduce((sum, a, k) => sum + a * directions[k], 0) + 0.05 * noise[j];
  });
});
async function* given(): AsyncGenerator<Float32Array> {
  for (const row of rows) yield row;
}

describe("principal components", () => {
  it("are of unit length, at right angles, and explain nearly all", async () => {
    const pca = await fitPca(given, width, 3);
    for (const [i, a] of pca.components.entries()) {
      for (const [k, b] of pca.components.entries()) {
        expect(a.reduce((sum, v, j) => sum + v * b[j], 0)).toBeCloseTo(i === k ? 1 : 0, 9);
      }
    }
    expect(pca.explained.reduce((a, b) => a + b)).toBeGreaterThan(0.99);
    expect([...pca.explained].sort((a, b) => b - a)).toEqual(pca.explained);
  });

  itWithPython("are those of numpy's singular value decomposition", async () => {
    const pca = await fitPca(given, width, 3);
    const path = join(temporaryFolder(), "rows.json");
    writeFiles(join(path, ".."), { "rows.json": JSON.stringify(rows.map((r) => Array.from(r))) });
    const truth = runPython(
      "import json, sys, numpy as np\nx = np.array(json.load(open(sys.argv[1])))\nu, s, v = np.linalg.svd(x - x.mean(0), full_matrices=False)\nprint(json.dumps([[list(c * np.sign(c[np.abs(c).argmax()])) for c in v[:3]], list((s**2 / (s**2).sum())[:3])]))",
      path,
    ) as [number[][], number[]];
    for (const [i, component] of truth[0].entries()) {
      for (const [j, v] of component.entries()) expect(pca.components[i][j]).toBeCloseTo(v, 6);
    }
    for (const [i, share] of truth[1].entries()) expect(pca.explained[i]).toBeCloseTo(share, 8);
  });

  it("are saved and loaded, and refuse features of another length", async () => {
    const path = join(temporaryFolder(), "x.pca.json");
    const pca = await fitPca(given, width, 2);
    await savePca(path, pca);
    expect(await loadPca(path, width)).toEqual(pca);
    expect(project(pca, rows[0])).toHaveLength(2);
    await expect(loadPca(path, 13)).rejects.toThrow(/features of 12 numbers, these have 13/);
    await expect(fitPca(given, width, 13)).rejects.toThrow(/At most|cannot be fitted/);
  });
});

describe("an extraction", () => {
  it("reduces, scales and stores in fewer bits what it computed once", async () => {
    const folder = temporaryFolder();
    writeFiles(join(folder, "in"), { "a.png": "1", "b.png": "2", "c.png": "4" });
    const out = join(folder, "f.npy");
    const rooms = fakeRooms(folder);
    const request = requestFor(join(folder, "in"), { out, format: "npy" });
    await extract(request, rooms);
    await extract({ ...request, l2: true, dtype: "float16" }, rooms);
    await extract({ ...request, pca: 1, dtype: "int8" }, rooms);
    expect(rooms.batches).toEqual([2, 1]);
    const metadata = JSON.parse(readFileSync(`${out}.json`, "utf8"));
    expect(metadata).toMatchObject({
      featureShape: [1],
      dtype: { name: "int8", saturated: 0 },
      pca: { components: 1 },
    });
    const values: number[] = [];
    for await (const { data } of readFeatures(out)) values.push(...data);
    expect(values[2] - values[1]).toBeCloseTo(2 * (values[1] - values[0]), 1);
  });
});

describe("a map", () => {
  const map = Float32Array.of(1, 10, 2, 20, 3, 30, 4, 40);
  it.each([
    ["avg", [2.5, 25]],
    ["max", [4, 40]],
    ["gem", [(100 / 4) ** (1 / 3), (100_000 / 4) ** (1 / 3)]],
  ] as const)("is pooled: %s", (pool, expected) => {
    expect(pooledShape([2, 2, 2], pool)).toEqual([2]);
    poolMap(map, [2, 2, 2], pool).forEach((v, i) => void expect(v).toBeCloseTo(expected[i], 4));
  });

  it("stays, or becomes a vector", () => {
    expect(pooledShape([2, 2, 2], "none")).toEqual([2, 2, 2]);
    expect(pooledShape([2, 2, 2], "flatten")).toEqual([8]);
    expect(poolMap(map, [2, 2, 2], "flatten")).toEqual(map);
  });
});

describe("a vector", () => {
  it("is brought to unit length, and zeros stay zeros", () => {
    expect(unitLength(Float32Array.of(3, 4))).toEqual(Float32Array.of(0.6, 0.8));
    expect(unitLength(new Float32Array(3))).toEqual(new Float32Array(3));
  });
});

describe("labels", () => {
  it("must be as many as the classes, or each name would stand at another class", () => {
    const names = ["cat", "dog"];
    expect(() => checkLabels(names, 2)).not.toThrow();
    expect(() => checkLabels(undefined, 2)).not.toThrow();
    expect(() => checkLabels(names, 3, "names.txt")).toThrow(/names\.txt name 2 classes.*has 3/);
    expect(() => checkLabels(names, 1)).toThrow(UsageError);
  });
});

describe("predictions", () => {
  it("are the likeliest classes by softmax, with their names", () => {
    const top = topClasses(Float32Array.of(0, Math.log(3), Math.log(6)), 2, ["a", "b", "c"]);
    expect(top.map((p) => [p.index, Number(p.probability.toFixed(6)), p.name])).toEqual([
      [2, 0.6, "c"],
      [1, 0.3, "b"],
    ]);
  });
});
