/**
 * Products of small matrices: that the compiler takes every tile's text (Dawn's null adapter knows subgroup matrices and
 * computes nothing), and that they are right where small matrices are emulated.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { compile } from "../../src/engine/compile.ts";
import type { Device } from "../../src/engine/device.ts";
import { createGraph, type GraphBuilder, type Value } from "../../src/engine/graph.ts";
import { arrangedFor } from "../../src/engine/join-siblings.ts";
import { matrixConvolution, matrixProducts, matrixTiles } from "../../src/kernels/conv-matrix.ts";
import { conv2d } from "../../src/kernels/conv2d.ts";
import type { Padding, WindowGeometry } from "../../src/kernels/geometry.ts";
import { type Caps, plainEpilogue } from "../../src/kernels/op.ts";
import { resolveEndPoints } from "../../src/nets/end-points.ts";
import { buildNetwork, findModel } from "../../src/nets/index.ts";
import { seededTensor, seededUnits } from "../../src/seeded.ts";
import { type Shape, sizeOf } from "../../src/tensor.ts";
import { maxAbs, relativeError } from "../../src/verify/measure.ts";
import { emulatedMatrices } from "../support/emulated-matrices.ts";
import { openCpu, openWebGpu, seededWeights, type WebGpuDevice } from "../support/node.ts";

const chip: Caps = {
  maxBindingBytes: 2 ** 31 - 4,
  maxWorkgroupSize: 1024,
  maxWorkgroupsPerDimension: 65535,
  subgroupSize: 32,
  roundsFreely: true,
  halfWeights: true,
  hardware: true,
  matrices: matrixProducts,
  workgroupBytes: 49152,
};

interface Layer {
  readonly name: string;
  readonly input: Shape;
  readonly filter: Shape;
  /** 1 and SAME where left out. */
  readonly stride?: number;
  readonly padding?: Padding;
  /** What is done to the sums of the input `x`; `beside` is another value of their shape. */
  readonly after: (b: GraphBuilder, sums: Value, beside: Value, x: Value) => Value;
  /** The epilogue that this must become. */
  readonly epilogue: object;
  /** The tiles that are tried where small matrices are emulated: larger parts of a subgroup take long to compile there. */
  readonly tried: RegExp;
}

const normed = (b: GraphBuilder, sums: Value, channels: number): Value =>
  b.op("batch_norm", { epsilon: 1e-3, scale: true }, [
    sums,
    ...["mean", "variance", "beta", "gamma"].map((v) => b.variable(v, [channels])),
  ]);
const relu = (b: GraphBuilder, x: Value): Value => b.op("relu", {}, [x]);
const behind = (b: GraphBuilder, first: Value, second: Value): Value =>
  b.op("concat", { axis: 3 }, [relu(b, first), second]);

const attrs = ({ stride = 1, padding = "SAME" }: { stride?: number; padding?: Padding }) =>
  ({ strides: [stride, stride], padding }) as const;

/** Tiles of which a lane fetches one, four and eight vectors of the input. */
const fetching = /16x128x32|(64x64|128x32)x32, 32/;

const layers: Layer[] = [
  {
    name: "3x3 with padding, the last channels of a concat",
    input: [1, 9, 9, 36],
    filter: [3, 3, 36, 40],
    after: (b, sums, beside) =>
      behind(b, beside, b.op("relu6", {}, [b.op("add", {}, [beside, normed(b, sums, 40)])])),
    epilogue: {
      scale: true,
      bias: true,
      residual: true,
      activation: "relu6",
      placement: { channel: 40, of: 80 },
    },
    tried: /(16|32)x32 a/,
  },
  {
    name: "1x1 of a ragged depth, added to a residual",
    input: [2, 9, 8, 20],
    filter: [1, 1, 20, 100],
    after: (b, sums, beside) => relu(b, b.op("add", {}, [beside, sums])),
    epilogue: { scale: false, bias: false, residual: true, activation: "relu" },
    tried: /(16|32)x(32|64) a/,
  },
  {
    name: "few pixels, long sums",
    input: [1, 3, 3, 256],
    filter: [3, 3, 256, 32],
    after: (b, sums, beside) =>
      behind(b, beside, b.op("add", {}, [beside, b.op("bias_add", {}, [sums, b.variable("bias", [32])])])),
    epilogue: {
      scale: false,
      bias: true,
      residual: true,
      activation: "none",
      placement: { channel: 32, of: 64 },
    },
    tried: /(16|32)x32 a/,
  },
  {
    name: "two layers on one value",
    input: [2, 9, 8, 20],
    filter: [1, 1, 20, 40],
    after(b, sums, _, x) {
      const second = b.op("conv2d", attrs({}), [x, b.variable("second", [1, 1, 20, 36])]);
      const pooled = b.op("max_pool", { ...attrs({}), ksize: [3, 3] }, [b.op("relu6", {}, [second])]);
      return behind(b, pooled, sums);
    },
    epilogue: {
      parts: [
        { channels: 40, activation: "none", placement: { channel: 36, of: 76 } },
        { channels: 36, activation: "relu6", placement: undefined },
      ],
    },
    tried: /(128|32)x64x32, (64|16)x32 a/,
  },
  {
    name: "7x7 by 2 of three channels",
    input: [1, 15, 14, 3],
    filter: [7, 7, 3, 64],
    stride: 2,
    padding: [
      [3, 3],
      [3, 3],
    ],
    after: (_, sums) => sums,
    epilogue: plainEpilogue,
    tried: fetching,
  },
  {
    name: "3x3 by 2 of three channels, no padding",
    input: [2, 12, 20, 3],
    filter: [3, 3, 3, 36],
    stride: 2,
    padding: "VALID",
    after: relu,
    epilogue: { activation: "relu" },
    tried: fetching,
  },
  {
    name: "5x5 of one channel",
    input: [2, 7, 9, 1],
    filter: [5, 5, 1, 32],
    after: relu,
    epilogue: { activation: "relu" },
    tried: fetching,
  },
];

