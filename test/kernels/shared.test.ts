/** The products that share tiles in workgroup memory: every tile and every split of the depth gives the same bits. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile } from "../../src/engine/compile.ts";
import { createGraph } from "../../src/engine/graph.ts";
import { conv2d } from "../../src/kernels/conv2d.ts";
import type { Padding } from "../../src/kernels/geometry.ts";
import { sharedTiles } from "../../src/kernels/shared-plan.ts";
import { seededTensor } from "../../src/seeded.ts";
import type { Shape } from "../../src/tensor.ts";
import { openWebGpu, type WebGpuDevice } from "../support/node.ts";

interface Layer {
  readonly name: string;
  readonly input: Shape;
  readonly filter: Shape;
  readonly stride: number;
  /** SAME where left out. */
  readonly padding?: Padding;
}

const layers: Layer[] = [
  { name: "3x3 on a small map", input: [1, 7, 7, 48], filter: [3, 3, 48, 40], stride: 1 },
  { name: "1x1 of a long sum into odd channels", input: [2, 3, 5, 320], filter: [1, 1, 320, 37], stride: 1 },
  { name: "7x7 by 2 of three channels", input: [1, 23, 21, 3], filter: [7, 7, 3, 64], stride: 2 },
  {
    name: "a whole image in one window",
    input: [3, 4, 4, 32],
    filter: [4, 4, 32, 130],
    stride: 1,
    padding: "VALID",
  },
  {
    name: "3x3 by 2 of three channels, no padding",
    input: [2, 12, 20, 3],
    filter: [3, 3, 3, 36],
    stride: 2,
    padding: "VALID",
  },
  {
    name: "7x7 by 2 in pairs from an odd place",
    input: [1, 20, 22, 3],
    filter: [7, 7, 3, 64],
    stride: 2,
    padding: [
      [3, 3],
      [3, 3],
    ],
  },
  { name: "5x5 of one channel", input: [2, 9, 11, 1], filter: [5, 5, 1, 32], stride: 1 },
];

const attrs = ({ stride, padding = "SAME" }: Layer) => ({ strides: [stride, stride], padding }) as const;

/** Names by their tile: with the whole depth, and with each split of it. */
function groups(names: readonly string[]): Map<string, string[]> {
  const byTile = new Map<string, string[]>();
  for (const name of names) {
    const [tile] = name.split(", depth");
    byTile.set(tile, [...(byTile.get(tile) ?? []), name]);
  }
  return byTile;
}

/**
 * SwiftShader takes minutes to compile large blocks of sums beside loads of single values, and may die of it; llvmpipe takes
 * a second.
 */
const compiles = ({ adapter }: WebGpuDevice, { input }: Layer): boolean =>
  !/swiftshader/i.test(adapter) || input[3] % 4 === 0;

describe.each([true, false])(
  "products that share tiles in workgroup memory, rounding freely: %s",
  (roundsFreely) => {
    let device: WebGpuDevice | undefined;
    beforeAll(async () => {
      device = await openWebGpu({ limits: { hardware: true, roundsFreely } });
    });
    afterAll(async () => {
      await device?.close();
    });

    async function run(
      layer: Layer,
      images: number,
      { tile, change }: { tile?: string; change?: (x: Float32Array) => unknown } = {},
    ): Promise<Float32Array> {
      const input: Shape = [images, ...layer.input.slice(1)];
      const b = createGraph();
      const w = b.scope(layer.name, () => b.variable("w", layer.filter));
      b.endPoint("out", b.op("relu", {}, [b.op("conv2d", attrs(layer), [b.input("x", input), w])]));
      const source = {
        name: "test",
        shapeOf: () => layer.filter,
        read: async (v: string) => seededTensor(v, layer.filter, 1),
      };
      const session = await (device as WebGpuDevice).load(compile(b.finish(), ["out"]), source, {
        variant: "shared",
        tile,
        sentinels: true,
      });
      const all = seededTensor("x", [4, ...layer.input.slice(1)], 2);
      const x = all.slice(0, (all.length / 4) * images);
      change?.(x);
      const [out] = await session.run([x]);
      session.close();
      return out;
    }

    // Sums are of other levels for 1x1 windows and few channels alone.
    const chosen = layers.filter(
      ({ filter, input }) => roundsFreely || filter[0] === 1 || input[3] % 4 !== 0,
    );

    it.each(chosen)("give the same bits in every tile: $name", async (layer) => {
      if (!compiles(device as WebGpuDevice, layer)) {
        console.warn(`Not tried on SwiftShader: every tile of ${layer.name}.`);
        return;
      }
      const caps = (device as WebGpuDevice).caps;
      const names = sharedTiles(conv2d.infer([layer.input, layer.filter], attrs(layer)), caps);
      const truth = await run(layer, layer.input[0]);
      // Of every other tile (each is taken by several layers) the whole depth and its finest split.
      const byTile = [...groups(names).entries()].sort(([a], [b]) => a.localeCompare(b));
      const own = byTile.filter((_, n) => n % 2 === layers.indexOf(layer) % 2);
      const asked = own.flatMap(([, splits]) => {
        const sorted = splits.toSorted((a, b) => a.length - b.length || a.localeCompare(b));
        return [...new Set([sorted[0], sorted[sorted.length - 1]])];
      });
      expect(asked.length).toBeGreaterThan(5);
      for (const name of asked) expect(await run(layer, layer.input[0], { tile: name }), name).toEqual(truth);
    });

    // Filled places of the depth have weights of zero, by which infinity is no number.
    it.each(chosen)("give what a window does not hold no part in it: $name", async (layer) => {
      const g = conv2d.infer([layer.input, layer.filter], attrs(layer));
      const plain = await run(layer, 1);
      const holds = (out: number, stride: number, pad: number, kernel: number, at: number) =>
        at >= out * stride - pad && at < out * stride - pad + kernel;
      const y = Math.floor(g.inH / 2);
      // Two pixels side by side, so that windows by 2 end before one and begin behind the other.
      for (const x of [Math.floor(g.inW / 2), Math.floor(g.inW / 2) + 1]) {
        const pixel = (y * g.inW + x) * g.inC;
        const changed = await run(layer, 1, {
          change: (values) => values.fill(Number.POSITIVE_INFINITY, pixel, pixel + g.inC),
        });
        expect(changed).not.toEqual(plain);
        const touched = new Set<string>();
        for (const [i, value] of plain.entries()) {
          const place = Math.floor(i / g.outC);
          const [row, column] = [Math.floor(place / g.outW), place % g.outW];
          const held =
            holds(row, g.strideH, g.padTop, g.kernelH, y) &&
            holds(column, g.strideW, g.padLeft, g.kernelW, x);
          if (!held && !Object.is(value, changed[i])) touched.add(`row ${row}, column ${column}`);
        }
        expect([...touched], `by column ${x}`).toEqual([]);
      }
    });

    it.each(chosen)("give an image the same bits in every batch: $name", async (layer) => {
      const alone = await run(layer, 1);
      const four = await run(layer, 4);
      expect(four.slice(0, alone.length)).toEqual(alone);
    });
  },
);
