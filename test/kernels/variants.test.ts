/**
 * Every variant against the operation's own reference loop (which ops.test.ts holds against TensorFlow), on geometries
 * and epilogues that the reference cases leave out.
 */
import { afterAll, describe, expect, it } from "vitest";
import { compile } from "../../src/engine/compile.ts";
import type { Device, LoadOptions } from "../../src/engine/device.ts";
import { createGraph, type GraphBuilder, type Value } from "../../src/engine/graph.ts";
import type { Padding } from "../../src/kernels/geometry.ts";
import { ops } from "../../src/kernels/index.ts";
import { seededTensor } from "../../src/seeded.ts";
import type { Shape } from "../../src/tensor.ts";
import { maxAbs, relativeError } from "../../src/verify/measure.ts";
import { describeOnDevices } from "../support/devices.ts";
import { openCpu, openWebGpu } from "../support/node.ts";

interface Case {
  readonly name: string;
  readonly input: Shape;
  readonly build: (b: GraphBuilder, x: Value) => Value;
  /** Of the error, by the largest value; a network's layers have 4e-6. */
  readonly bound?: number;
}

async function run(
  { name, input, build }: Case,
  device: Device,
  options?: LoadOptions,
): Promise<Float32Array> {
  const b = createGraph();
  // The case's name keeps its weights apart from those of other cases on one device.
  const out = b.scope(name, () => build(b, b.input("x", input)));
  b.endPoint("out", out);
  const program = compile(b.finish(), ["out"]);
  const shapes = new Map(program.variables.map((v) => [v.name, v.shape]));
  const weights = {
    name: "test",
    shapeOf: (v: string) => shapes.get(v),
    read: async (v: string) => seededTensor(v, shapes.get(v) as Shape, 1, v.endsWith("variance") ? 1.5 : 0),
  };
  const session = await device.load(program, weights, options);
  const [result] = await session.run([seededTensor(`${name}/x`, input, 2)]);
  session.close();
  return result;
}

const conv =
  (filter: Shape, stride: number, padding: Padding, dilation = 1) =>
  (b: GraphBuilder, x: Value) =>
    b.op("conv2d", { strides: [stride, stride], padding, dilations: [dilation, dilation] }, [
      x,
      b.variable("w", filter),
    ]);

