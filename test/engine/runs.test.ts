/** How inputs and steps go to a device: in pieces and in several submissions, of which results must show nothing. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/engine/compile.ts";
import { createGraph } from "../../src/engine/graph.ts";
import { submissionsOf } from "../../src/engine/webgpu/session.ts";
import type { WeightSource } from "../../src/engine/weights.ts";
import { seededTensor, seededUnits } from "../../src/seeded.ts";
import { sizeOf } from "../../src/tensor.ts";
import { describeOnDevices } from "../support/devices.ts";
import { openDevice } from "../support/node.ts";

const noWeights: WeightSource = {
  name: "no weights",
  shapeOf: () => undefined,
  read: async () => {
    throw new Error("there are none");
  },
};

describe("steps that are submitted together", () => {
  it.each([0, 1, 7, 8, 9, 24, 25, 71, 1000])(
    "are all %i steps, in their order and twice as many each time",
    (count) => {
      const submissions = submissionsOf(count);
      expect(submissions[0][0]).toBe(0);
      expect(submissions.at(-1)?.[1]).toBe(count);
      submissions.forEach(([first, end], i) => {
        if (i > 0) expect(first).toBe(submissions[i - 1][1]);
        if (i < submissions.length - 1) expect(end - first).toBe(8 * 2 ** i);
      });
    },
  );
});

describeOnDevices("a run", (device) => {
  it("takes a large input in pieces, whatever arrays it comes in", async () => {
    const shape = [5, 331, 331, 8];
    const b = createGraph();
    b.endPoint("out", b.op("relu", {}, [b.input("x", shape)]));
    const session = await device().load(compile(b.finish(), ["out"]), noWeights, { sentinels: true });
    const whole = seededUnits("a large input", sizeOf(shape)).map((v) => v - 0.5);
    const expected = whole.map((v) => Math.max(v, 0));
    const cuts = [0, 1, 1_000_003, 2_999_999, 3_000_000, whole.length];
    const odd = cuts.slice(1).map((end, i) => whole.subarray(cuts[i], end));
    for (const values of [whole, odd]) {
      const [out] = await session.run([values]);
      expect(Buffer.compare(Buffer.from(out.buffer), Buffer.from(expected.buffer))).toBe(0);
    }
    session.close();
  });

  it("goes through all steps, also while others are under way", async () => {
    const b = createGraph();
    let value = b.input("x", [1, 4, 4, 4]);
    const deep = 40;
    for (let i = 0; i < deep; i++) {
      value = b.scope(`layer${i}`, () =>
        b.op("conv2d", { strides: [1, 1], padding: "SAME" }, [value, b.variable("w", [1, 1, 4, 4])]),
      );
    }
    b.endPoint("out", value);
    const swap = [0, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0.5, 0];
    const session = await device().load(compile(b.finish(), ["out"]), {
      name: "swaps",
      shapeOf: () => [1, 1, 4, 4],
      read: async () => Float32Array.from(swap),
    });
    const inputs = [1, 2, 3, 4, 5].map((seed) => seededTensor("x", [1, 4, 4, 4], seed));
    // Each pair of layers doubles the first two channels, and halves the others.
    const power = 2 ** (deep / 2);
    const expected = inputs.map((input) => [...input].map((v, i) => (i % 4 < 2 ? v * power : v / power)));
    const found = await Promise.all(inputs.map((input) => session.run([input])));
    expect(found.map(([out]) => [...out])).toEqual(expected);
    for (const [i, input] of inputs.entries())
      expect([...(await session.run([input]))[0]]).toEqual(expected[i]);
    session.close();
  });
});

describe("a device that is closed", () => {
  it.each(["cpu", "webgpu"] as const)("takes no program any more: %s", async (name) => {
    const device = await openDevice(name).catch((error: unknown) => {
      if (name === "cpu") throw error;
      console.warn(`Not tested: ${error}`);
    });
    if (!device) return;
    const b = createGraph();
    b.endPoint("out", b.op("relu", {}, [b.input("x", [1, 2, 2, 4])]));
    const program = compile(b.finish(), ["out"]);
    const session = await device.load(program, noWeights);
    session.close();
    await device.close();
    await expect(device.load(program, noWeights)).rejects.toThrow("The device is closed.");
  });
});
