/** The tables of the benches, on figures made up here. */
import { describe, expect, it } from "vitest";
import type { BenchResult, LayerResult } from "../../bench/layers.ts";
import {
  type Figure,
  geometricMean,
  mergeEntries,
  partOf,
  ratio,
  showPeers,
} from "../../bench/peers/report.ts";
import { compareTable, comparisons, layersTable } from "../../bench/report.ts";
import { spread } from "../../bench/spread.ts";
import { gpuClock } from "../../src/engine/device.ts";

const both = (ms: number) => ({ min: ms, median: ms });

const timed = (contender: string, ms: number, run = "first"): Figure => ({
  ...{ contender, run, commit: "abc", about: "", runs: 5, others: 0, error: 0, peakBytes: 0 },
  milliseconds: both(ms),
});

const layer = (name: string, ms: number, gflops = 0): LayerResult => ({
  ...{ layer: name, op: "conv2d", variant: "tiled", shape: "1x2x2x8", macs: gflops * 1e6, gflops },
  ...{ ofBest: 0.5, share: 0.1, milliseconds: both(ms) },
});

const result = (...layers: LayerResult[]): BenchResult => ({
  ...{ model: "lenet", endPoint: "fc3", batch: 1, runs: 3, backend: "cpu", adapter: "some processor" },
  ...{ clock: "processor clock", node: "v20", weightBytes: 0, activationBytes: 0, stagingBytes: 0, layers },
  total: { macs: 1e6, milliseconds: both(12), gflops: 1 },
  multiplied: { together: 1, average: 1 },
  run: both(13),
});

describe("spread", () => {
  it("is the smallest and the middle one", () => {
    expect(spread([5, 1, 9, 3, 4])).toEqual({ min: 1, median: 4 });
  });
});

describe("the peers' tables", () => {
  it("take the figures of a later run in the places of the earlier ones", () => {
    const older = [
      { model: "a", batch: 1, figures: [timed("ours-webgpu", 10), timed("tfjs-webgpu", 40)] },
      { model: "b", batch: 1, figures: [timed("ours-webgpu", 7)] },
    ];
    const newer = [
      { model: "a", batch: 1, figures: [timed("ours-webgpu", 5, "second")] },
      { model: "a", batch: 8, figures: [timed("ours-webgpu", 60, "second")] },
    ];
    const merged = mergeEntries(older, newer);
    expect(merged.map((e) => `${e.model} ${e.batch}`)).toEqual(["a 1", "b 1", "a 8"]);
    expect(merged[0].figures).toEqual([timed("ours-webgpu", 5, "second"), timed("tfjs-webgpu", 40)]);
    expect(merged[1]).toBe(older[1]);
  });

  it("are kept apart by what computed", () => {
    const whole = {
      ...{ device: "some adapter", processor: "some processor", cores: 2, node: "v20", environment: {} },
      entries: [
        { model: "a", batch: 1, figures: [timed("ours-webgpu", 10), timed("tfjs-wasm", 40)] },
        { model: "b", batch: 1, figures: [timed("ours-cpu", 7)] },
      ],
    };
    const names = (on: "adapter" | "processor") =>
      partOf(whole, on).entries.map((e) => [e.model, ...e.figures.map((f) => f.contender)].join(" "));
    expect(names("adapter")).toEqual(["a ours-webgpu"]);
    expect(names("processor")).toEqual(["a tfjs-wasm", "b ours-cpu"]);
    expect(partOf(whole, "processor").device).toBe("some processor");
  });

  it("give ratios of medians, and say when the two did not alternate", () => {
    expect(ratio(timed("tfjs-webgpu", 40), timed("ours-webgpu", 10))).toEqual({ times: 4, sameRun: true });
    expect(ratio(timed("tfjs-webgpu", 40), timed("ours-webgpu", 5, "second"))).toEqual({
      times: 8,
      sameRun: false,
    });
    const broken: Figure = { contender: "tfjs-webgpu", reason: "crashed", run: "first", commit: "abc" };
    expect(ratio(broken, timed("ours-webgpu", 5))).toBeUndefined();
  });

  it("tell what of a run is the GPU's, and what the host adds", () => {
    const machine = {
      device: "some adapter",
      processor: "some processor",
      cores: 2,
      node: "v20",
      environment: {},
    };
    const ours = { ...timed("ours-webgpu", 10), gpu: both(7) };
    const text = showPeers({
      ...machine,
      entries: [{ model: "a", batch: 1, figures: [ours, timed("onnxruntime-webgpu", 20)] }],
    });
    expect(text).toMatch(/ours-webgpu\s+10\.0\s+10\.0\s+7\.0\s+3\.0\s+1\.00/);
    expect(text).toMatch(/onnxruntime-webgpu\s+20\.0\s+20\.0\s+2\.00/);
    const without = { model: "a", batch: 1, figures: [timed("ours-cpu", 10)] };
    expect(showPeers({ ...machine, entries: [without] })).not.toContain("besides ");
  });

  it("show geometric means over networks, and failures with their reason", () => {
    expect(geometricMean([2, 8])).toBeCloseTo(4);
    const broken: Figure = {
      contender: "tfjs-wasm",
      reason: "no answer within 3 s",
      run: "x",
      commit: "abc",
    };
    const text = showPeers({
      ...{ device: "some adapter", processor: "some processor", cores: 2, node: "v20", environment: {} },
      entries: [
        {
          model: "a",
          batch: 1,
          figures: [timed("ours-webgpu", 10), timed("onnxruntime-webgpu", 20), broken],
        },
        { model: "b", batch: 1, figures: [timed("ours-webgpu", 10), timed("onnxruntime-webgpu", 80)] },
      ],
    });
    expect(text).toMatch(/1 {2}onnxruntime-webgpu\s+4\.00 \(2\)/);
    expect(text).toMatch(/tfjs-wasm.*no answer within 3 s/);
    expect(text).not.toContain("~");
  });
});