const convolutions: Case[] = [
  {
    name: "explicit padding, uneven",
    input: [2, 9, 7, 3],
    build: conv([3, 3, 3, 5], 1, [
      [2, 0],
      [1, 3],
    ]),
  },
  {
    name: "explicit padding with stride 2",
    input: [1, 10, 10, 4],
    build: conv([3, 3, 4, 8], 2, [
      [1, 1],
      [1, 1],
    ]),
  },
  {
    name: "padding wider than the kernel",
    input: [1, 4, 4, 4],
    build: conv([2, 2, 4, 4], 1, [
      [3, 3],
      [3, 3],
    ]),
  },
  {
    name: "dilation with explicit padding",
    input: [1, 11, 9, 4],
    build: conv(
      [3, 2, 4, 12],
      2,
      [
        [2, 2],
        [1, 1],
      ],
      2,
    ),
  },
  { name: "one channel in, one out", input: [3, 5, 6, 1], build: conv([3, 3, 1, 1], 1, "SAME") },
  { name: "more channels than a tile", input: [1, 3, 3, 20], build: conv([1, 1, 20, 36], 1, "VALID") },
  { name: "channels that no vector divides", input: [1, 6, 5, 7], build: conv([3, 3, 7, 11], 1, "SAME") },
  { name: "tiles cut at both edges", input: [2, 9, 7, 11], build: conv([3, 3, 11, 13], 1, "SAME") },
  { name: "tiles without padding", input: [1, 10, 14, 9], build: conv([3, 3, 9, 70], 1, "VALID") },
  { name: "more channels than a block", input: [3, 7, 7, 130], build: conv([3, 3, 130, 20], 1, "SAME") },
  { name: "a window longer than a block", input: [1, 5, 4, 600], build: conv([2, 2, 600, 6], 1, "SAME") },
  { name: "an image of one pixel", input: [1, 1, 1, 30], build: conv([3, 3, 30, 10], 1, "SAME") },
  { name: "a window as large as the image", input: [2, 4, 4, 6], build: conv([4, 4, 6, 37], 1, "VALID") },
  { name: "many pixels", input: [2, 33, 31, 4], build: conv([1, 3, 4, 4], 1, "SAME") },
  { name: "3x3, tiles over the edge", input: [2, 13, 11, 32], build: conv([3, 3, 32, 40], 1, "SAME") },
  { name: "3x3, VALID", input: [1, 10, 9, 16], build: conv([3, 3, 16, 16], 1, "VALID") },
  {
    name: "3x3, uneven padding",
    input: [1, 9, 8, 8],
    build: conv([3, 3, 8, 12], 1, [
      [2, 0],
      [1, 3],
    ]),
  },
  { name: "3x3, several groups of tiles", input: [1, 66, 64, 64], build: conv([3, 3, 64, 64], 1, "SAME") },
  { name: "1x7, tiles over the edge", input: [2, 5, 13, 16], build: conv([1, 7, 16, 24], 1, "SAME") },
  { name: "7x1, VALID", input: [1, 14, 6, 16], build: conv([7, 1, 16, 24], 1, "VALID") },
  { name: "1x3, tiles over the edge", input: [2, 4, 9, 24], build: conv([1, 3, 24, 20], 1, "SAME") },
  { name: "3x1 into a few channels", input: [1, 11, 5, 32], build: conv([3, 1, 32, 12], 1, "SAME") },
  { name: "5x5, tiles over the edge", input: [2, 7, 9, 16], build: conv([5, 5, 16, 36], 1, "SAME") },
  {
    name: "7x7 by 2 of three channels",
    input: [2, 31, 29, 3],
    build: conv([7, 7, 3, 32], 2, "SAME"),
    bound: 4e-6,
  },
  {
    name: "7x7 by 2 of three channels, rows of an even length",
    input: [2, 30, 28, 3],
    build: conv([7, 7, 3, 32], 2, "SAME"),
    bound: 4e-6,
  },
  {
    name: "7x7 by 2 of three channels, from an odd place",
    input: [2, 20, 26, 3],
    build: conv([7, 7, 3, 32], 2, [
      [3, 3],
      [3, 3],
    ]),
    bound: 4e-6,
  },
  { name: "3x3 by 2 of three channels", input: [2, 13, 16, 3], build: conv([3, 3, 3, 20], 2, "VALID") },
  { name: "5x5 of two channels", input: [1, 9, 7, 2], build: conv([5, 5, 2, 12], 1, "SAME") },
  {
    name: "7x7 by 2 of vectors, VALID",
    input: [1, 22, 27, 8],
    build: conv([7, 7, 8, 32], 2, "VALID"),
    bound: 4e-6,
  },
  { name: "1x1 of a long sum", input: [1, 5, 5, 300], build: conv([1, 1, 300, 64], 1, "SAME") },
  { name: "1x1 with stride 2", input: [2, 9, 7, 16], build: conv([1, 1, 16, 32], 2, "SAME") },
  { name: "the whole image in one window", input: [3, 2, 3, 8], build: conv([2, 3, 8, 12], 1, "VALID") },
];

const epilogues: Case[] = [
  {
    name: "convolution, batch norm, residual, relu",
    input: [2, 6, 6, 8],
    build(b, x) {
      const norm = b.op("batch_norm", { epsilon: 0.001, scale: true }, [
        conv([3, 3, 8, 8], 1, "SAME")(b, x),
        ...["mean", "variance", "beta", "gamma"].map((v) => b.variable(v, [8])),
      ]);
      return b.op("relu", {}, [b.op("add", {}, [x, norm])]);
    },
  },
  {
    name: "convolution, bias, relu6, odd channels",
    input: [1, 5, 5, 3],
    build: (b, x) =>
      b.op("relu6", {}, [
        b.op("bias_add", {}, [conv([3, 3, 3, 13], 1, "SAME")(b, x), b.variable("bias", [13])]),
      ]),
  },
  {
    name: "depthwise, batch norm, relu6",
    input: [1, 7, 7, 12],
    build(b, x) {
      const sum = b.op("depthwise_conv2d", { strides: [2, 2], padding: "SAME" }, [
        x,
        b.variable("w", [3, 3, 12, 1]),
      ]);
      const norm = b.op("batch_norm", { epsilon: 0.001, scale: false }, [
        sum,
        ...["mean", "variance", "beta"].map((v) => b.variable(v, [12])),
      ]);
      return b.op("relu6", {}, [norm]);
    },
  },
  ...[1, 2].map((stride) => ({
    name: `depthwise of 5x5 with stride ${stride}, residual, columns that no strip divides`,
    input: [2, 9, 11, 8] as const,
    build(b: GraphBuilder, x: Value) {
      const filter = b.variable("w", [5, 5, 8, 1]);
      const sum = b.op("depthwise_conv2d", { strides: [stride, stride], padding: "SAME" }, [x, filter]);
      return stride === 1 ? b.op("add", {}, [x, sum]) : sum;
    },
  })),
  {
    name: "product, bias, residual",
    input: [5, 8],
    build: (b, x) =>
      b.op("add", {}, [
        b.op("bias_add", {}, [b.op("matmul", {}, [x, b.variable("w", [8, 8])]), b.variable("bias", [8])]),
        x,
      ]),
  },
  {
    name: "batch norm by itself, relu",
    input: [2, 4, 4, 6],
    build: (b, x) =>
      b.op("relu", {}, [
        b.op("batch_norm", { epsilon: 1e-5, scale: true }, [
          x,
          ...["mean", "variance", "beta", "gamma"].map((v) => b.variable(v, [6])),
        ]),
      ]),
  },
];

