/** Winograd's tiles on the CPU, of every size along either axis, against the plain loops. */
import { afterAll, describe, expect, it } from "vitest";
import { compile } from "../../src/engine/compile.ts";
import { createGraph } from "../../src/engine/graph.ts";
import { winograd } from "../../src/kernels/cpu/winograd.ts";
import { windowGeometry } from "../../src/kernels/geometry.ts";
import { plainEpilogue } from "../../src/kernels/op.ts";
import { seededTensor } from "../../src/seeded.ts";
import type { Shape } from "../../src/tensor.ts";
import { maxAbs, relativeError } from "../../src/verify/measure.ts";
import { openCpu } from "../support/node.ts";

interface Case {
  readonly input: Shape;
  readonly filter: Shape;
  readonly stride: readonly [number, number];
  /** Outputs of a tile, down and across. */
  readonly tile: string;
}

const cases: Case[] = [
  { input: [1, 2, 5, 24], filter: [3, 3, 24, 32], stride: [1, 1], tile: "2x5" },
  { input: [2, 3, 4, 24], filter: [3, 3, 24, 32], stride: [1, 1], tile: "3x4" },
  { input: [1, 14, 28, 24], filter: [3, 3, 24, 33], stride: [1, 1], tile: "5x4" },
  { input: [1, 9, 9, 40], filter: [1, 7, 40, 32], stride: [1, 1], tile: "1x3" },
  { input: [3, 16, 8, 40], filter: [7, 1, 40, 32], stride: [1, 1], tile: "4x1" },
  { input: [1, 8, 8, 70], filter: [1, 3, 70, 32], stride: [1, 1], tile: "1x8" },
  { input: [1, 9, 7, 24], filter: [5, 5, 24, 40], stride: [1, 1], tile: "3x3" },
  { input: [2, 31, 31, 3], filter: [7, 7, 3, 64], stride: [2, 2], tile: "4x4" },
  { input: [1, 50, 30, 4], filter: [7, 7, 4, 30], stride: [2, 2], tile: "4x4" },
  { input: [1, 18, 24, 16], filter: [5, 7, 16, 30], stride: [2, 3], tile: "5x4" },
  { input: [1, 20, 20, 90], filter: [3, 3, 90, 40], stride: [2, 2], tile: "5x5" },
  { input: [1, 12, 12, 16], filter: [2, 4, 16, 24], stride: [1, 1], tile: "6x4" },
];

describe("Winograd's tiles equal the plain loops", () => {
  const device = openCpu();
  afterAll(() => device.close());
  for (const { input, filter, stride, tile } of cases) {
    it(`${filter.slice(0, 2).join("x")} by ${stride.join("x")} on ${input.join("x")}, tiles of ${tile}`, async () => {
      const [kernelH, kernelW, , outC] = filter;
      const attrs = { strides: stride, padding: "SAME" } as const;
      const geometry = windowGeometry("conv2d", input, [kernelH, kernelW], outC, attrs);
      expect(winograd(geometry, plainEpilogue, device.caps).tile).toBe(tile);
      const b = createGraph();
      b.endPoint("out", b.op("conv2d", attrs, [b.input("x", input), b.variable("w", filter)]));
      const program = compile(b.finish(), ["out"]);
      const weights = {
        name: `a filter of ${filter}`,
        shapeOf: () => filter,
        read: async () => seededTensor("w", filter, 1),
      };
      const run = async (variant: string) => {
        const session = await device.load(program, weights, { variant, sentinels: true });
        const [result] = await session.run([seededTensor("x", input, 2)]);
        session.close();
        return result;
      };
      const truth = await run("reference");
      expect(relativeError(await run("winograd"), truth, maxAbs(truth))).toBeLessThanOrEqual(2e-6);
    });
  }
});