/** The program of a layer, and its convolution, which must have everything else in its epilogue. */
function programOf(layer: Layer) {
  const { name, input, filter, after, epilogue } = layer;
  const b = createGraph();
  const inputs: Shape[] = [input, conv2d.infer([input, filter], attrs(layer)).out];
  const [x, beside] = inputs.map((shape, i) => b.input(`x${i}`, shape));
  const out = b.scope(name, () =>
    after(b, b.op("conv2d", attrs(layer), [x, b.variable("w", filter)]), beside, x),
  );
  b.endPoint("out", out);
  const program = compile(b.finish(), ["out"]);
  const step = arrangedFor(program, chip).steps.find((s) => s.op === "conv2d");
  if (!step) throw new Error("no convolution");
  expect(step.epilogue).toMatchObject(epilogue);
  return { program, g: step.geometry as WindowGeometry, epilogue: step.epilogue, inputs };
}

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
    // Of other chips, too: a subgroup of 8 lanes is shorter than a row of sums.
    for (const subgroupSize of [8, 16, 32, 64]) {
      const caps = { ...chip, subgroupSize };
      for (const layer of layers) {
        const { g, epilogue } = programOf(layer);
        const tiles = matrixTiles(g, caps, epilogue);
        expect(tiles.length).toBeGreaterThan(3);
        for (const tile of tiles) {
          for (const { code } of matrixConvolution("matrices", g, epilogue, caps, tile).stages) {
            const module = device.createShaderModule({ code });
            const { messages } = await module.getCompilationInfo();
            expect(
              messages.filter((m) => m.type === "error").map((m) => m.message),
              tile,
            ).toEqual([]);
          }
        }
      }
    }
    device.destroy();
  });

  it("are cut up in the same tiles whatever follows them, and by themselves in the first", () => {
    for (const layer of layers) {
      const { g, epilogue } = programOf(layer);
      const names = matrixTiles(g, chip, epilogue);
      expect(names.toSorted()).toEqual(matrixTiles(g, chip, plainEpilogue).toSorted());
      expect(matrixConvolution("matrices", g, epilogue, chip).tile).toBe(names[0]);
    }
    expect(matrixTiles(programOf(layers[2]).g, chip)[0]).toMatch(/depth in/);
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
      const { program, inputs } = programOf(layer);
      const shapes = new Map(program.variables.map((v) => [v.name, v.shape]));
      const source = {
        name: "test",
        shapeOf: (v: string) => shapes.get(v),
        read: async (v: string) =>
          seededTensor(v, shapes.get(v) as Shape, 1, v.endsWith("variance") ? 1.5 : 0),
      };
      const session = await on.load(program, source, { variant: "matrices", tile, sentinels: true });
      const [out] = await session.run(inputs.map((shape, i) => seededTensor(`x${i}`, shape, 2)));
      session.close();
      return out;
    }

    it.each(layers)("$name: every tile gives the same bits, near those of float32", async (layer) => {
      if (!device) return;
      const truth = await run(layer, cpu);
      const { g, epilogue } = programOf(layer);
      // Strips of 16 and of 32 rows, of 32 and of 64 sums, one after another and alone; tiles that lie once and twice.
      const tiles = matrixTiles(g, device.caps, epilogue).filter((name) => layer.tried.test(name));
      expect(tiles.length).toBeGreaterThan(0);
      const first = await run(layer, device, tiles[0]);
      expect(relativeError(first, truth, maxAbs(truth))).toBeLessThanOrEqual(1e-3);
      for (const tile of tiles.slice(1)) expect(await run(layer, device, tile), tile).toEqual(first);
    });

    it.each(["inception_v1", "resnet_v1_50"])("carry the whole of %s", async (name) => {
      if (!device) return;
      const options = { imageSize: 64, globalPool: true };
      const model = findModel(name);
      const graph = buildNetwork(model, 1, options);
      const program = compile(graph, resolveEndPoints(model, graph, [], options));
      const weights = await seededWeights(name, program.variables);
      const image = seededUnits("an image", sizeOf(program.inputs[0].shape));
      const [truth, found] = await Promise.all(
        [cpu, device].map(async (on) => {
          const session = await on.load(program, weights, on === device ? { variant: "matrices" } : {});
          const [features] = await session.run([image]);
          const steps = await session.time();
          session.close();
          return { features, products: steps.filter(({ variant }) => variant === "matrices").length };
        }),
      );
      // All convolutions: 57 and 53, of which those that begin a block on the same value are one.
      expect(found.products).toBe(name === "inception_v1" ? 39 : 49);
      const error = relativeError(found.features, truth.features, maxAbs(truth.features));
      expect(error).toBeLessThanOrEqual(2e-2);
    });
  });
});