const joint: Case[] = [
  {
    name: "parts of a concat, with epilogues, inside another",
    input: [2, 9, 9, 16],
    build(b, x) {
      const wide = b.scope("wide", () => b.op("relu", {}, [conv([3, 3, 16, 24], 1, "SAME")(b, x)]));
      const narrow = b.scope("narrow", () => b.op("add", {}, [x, conv([1, 1, 16, 16], 1, "SAME")(b, x)]));
      const both = b.op("concat", { axis: 3 }, [wide, narrow]);
      const pooled = b.op("max_pool", { ksize: [3, 3], strides: [1, 1], padding: "SAME" }, [x]);
      const each = b.scope("each", () =>
        b.op("depthwise_conv2d", { strides: [1, 1], padding: "SAME" }, [x, b.variable("w", [3, 3, 16, 1])]),
      );
      return b.op("concat", { axis: -1 }, [pooled, both, each, b.op("relu", {}, [pooled])]);
    },
  },
  {
    name: "a product of few rows and odd columns",
    input: [3, 40],
    build: (b, x) =>
      b.op("bias_add", {}, [b.op("matmul", {}, [x, b.variable("w", [40, 101])]), b.variable("bias", [101])]),
  },
  {
    name: "a product of more rows than a tile",
    input: [11, 24],
    build: (b, x) => b.op("matmul", {}, [x, b.variable("w", [24, 36])]),
  },
];

const others: Case[] = [
  {
    name: "mean over the first axis",
    input: [4, 3, 5],
    build: (b, x) => b.op("mean", { axes: [0], keepDims: false }, [x]),
  },
  {
    name: "mean over axes 0 and 2",
    input: [4, 3, 5, 2],
    build: (b, x) => b.op("mean", { axes: [0, 2], keepDims: true }, [x]),
  },
  {
    name: "mean over the last axis, counted from behind",
    input: [4, 3, 5],
    build: (b, x) => b.op("mean", { axes: [-1], keepDims: false }, [x]),
  },
  {
    name: "concat on the last axis, counted from behind",
    input: [2, 3, 4],
    build: (b, x) => b.op("concat", { axis: -1 }, [x, x]),
  },
  {
    name: "mean over all axes",
    input: [4, 3],
    build: (b, x) => b.op("mean", { axes: [0, 1], keepDims: true }, [x]),
  },
  {
    name: "pad of rank 2",
    input: [3, 4],
    build: (b, x) =>
      b.op(
        "pad",
        {
          paddings: [
            [1, 0],
            [2, 3],
          ],
        },
        [x],
      ),
  },
  {
    name: "concat on axis 2 with itself",
    input: [2, 3, 4, 5],
    build: (b, x) => b.op("concat", { axis: 2 }, [x, x, x]),
  },
  { name: "softmax of one value", input: [3, 1], build: (b, x) => b.op("softmax", {}, [x]) },
  {
    name: "lrn by square roots, over more neighbours than a row has",
    input: [3, 2, 5, 7],
    build: (b, x) => b.op("lrn", { depthRadius: 9, bias: 1, alpha: 0.3, beta: 1.5 }, [x]),
  },
  {
    name: "lrn by another power",
    input: [2, 4, 4, 12],
    build: (b, x) => b.op("lrn", { depthRadius: 2, bias: 2, alpha: 0.3, beta: 0.6 }, [x]),
  },
  {
    name: "resize_bilinear of two images, larger and smaller",
    input: [2, 7, 9, 3],
    build: (b, x) => b.op("resize_bilinear", { size: [16, 4] }, [x]),
  },
  { name: "softmax of rank 4", input: [2, 3, 3, 70], build: (b, x) => b.op("softmax", {}, [x]) },
  {
    name: "pool with explicit padding",
    input: [1, 5, 5, 4],
    build: (b, x) =>
      b.op(
        "max_pool",
        {
          ksize: [3, 3],
          strides: [2, 2],
          padding: [
            [1, 1],
            [1, 1],
          ],
        },
        [x],
      ),
  },
  {
    name: "pool of odd channels, wider than the image",
    input: [2, 3, 2, 7],
    build: (b, x) => b.op("avg_pool", { ksize: [5, 4], strides: [1, 1], padding: "SAME" }, [x]),
  },
  {
    name: "depthwise, dilated, two outputs a channel",
    input: [1, 9, 8, 5],
    build: (b, x) =>
      b.op("depthwise_conv2d", { strides: [1, 1], padding: "SAME", dilations: [2, 3] }, [
        x,
        b.variable("w", [3, 3, 5, 2]),
      ]),
  },
  {
    name: "more values than one dimension of workgroups holds",
    input: [65, 65536],
    build: (b, x) => b.op("relu", {}, [x]),
  },
];

