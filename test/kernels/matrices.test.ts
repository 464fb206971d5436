/**
 * Products of small matrices: that the compiler takes every tile's text (Dawn's null adapter knows subgroup matrices and
 * computes nothing), and that they are right where small matrices are emulated.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { compile } from "../../src/engine/compile.ts";
import type { Device } from "../../src/engine/device.ts";
import { createGraph } from "../../src/engine/graph.ts";
import { matrixConvolution, matrixTiles } from "../../src/kernels/conv-matrix.ts";
import { conv2d } from "../../src/kernels/conv2d.ts";
import type { Padding } from "../../src/kernels/geometry.ts";
import type { Caps } from "../../src/kernels/op.ts";
import { seededTensor } from "../../src/seeded.ts";
import type { Shape } from "../../src/tensor.ts";
import { maxAbs, relativeError } from "../../src/verify/measure.ts";
import { emulatedMatrices } from "../support/emulated-matrices.ts";
import { openCpu, openWebGpu, type WebGpuDevice } from "../support/node.ts";

const chip: Caps = {
  maxBindingBytes: 2 ** 31 - 4,
  maxWorkgroupSize: 1024,
  maxWorkgroupsPerDimension: 65535,
  subgroupSize: 32,
  roundsFreely: true,
  halfWeights: true,
  hardware: true,
  matrices: true,
  workgroupBytes: 49152,
};

interface Layer {
  readonly name: string;
  readonly input: Shape;
  readonly filter: Shape;
  /** 1 and SAME where left out. */
  readonly stride?: number;
  readonly padding?: Padding;
}

const layers: Layer[] = [
  { name: "3x3 with padding", input: [1, 9, 9, 36], filter: [3, 3, 36, 40] },
  { name: "1x1 of a ragged depth", input: [2, 5, 5, 20], filter: [1, 1, 20, 100] },
  { name: "few pixels, long sums", input: [1, 3, 3, 256], filter: [3, 3, 256, 32] },
  {
    name: "7x7 by 2 of three channels",
    input: [1, 15, 14, 3],
    filter: [7, 7, 3, 64],
    stride: 2,
    padding: [
      [3, 3],
      [3, 3],
    ],
  },
  {
    name: "3x3 by 2 of three channels, no padding",
    input: [2, 12, 20, 3],
    filter: [3, 3, 3, 36],
    stride: 2,
    padding: "VALID",
  },
  { name: "5x5 of one channel", input: [2, 7, 9, 1], filter: [5, 5, 1, 32] },
];

const attrs = ({ stride = 1, padding = "SAME" }: Layer) => ({ strides: [stride, stride], padding }) as const;
const plain = { scale: false, bias: false, residual: false, activation: "none" } as const;

describe("products of small matrices", () => {
  it("are text that the compiler takes, in every tile", async () => {
    const { create, globals } = await import("webgpu");
    Object.assign(globalThis, globals);
    const gpu = create(["backend=null", "enable-dawn-features=allow_unsafe_apis"]);
    const adapter = await gpu.requestAdapter();
    const device = await adapter?.requestDevice({
      requiredFeatures: [
        "shader-f16",
        "subgroups",
        "chromium-experimental-subgroup-matrix" as GPUFeatureName,
      ],
      requiredLimits: { maxComputeWorkgroupStorageSize: adapter.limits.maxComputeWorkgroupStorageSize },
    });
    if (!device) throw new Error("Dawn has no null adapter");
    for (const layer of layers) {
      const g = conv2d.infer([layer.input, layer.filter], attrs(layer));
      const tiles = matrixTiles(g, chip);
      expect(tiles.length).toBeGreaterThan(3);
      for (const tile of tiles) {
        for (const { code } of matrixConvolution("matrices", g, plain, chip, tile).stages) {
          const module = device.createShaderModule({ code });
          const { messages } = await module.getCompilationInfo();
          expect(
            messages.filter((m) => m.type === "error").map((m) => m.message),
            tile,
          ).toEqual([]);
        }
      }
    }
    device.destroy();
  });

  describe("emulated", () => {
    let device: WebGpuDevice | undefined;
    let cpu: Device;
    beforeAll(async () => {
      cpu = openCpu();
      device = await openWebGpu({
        limits: { ...chip, maxBindingBytes: 2 ** 27, workgroupBytes: 32768 },
      }).catch((error) => {
        console.warn(`Not tested: ${error.message}`);
        return undefined;
      });
      const own = GPUDevice.prototype.createShaderModule;
      vi.spyOn(GPUDevice.prototype, "createShaderModule").mockImplementation(function (
        this: GPUDevice,
        descriptor,
      ) {
        return own.call(this, { ...descriptor, code: emulatedMatrices(descriptor.code as string) });
      });
    });
    afterAll(async () => {
      vi.restoreAllMocks();
      await device?.close();
      await cpu.close();
    });

    async function run(layer: Layer, on: Device, tile?: string): Promise<Float32Array> {
      const b = createGraph();
      const w = b.scope(layer.name, () => b.variable("w", layer.filter));
      const x = b.input("x", layer.input);
      b.endPoint("out", b.op("relu", {}, [b.op("conv2d", attrs(layer), [x, w])]));
      const source = {
        name: "test",
        shapeOf: () => layer.filter,
        read: async (v: string) => seededTensor(v, layer.filter, 1),
      };
      const options = { variant: "matrices", tile, sentinels: true };
      const session = await on.load(compile(b.finish(), ["out"]), source, options);
      const [out] = await session.run([seededTensor("x", layer.input, 2)]);
      session.close();
      return out;
    }

    it.each(layers)("$name: every tile gives the same bits, near those of float32", async (layer) => {
      if (!device) return;
      const truth = await run(layer, cpu);
      const g = conv2d.infer([layer.input, layer.filter], attrs(layer));
      // The larger parts of a subgroup are the same text written out more often, which takes minutes to compile here.
      const small = matrixTiles(g, device.caps).filter((name) => /, (16|32)x32 a subgroup/.test(name));
      expect(small.length).toBeGreaterThan(2);
      const first = await run(layer, device, small[0]);
      expect(relativeError(first, truth, maxAbs(truth))).toBeLessThanOrEqual(1e-3);
      for (const tile of small) expect(await run(layer, device, tile), tile).toEqual(first);
    });
  });
});
