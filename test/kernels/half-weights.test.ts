/** Weights in half precision: the same kernels, with the weights rounded once and nothing else. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile } from "../../src/engine/compile.ts";
import type { Device } from "../../src/engine/device.ts";
import { createGraph, type GraphBuilder, type Value } from "../../src/engine/graph.ts";
import { DeviceError, UsageError } from "../../src/errors.ts";
import { fromHalf, toHalf, toHalves } from "../../src/half.ts";
import { seededTensor } from "../../src/seeded.ts";
import type { Shape } from "../../src/tensor.ts";
import { maxAbs, relativeError } from "../../src/verify/measure.ts";
import { openCpu, openDevice, openWebGpu } from "../support/node.ts";

interface Case {
  readonly name: string;
  readonly input: Shape;
  readonly filter: Shape;
  readonly build: (b: GraphBuilder, x: Value, w: Value) => Value;
}

const conv =
  (stride: number) =>
  (b: GraphBuilder, x: Value, w: Value): Value =>
    b.op("conv2d", { strides: [stride, stride], padding: "SAME" }, [x, w]);

const cases: readonly Case[] = [
  { name: "3x3", input: [1, 9, 9, 16], filter: [3, 3, 16, 24], build: conv(1) },
  { name: "1x1", input: [2, 5, 5, 40], filter: [1, 1, 40, 64], build: conv(1) },
  { name: "the first layer", input: [1, 15, 15, 3], filter: [7, 7, 3, 16], build: conv(2) },
  { name: "odd channels", input: [1, 6, 6, 5], filter: [3, 3, 5, 7], build: conv(1) },
  { name: "a product", input: [3, 48], filter: [48, 100], build: (b, x, w) => b.op("matmul", {}, [x, w]) },
];

async function run({ input, filter, build }: Case, device: Device, weights: Float32Array, variant?: string) {
  const b = createGraph();
  b.endPoint("out", build(b, b.input("x", input), b.variable("w", filter)));
  const source = { name: "test", shapeOf: () => filter, read: async () => weights };
  const session = await device.load(compile(b.finish(), ["out"]), source, { variant });
  const [result] = await session.run([seededTensor("x", input, 2)]);
  session.close();
  return result;
}

describe("weights in half precision", async () => {
  const known = await openWebGpu({ limits: { halfWeights: true } }).catch((error) => {
    if (error instanceof DeviceError && /shader-f16|No WebGPU/.test(error.message)) return undefined;
    throw error;
  });
  // The kernels of chips, too.
  const chip = known && (await openWebGpu({ limits: { halfWeights: true, hardware: true } }));
  if (!known) console.warn("This adapter does not know half precision: its kernels are not tried.");
  const cpu = openCpu();
  beforeAll(() => expect(known?.adapter ?? "half precision").toMatch(/half precision/));
  afterAll(async () => {
    await known?.close();
    await chip?.close();
    await cpu.close();
  });

  for (const c of cases) {
    for (const variant of ["shared", "lanes", "rows", "tiled", undefined]) {
      it.skipIf(!known)(`${c.name}, ${variant ?? "the kernel of least work"}`, async () => {
        const weights = seededTensor(c.name, c.filter, 1);
        const rounded = weights.map((w) => fromHalf(toHalf(w)));
        const truth = await run(c, cpu, rounded, "reference");
        const device = (variant === "shared" ? chip : known) as Device;
        const ours = await run(c, device, weights, variant);
        expect(relativeError(ours, truth, maxAbs(truth))).toBeLessThanOrEqual(2e-6);
        expect(relativeError(ours, await run(c, cpu, weights), maxAbs(truth))).toBeGreaterThan(2e-6);
      });
    }
  }

  it.skipIf(!known)("refuses weights that it cannot hold", async () => {
    const weights = seededTensor("large", cases[0].filter, 70_000);
    await expect(run(cases[0], known as Device, weights)).rejects.toThrow(/beyond 65504/);
  });

  it("is refused on the CPU", async () => {
    await expect(openDevice("cpu", { halfWeights: true })).rejects.toThrow(UsageError);
  });

  it("are rounded all together as one by one", () => {
    const values = Float32Array.from(
      [0, -0, 1, -1.0004883, 65519.9, 65520, 6e-5, -6.1e-5, 5.96e-8, 2.9e-8, 1e-30].flatMap((v) => [v, -v]),
    );
    expect([...toHalves(values)]).toEqual(Array.from(values, toHalf));
  });
});