const plainCpu = openCpu();
const variantNames = (backend: "webgpu" | "cpu") => [
  ...new Set(Object.values(ops).flatMap((op) => op[backend === "cpu" ? "cpu" : "gpu"].map((v) => v.name))),
];

describeOnDevices(
  "variants equal the reference loops",
  (device, backend) => {
    for (const c of [...convolutions, ...epilogues, ...joint, ...others]) {
      it(c.name, async () => {
        const truth = await run(c, plainCpu, { variant: "reference" });
        for (const variant of variantNames(backend)) {
          const ours = await run(c, device(), { variant, sentinels: true });
          expect(relativeError(ours, truth, maxAbs(truth)), variant).toBeLessThanOrEqual(c.bound ?? 2e-6);
        }
      });
    }
  },
  { everyKernel: true },
);

describe("tasks of the CPU", () => {
  const [one, ...more] = [1, 3, 64].map((sharesFor) => openCpu({ threads: 2, sharesFor }));
  afterAll(async () => {
    for (const device of [one, ...more]) await device.close();
  });
  for (const c of [...convolutions, ...epilogues, ...joint, ...others]) {
    it(`cut for 1, 3 and 64 threads give the same bits: ${c.name}`, async () => {
      const bytes = async (device: Device) => Buffer.from((await run(c, device, { sentinels: true })).buffer);
      const truth = await bytes(one);
      for (const device of more) expect((await bytes(device)).equals(truth)).toBe(true);
    });
  }
});

describe("explicit padding", () => {
  it("is the same as pad followed by VALID", async () => {
    const input: Shape = [2, 9, 7, 3];
    const filter: Shape = [3, 3, 3, 5];
    const explicit: Case = {
      name: "same",
      input,
      build: conv(filter, 2, [
        [2, 1],
        [1, 3],
      ]),
    };
    const padded: Case = {
      name: "same",
      input,
      build: (b, x) =>
        conv(
          filter,
          2,
          "VALID",
        )(
          b,
          b.op(
            "pad",
            {
              paddings: [
                [0, 0],
                [2, 1],
                [1, 3],
                [0, 0],
              ],
            },
            [x],
          ),
        ),
    };
    const reference: LoadOptions = { variant: "reference" };
    expect(await run(explicit, plainCpu, reference)).toEqual(await run(padded, openCpu(), reference));
  });
});

describe("weights over the binding limit", () => {
  it("are split into chunks with the same result", async () => {
    const c: Case = { name: "chunks", input: [2, 5, 5, 12], build: conv([3, 3, 12, 61], 1, "SAME") };
    const truth = await run(c, plainCpu, { variant: "reference" });
    // A panel of 8 channels is 3456 bytes here, so a chunk holds three of the eight panels.
    const device = await openWebGpu({ limits: { maxBindingBytes: 13_000 } });
    try {
      const ours = await run(c, device, { variant: "tiled", sentinels: true });
      expect(relativeError(ours, truth, maxAbs(truth))).toBeLessThanOrEqual(2e-6);
    } finally {
      await device.close();
    }
  });

  it("work at the size of vgg's fc6 (411 MB)", async () => {
    const c: Case = { name: "fc6", input: [1, 7, 7, 512], build: conv([7, 7, 512, 4096], 1, "VALID") };
    const cpu = openCpu();
    const truth = await run(c, cpu);
    await cpu.close();
    const device = await openWebGpu();
    try {
      const ours = await run(c, device);
      expect(device.weightBytes, "weights are freed with their session").toBe(0);
      expect(relativeError(ours, truth, maxAbs(truth))).toBeLessThanOrEqual(1e-5);
    } finally {
      await device.close();
    }
  });
});