describe("the table of layers", () => {
  it("shows kernel, tile, speed and the share of the best speed", () => {
    const text = layersTable(result({ ...layer("conv1", 2, 4), tile: "4x8" }));
    expect(text).toMatch(/conv1\s+conv2d\/tiled\s+4x8\s+1x2x2x8\s+4\.0\s+2\.000\s+2\.000\s+4\.00\s+50\.0 %/);
    expect(text).toMatch(/whole run, input to feature\s+13\.000\s+13\.000\n/);
    expect(text).not.toContain("not GPU time");
    const onGpu = layersTable({ ...result(layer("conv1", 2, 4)), clock: gpuClock });
    expect(onGpu).toMatch(/of that not GPU time\s+1\.000\s+1\.000\n/);
  });
});

describe("the comparison with an earlier result", () => {
  const earlier = result(layer("conv1", 4), layer("pool", 1), layer("pool", 2), layer("gone", 3));
  const later = result(layer("conv1", 1), layer("pool", 1), layer("pool", 1));

  it("pairs layers by name and order, and keeps those that only one has", () => {
    const pairs = comparisons(earlier, later).map((c) => [c.layer, ...c.times.map((t) => t?.median)]);
    expect(pairs).toEqual([
      ["conv1", 4, 1],
      ["pool", 1, 1],
      ["pool #2", 2, 1],
      ["gone", 3, undefined],
      ["total of the layers", 12, 12],
      ["whole run, input to feature", 13, 13],
    ]);
    expect(compareTable(earlier, later)).toMatch(/conv1.*4\.000\s+1\.000\s+0\.25\n/);
  });

  it("is refused for another network, and tells of another machine", () => {
    expect(() => compareTable({ ...earlier, model: "alexnet_v2" }, later)).toThrow(/model alexnet_v2/);
    expect(compareTable({ ...earlier, adapter: "another" }, later)).toContain("has adapter another");
  });
});
