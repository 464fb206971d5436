/** Layers that read the same value and become one step on chips of their own. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile } from "../../src/engine/compile.ts";
import { createGraph } from "../../src/engine/graph.ts";
import { joinSiblings } from "../../src/engine/join-siblings.ts";
import { outputsOf } from "../../src/engine/program.ts";
import type { WindowAttrs, WindowGeometry } from "../../src/kernels/geometry.ts";
import { sharedTiles } from "../../src/kernels/shared-plan.ts";
import { buildNetwork, findModel } from "../../src/nets/index.ts";
import { seededTensor } from "../../src/seeded.ts";
import type { Shape } from "../../src/tensor.ts";
import { openWebGpu, type WebGpuDevice } from "../support/node.ts";

const channels = { first: 36, second: 8, third: 100 } as const;
const activations = { first: "relu", second: undefined, third: "relu6" } as const;
type Name = keyof typeof channels;
const names = Object.keys(channels) as Name[];
const input: Shape = [2, 5, 7, 80];

/** Three layers on one value; two of them are parts of a concat, with what comes of the other between them. */
function siblings(wanted: readonly string[]) {
  const b = createGraph();
  const x = b.input("x", input);
  const conv = (name: string, from: number, filter: Shape, activation?: "relu" | "relu6") => {
    const made = b.scope(name, () =>
      b.op("bias_add", {}, [
        b.op("conv2d", { strides: [1, 1], padding: "SAME" }, [from, b.variable("w", filter)]),
        b.variable("b", [filter[3]]),
      ]),
    );
    const value = activation ? b.op(activation, {}, [made]) : made;
    b.endPoint(name, value);
    return value;
  };
  const own = Object.fromEntries(
    names.map((name) => [name, conv(name, x, [1, 1, 80, channels[name]], activations[name])]),
  );
  const after = conv("after", own.second, [3, 3, 8, 16], "relu");
  b.endPoint("joint", b.op("concat", { axis: 3 }, [own.first, after, own.third]));
  return compile(b.finish(), wanted);
}

const shapeOf = (variable: string): Shape => {
  const [name, kind] = variable.split("/");
  if (name === "after") return kind === "w" ? [3, 3, 8, 16] : [16];
  const outC = channels[name as Name];
  return kind === "w" ? [1, 1, 80, outC] : [outC];
};
const source = {
  name: "test",
  shapeOf,
  read: async (variable: string) => seededTensor(variable, shapeOf(variable), 1),
};

