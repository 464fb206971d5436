/** Neighbours are those of a plain search in float64, whatever computes the products. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { distanceOf, type Metric, metrics } from "../../src/analysis/distances.ts";
import { blocksOf, type Neighbours, type RowBlocks, type Rows } from "../../src/analysis/matrix.ts";
import { nearest } from "../../src/analysis/neighbours.ts";
import type { Device } from "../../src/engine/device.ts";
import { seededUnits } from "../../src/seeded.ts";
import { openCpu, openDevice, openWebGpu } from "../support/node.ts";
import { clusteredRows, drawnRows } from "../support/rows.ts";

/** Every distance, sorted: nothing that the code under test does. */
function truth(
  rows: Rows,
  k: number,
  metric: Metric,
  queries = rows,
): Pick<Neighbours, "indices"> & { distances: number[] } {
  const indices: number[] = [];
  const distances: number[] = [];
  for (let q = 0; q < queries.count; q++) {
    const all = Array.from({ length: rows.count }, (_, i) => ({
      i,
      d: distanceOf[metric](queries.data, q * rows.width, rows.data, i * rows.width, rows.width),
    })).filter(({ i }) => queries !== rows || i !== q);
    all.sort((a, b) => a.d - b.d || a.i - b.i);
    indices.push(...all.slice(0, k).map(({ i }) => i));
    distances.push(...all.slice(0, k).map(({ d }) => d));
  }
  return { indices: Int32Array.from(indices), distances };
}

/** The same rows, a few at a time, as a file gives them. */
const inBlocks = (rows: Rows, blockRows: number): RowBlocks => ({
  ...blocksOf(rows),
  blockRows,
  read: async (from, to) => {
    expect(to - from).toBeLessThanOrEqual(Math.max(1, blockRows));
    return rows.data.slice(from * rows.width, to * rows.width);
  },
});

/**
 * A GPU whose sums are as wrong as float32 allows: each product is off by up to `part` of the bound, in turns up and down.
 */
const roundingDevice = (part: number): Device => ({
  ...({} as Device),
  backend: "webgpu",
  load: async ({ variables: [{ shape }], inputs }, source) => {
    const [width, columns] = shape;
    const [rows] = inputs[0].shape;
    const weights = await source.read("columns");
    const units = seededUnits("rounding", 4096);
    return {
      run: async ([values]) => {
        const a = values as Float32Array;
        const out = new Float32Array(rows * columns);
        for (let r = 0; r < rows; r++) {
          for (let c = 0; c < columns; c++) {
            let [sum, aa, bb] = [0, 0, 0];
            for (let i = 0; i < width; i++) {
              const [x, y] = [a[r * width + i], weights[i * columns + c]];
              sum += x * y;
              aa += x * x;
              bb += y * y;
            }
            const error = (width + 2) * 2 ** -24 * Math.sqrt(aa * bb);
            out[r * columns + c] = sum + part * error * Math.sign(units[(r * 7 + c * 13) % 4096]);
          }
        }
        return [out];
      },
      time: async () => [],
      activationBytes: 0,
      stagingBytes: 0,
      close: () => {},
    };
  },
});

const cases: readonly [string, Rows][] = [
  ["drawn rows", drawnRows("neighbours", 700, 33)],
  ["rows in clusters", clusteredRows("clusters", 900, 64, 7)],
  ["rows that are there many times", drawnRows("many", 600, 5, (v) => Math.round(1.4 * v))],
  ["rows of which all are equal", drawnRows("equal", 540, 9, () => 0.7)],
  [
    "rows far from zero, whose products lose what tells them apart",
    drawnRows("far", 600, 40, (v) => 4096 + v),
  ],
  ["rows of which one is far from all", drawnRows("one", 530, 16, (v, row) => (row === 77 ? 1e30 * v : v))],
  ["rows of tiny numbers", drawnRows("tiny", 520, 12, (v) => 1e-30 * v)],
  ["rows of zeros among others", drawnRows("zeros", 530, 8, (v, row) => (row % 50 === 0 ? 0 : v))],
  ["rows of one number", drawnRows("thin", 1100, 1)],
];

