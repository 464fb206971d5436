/** Held against numpy and scikit-learn, on drawn rows and on the features of handwritten digits where these are at hand. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { kmeans } from "../../src/analysis/kmeans.ts";
import type { Rows } from "../../src/analysis/matrix.ts";
import { nearest } from "../../src/analysis/neighbours.ts";
import { allDistances, silhouette } from "../../src/analysis/silhouette.ts";
import { npyHeader, parseNpyHeader } from "../../src/tables/formats/npy.ts";
import { itWithPython, runPython, temporaryFolder } from "../support/features.ts";
import { openCpu } from "../support/node.ts";
import { clusteredRows, drawnRows } from "../support/rows.ts";

const digitsFolder = resolve(import.meta.dirname, "../../../shared/reference/digits");
/** A worktree lies one folder deeper. */
const digits = [digitsFolder, resolve(digitsFolder, "../../../../shared/reference/digits")]
  .map((folder) => join(folder, "mobilenet_v1_features.npy"))
  .find((path) => existsSync(path));

function readNpy(path: string): Rows {
  const bytes = readFileSync(path);
  const start = 10 + bytes.readUInt16LE(8);
  const [count, ...rest] = parseNpyHeader(bytes.subarray(10, start))?.shape ?? [];
  const data = new Float32Array(
    bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length),
  );
  return { count, width: rest.reduce((a, b) => a * b, 1), data };
}

const folder = temporaryFolder();
function writeNpy(name: string, { count, width, data }: Rows): string {
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat([npyHeader("<f4", [count, width]), new Uint8Array(data.buffer)]));
  return path;
}

const bruteForce = `
import json, sys
import numpy as np
x = np.load(sys.argv[1]).astype(np.float64)
x = x.reshape(len(x), -1)
k = int(sys.argv[2])
unit = x / np.linalg.norm(x, axis=1, keepdims=True)
found = {"euclidean": [], "cosine": []}
for i in range(len(x)):
    for metric, d in (("euclidean", np.sqrt(((x - x[i]) ** 2).sum(1))), ("cosine", 1 - unit @ unit[i])):
        d[i] = np.inf
        order = np.argsort(d, kind="stable")[: k + 1]
        found[metric].append([order.tolist(), d[order].tolist()])
json.dump(found, sys.stdout)
`;

/** Whether the neighbours are numpy's, but for the order of those that are equally near in float64. */
async function expectNeighbours(rows: Rows, path: string, k: number): Promise<void> {
  const truth = runPython(bruteForce, path, String(k)) as Record<string, [number[], number[]][]>;
  const device = openCpu();
  try {
    for (const metric of ["euclidean", "cosine"] as const) {
      const { indices, distances } = await nearest(rows, k, { metric, device });
      for (const [q, [order, apart]] of truth[metric].entries()) {
        const own = Array.from(indices.subarray(q * k, (q + 1) * k));
        for (let i = 0; i < k; i++) {
          expect(distances[q * k + i]).toBeCloseTo(apart[i], 5);
          if (own[i] === order[i]) continue;
          const tie = apart[order.indexOf(own[i])] ?? apart[k];
          expect(Math.abs(tie - apart[i]), `row ${q}, neighbour ${i}`).toBeLessThan(1e-12);
        }
      }
    }
  } finally {
    await device.close();
  }
}

const drawn = clusteredRows("python", 900, 96, 9, 0.8);

describe("neighbours", () => {
  itWithPython("of drawn rows are numpy's by brute force", () =>
    expectNeighbours(drawn, writeNpy("clustered.npy", drawn), 10),
  );

  itWithPython("of rows of which many are equally near are numpy's but for these", () => {
    const ties = drawnRows("ties", 800, 6, (v) => Math.round(2 * v));
    // A row of zeros has no cosine in numpy.
    const none = { ...ties, data: ties.data.map((v, i) => (i % 6 === 0 ? 3 : v)) };
    return expectNeighbours(none, writeNpy("ties.npy", none), 5);
  });
});

const scikit = `
import json, sys
import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
x = np.load(sys.argv[1]).astype(np.float64)
x = x.reshape(len(x), -1)
k = int(sys.argv[2])
found = KMeans(k, init=x[:k], n_init=1).fit(x)
json.dump({"inertia": found.inertia_, "labels": found.labels_.tolist(), "silhouette": silhouette_score(x, found.labels_)}, sys.stdout)
`;

describe("k-means", () => {
  itWithPython(
    "from the same starts ends as near as scikit-learn's, and its silhouette is the same",
    async () => {
      for (const [name, rows] of [
        ["a", drawn],
        ["b", drawnRows("even", 500, 20)],
      ] as const) {
        // biome-ignore format: two
        const truth = runPython(scikit, writeNpy(`${name}.npy`, rows), "8") as {
          inertia: number;
          labels: number[];
          silhouette: number;
        };
        const starts = { count: 8, width: rows.width, data: rows.data.slice(0, 8 * rows.width) };
        const { inertia } = await kmeans(rows, { k: 8, starts });
        expect(Math.abs(inertia / truth.inertia - 1)).toBeLessThan(0.01);
        expect(silhouette(allDistances(rows), truth.labels)).toBeCloseTo(truth.silhouette, 5);
      }
    },
    "sklearn",
  );
});

describe.skipIf(!digits)("the digits, where their features are beside the project", () => {
  const path = digits as string;
  const truth = digits ? JSON.parse(readFileSync(join(path, "../truth.json"), "utf8")) : {};
  const labels = digits
    ? readFileSync(join(path, "../paths.txt"), "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => line.split("/").at(-2))
    : [];

  itWithPython("have numpy's neighbours", () => expectNeighbours(readNpy(path), path, 10));

  it("are nearest to one of the same digit as often as is known", async () => {
    const { indices } = await nearest(readNpy(path), 1, { metric: "cosine" });
    const same = labels.filter((label, i) => label === labels[indices[i]]).length / labels.length;
    expect(same).toBeCloseTo(truth["nearest other has the label"], 12);
  });

  it("fall into ten clusters as near as scikit-learn's", async () => {
    const { inertia } = await kmeans(readNpy(path), { k: 10 });
    expect(inertia / truth["kmeans inertia"]).toBeLessThan(1.01);
  }, 60_000);
});