describe("layers that read the same value", () => {
  it("become one step, and each value of theirs is written as before", () => {
    const before = compile(buildNetwork(findModel("inception_v1"), 1), ["Logits"]);
    const after = joinSiblings(before);
    const written = (steps: typeof before.steps) => new Set(steps.flatMap(outputsOf));
    expect(written(after.steps)).toEqual(written(before.steps));
    // In each of nine blocks three branches begin with a 1x1 window on the block's input.
    expect(before.steps.length - after.steps.length).toBe(18);
    expect(after.steps.filter((s) => s.others).map((s) => s.epilogue.parts?.length)).toEqual(
      Array(9).fill(3),
    );
    expect(after.steps.reduce((sum, s) => sum + s.cost.macs, 0)).toBe(
      before.steps.reduce((sum, s) => sum + s.cost.macs, 0),
    );
  });

  it("stay one step when they are looked at again", () => {
    const once = joinSiblings(compile(buildNetwork(findModel("inception_v1"), 1), ["Logits"]));
    expect(joinSiblings(once)).toEqual(once);
  });

  type Alone = readonly [filter: Shape, attrs?: Partial<WindowAttrs>];
  const plain: Alone = [[1, 1, 16, 16]];
  it.each<readonly [what: string, other: Alone]>([
    ["stride", [[1, 1, 16, 16], { strides: [2, 2] }]],
    ["window", [[3, 3, 16, 16]]],
    ["channels that are no whole vectors", [[1, 1, 16, 15]]],
    [
      "padding",
      [
        [1, 1, 16, 16],
        {
          padding: [
            [1, 0],
            [1, 0],
          ],
        },
      ],
    ],
    ["dilation", [[1, 1, 16, 16], { dilations: [2, 2] }]],
  ])("stay alone where they differ in their %s", (_, other) => {
    const b = createGraph();
    const x = b.input("x", [1, 8, 8, 16]);
    [plain, other].forEach(([filter, attrs], i) => {
      const w = b.scope(`layer${i}`, () => b.variable("w", filter));
      b.endPoint(`${i}`, b.op("conv2d", { strides: [1, 1], padding: "VALID", ...attrs }, [x, w]));
    });
    const program = compile(b.finish(), ["0", "1"]);
    expect(joinSiblings(program).steps).toEqual(program.steps);
  });

  it("stay alone where one of them adds a residual, or reads the value in another shape", () => {
    const b = createGraph();
    const x = b.input("x", [1, 8, 8, 16]);
    const conv = (name: string, from: number, inC: number) =>
      b.scope(name, () =>
        b.op("conv2d", { strides: [1, 1], padding: "SAME" }, [from, b.variable("w", [1, 1, inC, 16])]),
      );
    b.endPoint("0", conv("plain", x, 16));
    b.endPoint("1", b.op("add", {}, [x, conv("residual", x, 16)]));
    b.endPoint("2", conv("reshaped", b.reshape(x, [4, 8, 8, 4]), 4));
    const program = compile(b.finish(), ["0", "1", "2"]);
    expect(joinSiblings(program).steps).toEqual(program.steps);
  });

  it("stay alone where no kernel is to be had for all of them", () => {
    const program = siblings(names);
    expect(joinSiblings(program).steps).toHaveLength(1);
    expect(joinSiblings(program, () => false)).toEqual(program);
  });
});

describe("layers that became one step", () => {
  let device: WebGpuDevice | undefined;
  beforeAll(async () => {
    device = await openWebGpu({ limits: { hardware: true } });
  });
  afterAll(async () => {
    await device?.close();
  });

  async function run(wanted: readonly string[], tile?: string): Promise<Float32Array[]> {
    const options = { variant: "shared", tile, sentinels: true };
    const session = await (device as WebGpuDevice).load(siblings(wanted), source, options);
    const outputs = await session.run([seededTensor("x", input, 2)]);
    session.close();
    return outputs;
  }

  it("give the bits that each gives alone, with the depth whole and divided", async () => {
    const all = [...names, "after"];
    const alone = (await Promise.all(all.map((name) => run([name])))).map(([values]) => values);
    expect(await run(all)).toEqual(alone);
    const [step] = joinSiblings(siblings(all)).steps;
    // How sums are stored is the same text in all; test/kernels/shared.test.ts goes through them.
    const tiles = sharedTiles(step.geometry as WindowGeometry, (device as WebGpuDevice).caps);
    const whole = tiles.filter((tile) => !tile.includes("depth in"));
    const divided = tiles.filter((tile) => tile.includes("depth in"));
    const some = [...whole.slice(0, 3), ...divided.slice(0, 2)];
    expect(some).toHaveLength(5);
    for (const tile of some) expect(await run(names, tile), tile).toEqual(alone.slice(0, 3));
  });

  it("write into a joint value what is its part", async () => {
    const [first, third, after] = (
      await Promise.all(["first", "third", "after"].map((n) => run([n])))
    ).flat();
    const [joint] = await run(["joint"]);
    const width = 36 + 16 + 100;
    for (let row = 0; row < 2 * 5 * 7; row++) {
      const own = [first.subarray(36 * row, 36 * (row + 1)), after.subarray(16 * row, 16 * (row + 1))];
      const expected = [...own, third.subarray(100 * row, 100 * (row + 1))].flatMap((part) => [...part]);
      expect([...joint.subarray(width * row, width * (row + 1))]).toEqual(expected);
    }
  });
});
