/** Kernels by measurement: what is kept fits the layers, and a device that goes by it gives the bits it promises. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile } from "../../src/engine/compile.ts";
import type { Device } from "../../src/engine/device.ts";
import { createGraph } from "../../src/engine/graph.ts";
import type { Program } from "../../src/engine/program.ts";
import { tune } from "../../src/engine/tune.ts";
import { algorithmKey, layerKey, tuningMark } from "../../src/engine/tuning.ts";
import { opOf } from "../../src/kernels/index.ts";
import type { Tuning } from "../../src/platform/index.ts";
import { seededTensor } from "../../src/seeded.ts";
import { openWebGpu, type WebGpuDevice } from "../support/node.ts";

const filter = [1, 1, 48, 32] as const;

function programOf(batch: number): Program {
  const b = createGraph();
  const x = b.input("x", [batch, 5, 5, 48]);
  b.endPoint("out", b.op("conv2d", { strides: [1, 1], padding: "SAME" }, [x, b.variable("w", filter)]));
  return compile(b.finish(), ["out"]);
}

async function run(device: Device, batch: number): Promise<Float32Array> {
  const source = { name: "test", shapeOf: () => filter, read: async () => seededTensor("w", filter, 1) };
  const session = await device.load(programOf(batch), source);
  const [out] = await session.run([seededTensor("x", [batch, 5, 5, 48], 2)]);
  session.close();
  return out;
}

describe("tuning", () => {
  let device: WebGpuDevice | undefined;
  let tuning: Tuning;
  const opened = () => device as WebGpuDevice;
  beforeAll(async () => {
    device = await openWebGpu({ limits: { hardware: true } });
    const known: Tuning = { adapter: device.identity, variants: {}, tiles: {} };
    tuning = await tune(device, programOf, known, { batches: [1, 3] });
  });
  afterAll(async () => {
    await device?.close();
  });

  it("keeps a tile that the layer has, for each batch", () => {
    for (const batch of [1, 3]) {
      const [step] = programOf(batch).steps;
      const shared = opOf("conv2d").gpu.find((v) => v.name === "shared");
      expect(shared?.tiles?.(step.geometry, opened().caps)).toContain(tuning.tiles[layerKey(step)]);
    }
  });

  it("keeps the algorithm without the batch, so that an image's bits do not depend on it", () => {
    expect(algorithmKey(programOf(1).steps[0])).toBe(algorithmKey(programOf(3).steps[0]));
    expect(layerKey(programOf(1).steps[0])).not.toBe(layerKey(programOf(3).steps[0]));
  });

  it("keeps a tile of its own for a layer that is added to another value", () => {
    const [step] = programOf(1).steps;
    const added = { ...step, epilogue: { ...step.epilogue, residual: true } };
    expect(layerKey(added)).not.toBe(layerKey(step));
    expect(algorithmKey(added)).toBe(algorithmKey(step));
  });

  it("stands in the device's name by what decides bits, and changes none by tiles", async () => {
    const plain = await run(opened(), 3);
    const asked: string[] = [];
    const tuned = await openWebGpu({
      limits: { hardware: true },
      tuningOf: async (adapter) => {
        asked.push(adapter);
        return tuning;
      },
    });
    try {
      expect(asked).toEqual([opened().identity]);
      expect(tuned.adapter).toBe(`${opened().adapter}${await tuningMark(tuning)}`);
      expect(await tuningMark({ ...tuning, variants: {} })).toBe("");
      const other = { ...tuning, variants: { any: "direct" } };
      expect(await tuningMark(other)).toMatch(/^, tuned [0-9a-f]{8}$/);
      expect(await tuningMark({ ...other, tiles: {} })).toBe(await tuningMark(other));
      expect(await run(tuned, 3)).toEqual(plain);
    } finally {
      await tuned.close();
    }
  });

  it("stops where it is asked to, with what was measured", async () => {
    const controller = new AbortController();
    controller.abort();
    const known: Tuning = { adapter: "any", variants: { kept: "direct" }, tiles: {} };
    const stopped = await tune(opened(), programOf, known, { batches: [1], signal: controller.signal });
    expect(stopped).toEqual(known);
  });
});
