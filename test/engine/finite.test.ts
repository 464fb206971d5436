/** The layer that makes the first number that is none. */
import { expect, it } from "vitest";
import { compile } from "../../src/engine/compile.ts";
import { firstNotFinite, notFinite } from "../../src/engine/finite.ts";
import { createGraph } from "../../src/engine/graph.ts";
import type { WeightSource } from "../../src/engine/weights.ts";
import { seededTensor } from "../../src/seeded.ts";
import { describeOnDevices } from "../support/devices.ts";

/** Three branches that are joined, and a layer after them. */
function branches() {
  const b = createGraph();
  const x = b.input("x", [1, 6, 6, 4]);
  const conv = (from: number, name: string, inputs: number) =>
    b.scope(name, () =>
      b.op("conv2d", { strides: [1, 1], padding: "SAME" }, [from, b.variable("w", [3, 3, inputs, 8])]),
    );
  const joint = b.op(
    "concat",
    { axis: 3 },
    ["first", "second", "third"].map((name) => conv(x, name, 4)),
  );
  b.endPoint("out", conv(joint, "after", 24));
  return compile(b.finish(), ["out"]);
}

const shapeOf = (name: string) => [3, 3, name === "after/w" ? 24 : 4, 8];
const weights = (huge: string): WeightSource => ({
  name: "weights",
  shapeOf,
  read: async (name) => seededTensor(name, shapeOf(name)).map((v) => (name === `${huge}/w` ? v * 3e38 : v)),
});

describeOnDevices("a result that is no number", (device) => {
  it.each(["first", "second", "third", "after"])("is laid to the layer that made it: %s", async (layer) => {
    const program = branches();
    const source = weights(layer);
    const input = seededTensor("x", [1, 6, 6, 4]).map((v) => 100 * v);
    const session = await device().load(program, source);
    expect(notFinite((await session.run([input]))[0])).toMatch(/^(NaN|infinity) at \d+ of its 288 values/);
    const culprit = await firstNotFinite(device(), program, source, [input]);
    expect(culprit?.step.scope).toBe(layer);
    session.close();
    expect(await firstNotFinite(device(), program, weights("none"), [input])).toBeUndefined();
  });
});
