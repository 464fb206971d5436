/** Kernels are values made of geometry and limits: every one that fits a chip can be made, whatever its subgroups are. */
import { describe, expect, it } from "vitest";
import { chooseVariant } from "../../src/engine/variants.ts";
import { matrixProducts } from "../../src/kernels/conv-matrix.ts";
import { conv2d } from "../../src/kernels/conv2d.ts";
import { windowRows } from "../../src/kernels/input-walk.ts";
import { matmul } from "../../src/kernels/matmul.ts";
import { type Caps, plainEpilogue } from "../../src/kernels/op.ts";
import type { Shape } from "../../src/tensor.ts";

const chip: Caps = {
  maxBindingBytes: 2 ** 28,
  maxWorkgroupSize: 256,
  maxWorkgroupsPerDimension: 65535,
  subgroupSize: 32,
  roundsFreely: true,
  halfWeights: false,
  hardware: true,
  workgroupBytes: 16384,
};

const filters: Shape[] = [
  [1, 1, 64, 32],
  [3, 3, 64, 64],
  [5, 5, 16, 36],
  [1, 7, 64, 20],
  [7, 7, 3, 64],
];

describe("a chip", () => {
  // No one size (0), as of Intel's; AMD's 64.
  it.each([0, 16, 32, 64])("whose subgroups have %d lanes has its kernels", (subgroupSize) => {
    const caps = { ...chip, subgroupSize };
    for (const filter of filters) {
      const g = conv2d.infer([[2, 14, 14, filter[2]], filter], { strides: [1, 1], padding: "SAME" });
      for (const variant of conv2d.gpu.filter((v) => v.fits(g, caps)))
        expect(variant.build(g, plainEpilogue, caps).stages.length, variant.name).toBeGreaterThan(0);
    }
    const g = matmul.infer(
      [
        [3, 40],
        [40, 100],
      ],
      {},
    );
    for (const variant of matmul.gpu.filter((v) => v.fits(g, caps)))
      expect(variant.build(g, plainEpilogue, caps).stages.length, variant.name).toBeGreaterThan(0);
  });

  // Rows of few channels follow each other; each filled up by itself they would be 224, 224, 48 and 80 values.
  it.each<{ input: Shape; filter: Shape; stride: number; depth: number }>([
    { input: [1, 224, 224, 3], filter: [7, 7, 3, 64], stride: 2, depth: 160 },
    { input: [1, 223, 223, 3], filter: [7, 7, 3, 64], stride: 2, depth: 160 },
    { input: [1, 224, 224, 3], filter: [3, 3, 3, 32], stride: 2, depth: 32 },
    { input: [1, 28, 28, 1], filter: [5, 5, 1, 32], stride: 1, depth: 32 },
    { input: [1, 28, 28, 4], filter: [3, 3, 4, 32], stride: 1, depth: 48 },
  ])("walks $depth values of $input by $filter", ({ input, filter, stride, depth }) => {
    const g = conv2d.infer([input, filter], { strides: [stride, stride], padding: "SAME" });
    expect(windowRows(g, 16).depth).toBe(depth);
  });

  it.each([512, 1024, 2048])("has its kernels for images of %d pixels", (size) => {
    for (const matrices of [undefined, matrixProducts]) {
      const large = { maxBindingBytes: 2 ** 31 - 4, maxWorkgroupSize: 1024, workgroupBytes: 49152 };
      const caps = { ...chip, ...large, halfWeights: matrices !== undefined, matrices };
      const g = conv2d.infer(
        [
          [1, size, size, 16],
          [3, 3, 16, 32],
        ],
        { strides: [1, 1], padding: "SAME" },
      );
      const fitting = conv2d.gpu.filter((v) => v.fits(g, caps));
      expect(fitting.map(({ name }) => name)).toContain(matrices ? "matrices" : "shared");
      for (const variant of fitting) {
        expect(variant.work?.(g, caps) ?? 0, variant.name).toBeLessThan(Number.POSITIVE_INFINITY);
        expect(variant.build(g, plainEpilogue, caps).stages.length, variant.name).toBeGreaterThan(0);
      }
    }
  });

  // An H100 takes 21 to 41 us for 32 images of these in small matrices, and 34 to 51 on ordinary lanes.
  it.each<{ size: number; filter: Shape }>([
    { size: 28, filter: [1, 1, 192, 96] },
    { size: 28, filter: [1, 1, 256, 64] },
    { size: 14, filter: [1, 1, 512, 64] },
    { size: 7, filter: [1, 1, 832, 128] },
  ])("computes $filter of $size pixels by small matrices in half precision", ({ size, filter }) => {
    const caps = {
      ...chip,
      maxWorkgroupSize: 1024,
      workgroupBytes: 49152,
      halfWeights: true,
      matrices: matrixProducts,
    };
    const g = conv2d.infer([[1, size, size, filter[2]], filter], { strides: [1, 1], padding: "SAME" });
    expect(chooseVariant(conv2d.gpu, g, caps)?.name).toBe("matrices");
  });
});
