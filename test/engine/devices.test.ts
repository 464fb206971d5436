/** What every device promises: the same bits at every place of a batch, shared weights, errors that are errors. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { compile } from "../../src/engine/compile.ts";
import { createGraph, variablesOf } from "../../src/engine/graph.ts";
import { createMapping } from "../../src/engine/webgpu/mapping.ts";
import { createPipelines } from "../../src/engine/webgpu/pipelines.ts";
import type { WeightSource } from "../../src/engine/weights.ts";
import { CheckpointError, DeviceError } from "../../src/errors.ts";
import { buildNetwork, findModel } from "../../src/nets/index.ts";
import { seededTensor } from "../../src/seeded.ts";
import { describeOnDevices } from "../support/devices.ts";
import { createGuard, openAdapter, openDevice, openWebGpu, seededWeights } from "../support/node.ts";

const model = findModel("inception_v1");
const pixels = 224 * 224 * 3;
const image = (i: number) => seededTensor(`image ${i}`, [pixels]);

function small(batch: number) {
  const b = createGraph();
  const x = b.input("x", [batch, 4, 4, 3]);
  b.endPoint("out", b.op("conv2d", { strides: [1, 1], padding: "SAME" }, [x, b.variable("w", [3, 3, 3, 8])]));
  return compile(b.finish(), ["out"]);
}

const smallWeights: WeightSource = {
  name: "small.ckpt",
  shapeOf: (name) => (name === "w" ? [3, 3, 3, 8] : undefined),
  read: async (name) => seededTensor(name, [3, 3, 3, 8]),
};

describeOnDevices("a device", (device) => {
  it("gives an image the same bits whatever the batch and its place", async () => {
    const source = await seededWeights(model.name, variablesOf(buildNetwork(model, 1)));
    const features = async (images: number[]) => {
      const program = compile(buildNetwork(model, images.length), [model.featureEndPoint]);
      const session = await device().load(program, source);
      const input = new Float32Array(images.length * pixels);
      images.forEach((i, k) => void input.set(image(i), k * pixels));
      const [result] = await session.run([input]);
      session.close();
      return images.map((_, k) => result.slice(k * 1024, (k + 1) * 1024));
    };
    const [alone] = await features([7]);
    const [, second] = await features([3, 7]);
    const [first, , , fourth] = await features([7, 1, 2, 7, 5]);
    for (const other of [second, first, fourth]) expect(other).toEqual(alone);
    expect(Math.max(...alone)).toBeGreaterThan(0.1);
  });

  it("runs a session many times with the same result", async () => {
    const session = await device().load(small(2), smallWeights);
    const input = seededTensor("input", [2 * 4 * 4 * 3]);
    const [once] = await session.run([input]);
    for (let i = 0; i < 5; i++) expect((await session.run([input]))[0]).toEqual(once);
    session.close();
  });

  it("shares the weights of sessions of different batch sizes", async () => {
    const one = await device().load(small(1), smallWeights);
    const bytes = device().weightBytes;
    const two = await device().load(small(2), smallWeights);
    expect(device().weightBytes).toBe(bytes);
    one.close();
    expect(device().weightBytes).toBe(bytes);
    two.close();
    expect(device().weightBytes).toBeLessThan(bytes);
  });

  it("keeps two sources of the same names apart", async () => {
    const doubled: WeightSource = {
      ...smallWeights,
      read: async (name) => (await smallWeights.read(name)).map((v) => 2 * v),
    };
    const input = seededTensor("input", [48]);
    const sessions = [await device().load(small(1), smallWeights), await device().load(small(1), doubled)];
    const [[once], [twice]] = [await sessions[0].run([input]), await sessions[1].run([input])];
    expect(twice).toEqual(once.map((v) => 2 * v));
    for (const session of sessions) session.close();
  });

  it("times every step", async () => {
    const session = await device().load(small(1), smallWeights);
    const timings = await session.time([seededTensor("input", [48])]);
    expect(timings.map((t) => t.step.op)).toEqual(["conv2d"]);
    expect(timings[0].milliseconds).toBeGreaterThanOrEqual(0);
    session.close();
  });

  it("reports all missing and mis-shaped variables at once", async () => {
    const graph = buildNetwork(model, 1);
    const program = compile(graph, ["MaxPool_2a_3x3"]);
    const source: WeightSource = {
      name: "wrong.ckpt",
      shapeOf: (name) => (name.endsWith("weights") ? [1, 2] : undefined),
      read: async () => new Float32Array(0),
    };
    const loading = device().load(program, source);
    await expect(loading).rejects.toThrow(CheckpointError);
    await expect(loading).rejects.toThrowErrorMatchingInlineSnapshot(`
      [CheckpointError: wrong.ckpt does not fit the network: 4 of 4 variables.
        InceptionV1/Conv2d_1a_7x7/weights is 1x2, the network wants 7x7x3x64
        InceptionV1/Conv2d_1a_7x7/BatchNorm/moving_mean is missing (the network wants 64)
        InceptionV1/Conv2d_1a_7x7/BatchNorm/moving_variance is missing (the network wants 64)
        InceptionV1/Conv2d_1a_7x7/BatchNorm/beta is missing (the network wants 64)]
    `);
  });
});

describe("the choice of a device", () => {
  it("is a rule, not a race: a hardware adapter, or else the CPU, again and again, and is said", async () => {
    const gpu = await openWebGpu({ among: "hardware" }).catch((error: DeviceError) => error.message);
    if (typeof gpu !== "string") await gpu.close();
    const choices = new Set<string>();
    for (let i = 0; i < 4; i++) {
      const said: string[] = [];
      const why: string[] = [];
      const device = await openDevice("auto", {
        notice: (s) => void said.push(s),
        chosen: (s) => void why.push(s),
        threads: 1 + (i % 2),
      });
      choices.add(JSON.stringify([device.backend, ...said, ...why]));
      await device.close();
    }
    const other = (name: string) =>
      `There is no GPU but ${name}, which is software on the same cores. Using the CPU path; --device webgpu takes the other.`;
    expect([...choices].map((c) => JSON.parse(c))).toEqual([
      typeof gpu === "string"
        ? ["cpu", `${gpu} Using the CPU.`, `auto: ${gpu}`]
        : gpu.software
          ? ["cpu", other(gpu.adapter), expect.stringContaining(`no GPU but ${gpu.adapter}`)]
          : ["webgpu", "auto: a GPU comes first"],
    ]);
  });

  it("keeps to the device that is named", async () => {
    const adapter = await openWebGpu();
    const label = `webgpu ${adapter.adapter}`;
    await adapter.close();
    for (const keepTo of [label, "cpu some processor"]) {
      const said: string[] = [];
      const why: string[] = [];
      const device = await openDevice("auto", {
        notice: (s) => void said.push(s),
        chosen: (s) => void why.push(s),
        keepTo,
      });
      expect([device.backend, ...said, ...why]).toEqual([
        keepTo.split(" ")[0],
        "auto: the run was begun on it",
      ]);
      await device.close();
    }
  });

  it("is said where it was asked for, too", async () => {
    for (const name of ["cpu", "webgpu"] as const) {
      const why: string[] = [];
      await (await openDevice(name, { chosen: (s) => void why.push(s) })).close();
      expect(why).toEqual([`${name} was asked for`]);
    }
  });
});

describe("the buffers of a WebGPU session", () => {
  it("go round: runs at once each get the bits of their own input, and memory does not grow with their number", async () => {
    const device = await openWebGpu();
    const session = await device.load(small(2), smallWeights);
    const inputs = Array.from({ length: 12 }, (_, i) => seededTensor(`input ${i}`, [2 * 48]));
    const together = await Promise.all(inputs.map((input) => session.run([input])));
    const bytes = session.stagingBytes;
    for (const [i, input] of inputs.entries()) {
      await expect(session.run([input.subarray(1)])).rejects.toThrow(/input x: 95 values/);
      expect(await session.run([input])).toEqual(together[i]);
    }
    await Promise.all([...inputs, ...inputs].map((input) => session.run([input])));
    expect(session.stagingBytes).toBe(bytes);
    session.close();
    await device.close();
  });
});

const mapped = (gpu: GPUDevice, size: number) =>
  gpu.createBuffer({ size, usage: GPUBufferUsage.STORAGE, mappedAtCreation: true });

const plain = (gpu: GPUDevice) =>
  gpu.createBuffer({ size: gpu.limits.maxBufferSize, usage: GPUBufferUsage.STORAGE });

/** Two collections, with turns between them for what they set free. */
async function collectGarbage(): Promise<void> {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  for (let i = 0; i < 2; i++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe("WebGPU faults", () => {
  it("end a run with an error when the device is lost", async () => {
    const device = await openWebGpu();
    const session = await device.load(small(1), smallWeights);
    device.lose();
    await expect(session.run([new Float32Array(48)])).rejects.toThrow(DeviceError);
    await device.close();
  });

  it("say that a layer is too large for the adapter, and what to do", async () => {
    const device = await openWebGpu({ limits: { maxBindingBytes: 1024 } });
    const loading = device.load(small(64), smallWeights);
    await expect(loading).rejects.toThrow(/output takes 1 MiB/);
    await expect(loading).rejects.toHaveProperty("hint", 'Use a smaller `batchSize`, or `device: "cpu"`.');
    await device.close();
  });

  it.each([
    ["a buffer larger than any memory", (gpu: GPUDevice) => [mapped(gpu, 2 ** 40)]],
    ["buffers that are too many", (gpu: GPUDevice) => Array.from({ length: 64 }, () => plain(gpu))],
  ])("say that memory ran out, and what to do: %s", async (_name, allocate) => {
    const adapter = await openAdapter();
    const made: GPUBuffer[] = [];
    const doing = createGuard(adapter.device).guarded("asking for too much", () => {
      made.push(...allocate(adapter.device));
    });
    await expect(doing).rejects.toThrow(DeviceError);
    await expect(doing).rejects.toThrow(/^The GPU is out of memory while asking for too much/);
    await expect(doing).rejects.toHaveProperty("hint", 'Use a smaller `batchSize`, or `device: "cpu"`.');
    for (const buffer of made) buffer.destroy();
    adapter.close();
  });

  it("do not hide a mistake of ours", async () => {
    const adapter = await openAdapter();
    const doing = createGuard(adapter.device).guarded("working", () => {
      throw new TypeError("a mistake");
    });
    await expect(doing).rejects.toThrow(TypeError);
    adapter.close();
  });

  it("do not end the process when devices are destroyed at work and collected afterwards", async () => {
    for (let i = 0; i < 4; i++) {
      const device = await openWebGpu();
      const session = await device.load(small(64), smallWeights);
      const running = session.run([new Float32Array(64 * 48)]);
      device.lose();
      await expect(running).rejects.toThrow(DeviceError);
      session.close();
      await device.close();
      await collectGarbage();
    }
  });

  it("are destroyed when they have been mapped, not before: the process would end now and then", async () => {
    const { device, close } = await openAdapter();
    const mapping = createMapping();
    const size = 2 ** 18;
    for (let i = 0; i < 20; i++) {
      const mapped = Array.from({ length: 20 }, () => {
        const usage = GPUBufferUsage.MAP_WRITE | GPUBufferUsage.COPY_SRC;
        const [from, to] = [usage, GPUBufferUsage.COPY_DST].map((usage) =>
          device.createBuffer({ size, usage }),
        );
        const encoder = device.createCommandEncoder();
        for (let n = 0; n < 10; n++) encoder.copyBufferToBuffer(from, 0, to, 0, size);
        device.queue.submit([encoder.finish()]);
        const waiting = mapping.map(from, GPUMapMode.WRITE);
        mapping.destroy(from);
        return waiting.then(() => from);
      });
      await collectGarbage();
      const buffers = await Promise.all(mapped);
      await Promise.resolve();
      expect(new Set(buffers.map(({ mapState }) => mapState))).toEqual(new Set(["unmapped"]));
    }
    close();
  });

  it("end every run with an error when the session is closed under them, and none hangs", async () => {
    const device = await openWebGpu();
    const session = await device.load(small(64), smallWeights);
    const running = Array.from({ length: 6 }, () => session.run([new Float32Array(64 * 48)]));
    session.close();
    for (const run of await Promise.allSettled(running)) {
      expect(run).toMatchObject({ status: "rejected", reason: expect.any(DeviceError) });
    }
    const again = await device.load(small(64), smallWeights);
    expect(await again.run([new Float32Array(64 * 48)])).toHaveLength(1);
    again.close();
    await device.close();
  });

  it("show the numbered source of a kernel that does not compile", async () => {
    const adapter = await openAdapter();
    const made = createPipelines(adapter.device, createGuard(adapter.device)).get(
      "broken",
      "fn main() {\n  let x = y;\n}",
      { reads: [], writes: 1 },
    );
    await expect(made).rejects.toThrow(/The kernel broken does not compile[\s\S]*2 {3}let x = y;/);
    adapter.close();
  });
});