describe("the nearest rows", () => {
  const devices: Record<string, Device | undefined> = {};
  beforeAll(async () => {
    devices.cpu = openCpu();
    devices.webgpu = await openWebGpu();
    const { hardware } = devices.webgpu.caps;
    devices["webgpu, the other kind of adapter"] = await openDevice("webgpu", {
      kernelsOf: hardware ? "software" : "hardware",
    });
    devices["a device that rounds as badly as it may"] = roundingDevice(1);
  });
  afterAll(async () => {
    await devices.cpu?.close();
    await devices.webgpu?.close();
    await devices["webgpu, the other kind of adapter"]?.close();
  });

  for (const [name, rows] of cases) {
    describe(`of ${name}`, () => {
      for (const metric of metrics) {
        const wanted = truth(rows, 10, metric);
        it.each([
          "no device",
          "cpu",
          "webgpu",
          "webgpu, the other kind of adapter",
          "a device that rounds as badly as it may",
        ])(`are those of a plain search, ${metric}, by %s`, async (device) => {
          const found = await nearest(rows, 10, { metric, device: devices[device] });
          expect(Array.from(found.indices)).toEqual(Array.from(wanted.indices));
          expect(Array.from(found.distances)).toEqual(wanted.distances.map(Math.fround));
        });
      }
    });
  }

  it("of other rows count the row itself, where it is one of them", async () => {
    const rows = clusteredRows("others", 800, 20, 5);
    const queries = { count: 30, width: 20, data: rows.data.slice(100 * 20, 130 * 20) };
    for (const device of [undefined, devices.cpu, devices.webgpu]) {
      const { indices, distances } = await nearest(rows, 4, { metric: "euclidean", queries, device });
      expect(Array.from(indices)).toEqual(Array.from(truth(rows, 4, "euclidean", queries).indices));
      expect(indices[0]).toBe(100);
      expect(distances[0]).toBe(0);
    }
  });

  it.each([23, 97, 600])("are the same where rows are read %i at a time", async (blockRows) => {
    const rows = clusteredRows("blocks", 620, 12, 4);
    const queries = drawnRows("blocks of queries", 50, 12);
    for (const metric of metrics) {
      const inMemory = await nearest(rows, 5, { metric, device: devices.cpu });
      expect(await nearest(inBlocks(rows, blockRows), 5, { metric, device: devices.cpu })).toEqual(inMemory);
      expect(await nearest(inBlocks(rows, blockRows), 5, { metric })).toEqual(inMemory);
      expect(
        await nearest(inBlocks(rows, blockRows), 5, {
          metric,
          device: devices.cpu,
          queries: inBlocks(queries, 3),
        }),
      ).toEqual(await nearest(rows, 5, { metric, queries, device: devices.cpu }));
    }
  });

  it("of rows so long that few of them make a block are the same", async () => {
    const rows = clusteredRows("long", 30, 400_000, 6, 2);
    const found = await nearest(rows, 3, { metric: "euclidean", device: devices.cpu });
    const wanted = truth(rows, 3, "euclidean");
    expect(Array.from(found.indices)).toEqual(Array.from(wanted.indices));
  });

  it("may be all the others", async () => {
    const rows = drawnRows("all", 40, 6);
    for (const device of [undefined, devices.cpu]) {
      const { indices } = await nearest(rows, 39, { metric: "cosine", device });
      for (let q = 0; q < 40; q++) {
        const own = Array.from(indices.subarray(q * 39, (q + 1) * 39)).sort((a, b) => a - b);
        expect(own).toEqual(Array.from({ length: 40 }, (_, i) => i).filter((i) => i !== q));
      }
    }
  });

  it("tell how far they are, up to all there is to do", async () => {
    const told: [number, number][] = [];
    await nearest(drawnRows("progress", 1300, 4), 3, {
      metric: "euclidean",
      device: devices.cpu,
      onProgress: (...done) => void told.push(done),
    });
    expect(told.length).toBeGreaterThan(2);
    expect(told.at(-1)).toEqual([(1300 * 1301) / 2, (1300 * 1301) / 2]);
    expect(told.map(([done]) => done)).toEqual(told.map(([done]) => done).toSorted((a, b) => a - b));
  });

  it("of 100,000 rows are found for one of them", async () => {
    const rows = drawnRows("hundred thousand", 100_000, 8);
    const queries = { count: 2, width: 8, data: rows.data.slice(-16) };
    const { indices } = await nearest(rows, 3, { metric: "euclidean", queries, device: devices.cpu });
    expect(Array.from(indices)).toEqual(Array.from(truth(rows, 3, "euclidean", queries).indices));
  });

  it.each([
    [1, 1, /no other row/],
    [2, 2, /2 neighbours are asked for, and there are 1 to choose from/],
    [10, 0, /0 neighbours/],
    [10, 1.5, /1.5 neighbours/],
  ])("of %i rows are refused where %d of them are asked for", async (count, k, sentence) => {
    await expect(nearest(drawnRows("few", count, 3), k, { metric: "cosine" })).rejects.toThrow(sentence);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    "are refused where a row holds %d, by its number",
    async (bad) => {
      const rows = drawnRows("bad", 600, 4, (v, row, column) => (row === 531 && column === 2 ? bad : v));
      const good = drawnRows("good", 600, 4);
      for (const device of [undefined, devices.cpu]) {
        await expect(nearest(rows, 1, { metric: "euclidean", device })).rejects.toThrow(
          /Row 531 is not all numbers/,
        );
        await expect(nearest(good, 1, { metric: "cosine", device, queries: rows })).rejects.toThrow(
          /Row 531/,
        );
      }
    },
  );

  it("of rows of another width are refused", async () => {
    await expect(
      nearest(drawnRows("a", 5, 3), 1, { metric: "cosine", queries: drawnRows("b", 5, 4) }),
    ).rejects.toThrow(/queries have 4 numbers each, and the rows 3/);
  });
});
