/** What the CPU promises beyond what every device does: the same bits from any number of threads, scalars only, one memory. */
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { compile } from "../../src/engine/compile.ts";
import { createHeap } from "../../src/engine/cpu/heap.ts";
import { createGraph, type GraphBuilder, type Value, variablesOf } from "../../src/engine/graph.ts";
import { DeviceError } from "../../src/errors.ts";
import { opOf } from "../../src/kernels/index.ts";
import type { CpuKernel } from "../../src/kernels/op.ts";
import { buildNetwork, findModel, models } from "../../src/nets/index.ts";
import { seededUnits } from "../../src/seeded.ts";
import { func, i32, store } from "../../src/wasm/code.ts";
import { encodeModule } from "../../src/wasm/module.ts";
import { openCpu, openPool, seededWeights } from "../support/node.ts";
import { disassemble } from "../wasm/disassemble.ts";

const { caps } = openCpu();

describe("threads", () => {
  for (const [name, imageSize, endPoint] of [
    ["inception_v1", 96, "Mixed_5c"],
    ["mobilenet_v2_035", 96, "global_pool"],
    ["resnet_v2_50", 65, "global_pool"],
  ] as const) {
    it(`give ${name} the same bits, whether they are 1, 2, 5 or 16, at batch 1 and 7`, async () => {
      const model = findModel(name);
      const pixels = imageSize * imageSize * 3;
      const images = seededUnits("images", 7 * pixels);
      const graph = (batch: number) => buildNetwork(model, batch, { imageSize, globalPool: true });
      const source = await seededWeights(name, variablesOf(graph(1)));
      const features = async (threads: number): Promise<Record<1 | 7, Float32Array>> => {
        const device = openCpu({ threads, sharesFor: threads });
        const run = async (batch: number) => {
          const session = await device.load(compile(graph(batch), [endPoint]), source);
          const [result] = await session.run([images.slice(0, batch * pixels)]);
          return result;
        };
        const results = { 7: await run(7), 1: await run(1) };
        await device.close();
        return results;
      };
      const alone = await features(1);
      expect(Math.max(...alone[7])).toBeGreaterThan(0.01);
      expect(alone[1]).toEqual(alone[7].slice(0, alone[1].length));
      for (const threads of [2, 5, 16]) expect(await features(threads)).toEqual(alone);
    });
  }

  it("do not keep a process alive", () => {
    const script = `
      import { openCpu } from "./test/support/node.ts";
      import { compile } from "./src/engine/compile.ts";
      import { createGraph } from "./src/engine/graph.ts";
      const b = createGraph();
      b.endPoint("out", b.op("relu", {}, [b.input("x", [4])]));
      const session = await openCpu({ threads: 3 }).load(compile(b.finish(), ["out"]), { name: "none" });
      console.log(String((await session.run([Float32Array.of(-1, 2, -3, 4)]))[0]));`;
    const command = ["--import", "tsx", "--input-type=module", "--eval", script];
    const out = execFileSync(process.execPath, command, { encoding: "utf8", timeout: 60_000 });
    expect(out.trim()).toBe("0,2,0,4");
  });

  it("end a run with an error when one of them fails", async () => {
    const pool = openPool(createHeap(), 3);
    const trap = func("trap", 3, () => [{ run: 0x00 }]); // unreachable
    const session = pool.open([{ code: trap, params: 0, tasks: 8, scratchBytes: 0, after: [] }]);
    await pool.ready();
    await expect(pool.alone(() => session.run())).rejects.toThrow(/unreachable|a thread of the CPU failed/);
    expect(() => pool.alone(() => session.run())).toThrow(DeviceError);
    await pool.close();
  });

  it("do each task once, and wait for each other between steps", async () => {
    const heap = createHeap();
    const pool = openPool(heap, 4);
    const [from, to] = [heap.take(4000, "a"), heap.take(4000, "b")];
    const write = func("write", 3, ([params, task]) => [
      store({ type: "i32", code: [params.code, task.code, i32(4).code, 0x6c, 0x6a] }, task),
    ]);
    let sum = 0;
    const session = pool.open([
      { code: write, params: from.address, tasks: 1000, scratchBytes: 0, after: [] },
      {
        after: [0],
        alone() {
          sum = heap.words(from).reduce((a, b) => a + b, 0);
        },
      },
      { code: write, params: to.address, tasks: 1000, scratchBytes: 0, after: [1] },
    ]);
    await pool.ready();
    for (let i = 0; i < 20; i++) {
      heap.words(from).fill(0);
      await pool.alone(() => session.run());
      expect(sum).toBe(499_500);
      expect(heap.words(to)[999]).toBe(999);
    }
    await pool.close();
  });
});

describe("kernels", () => {
  it("of all networks hold scalar instructions only", () => {
    const codes = new Set<CpuKernel["code"]>();
    for (const model of models) {
      const graph = buildNetwork(model, 1);
      for (const step of compile(graph, [...graph.endPoints.keys()]).steps) {
        for (const variant of opOf(step.op).cpu)
          if (variant.fits(step.geometry, caps))
            codes.add(variant.build(step.geometry, step.epilogue, caps).code);
      }
    }
    expect(codes.size).toBeGreaterThan(10);
    for (const code of codes) expect(disassemble(encodeModule([code])).length).toBeGreaterThan(0);
  });

  it("leave no step of a network to the reference loops, which only the main thread runs", () => {
    for (const model of models) {
      const graph = buildNetwork(model, 1);
      const { steps } = compile(graph, [...graph.endPoints.keys()]);
      const without = steps.filter((s) => !opOf(s.op).cpu.some((v) => v.fits(s.geometry, caps)));
      expect(without.map((s) => `${model.name}: ${s.op}`)).toEqual([]);
    }
  });

  const computed = async (build: (b: GraphBuilder, x: Value) => Value, values: number[], channels = 1) => {
    const b = createGraph();
    b.endPoint("out", build(b, b.input("x", [1, 1, values.length / channels, channels])));
    const device = openCpu({ threads: 1 });
    const session = await device.load(compile(b.finish(), ["out"]), {
      name: "none",
      shapeOf: () => undefined,
      read: async () => new Float32Array(0),
    });
    const [out] = await session.run([Float32Array.from(values)]);
    await device.close();
    return [...out];
  };
  const negativeNaN = new Float32Array(Uint32Array.of(0xffc00000).buffer)[0];
  const values = [Number.NaN, negativeNaN, -1, 7, 3, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0];

  it("keep what is not a number, and cut the rest", async () => {
    const { POSITIVE_INFINITY: inf, NaN: nan } = Number;
    expect(await computed((b, x) => b.op("relu", {}, [x]), values)).toEqual([nan, nan, 0, 7, 3, inf, 0, 0]);
    expect(await computed((b, x) => b.op("relu6", {}, [x]), values)).toEqual([nan, nan, 0, 6, 3, 6, 0, 0]);
  });

  it("share out by softmax what is no number as the reference loop does", async () => {
    const { POSITIVE_INFINITY: inf, NaN: nan } = Number;
    const shared = async (row: number[]) => computed((b, x) => b.op("softmax", {}, [x]), row, row.length);
    expect(await shared([0, -inf, 0])).toEqual([0.5, 0, 0.5]);
    expect(await shared([1000, 0, -1e30])).toEqual([1, 0, 0]);
    expect(await shared([0, nan, 1])).toEqual([nan, nan, nan]);
    expect(await shared([inf, 0, 1])).toEqual([nan, nan, nan]);
    expect(await shared([-inf, -inf])).toEqual([nan, nan]);
  });

  it("take the largest of any numbers, and what is not a number above all", async () => {
    const pool = (b: GraphBuilder, x: Value) =>
      b.op("max_pool", { ksize: [1, 2], strides: [1, 1], padding: "VALID" }, [x]);
    for (let i = 0; i < values.length; i++) {
      for (let k = 0; k < values.length; k++)
        expect(await computed(pool, [values[i], values[k]]), `${values[i]}, ${values[k]}`).toEqual([
          Math.max(values[i], values[k]),
        ]);
    }
  });
});

describe("the heap", () => {
  it("gives freed memory again, and joins neighbours", () => {
    const heap = createHeap();
    const blocks = [1000, 2000, 3000].map((n) => heap.take(n, "test"));
    for (const b of blocks) expect(b.address % 64).toBe(0);
    const bytes = heap.memory.buffer.byteLength;
    heap.give(blocks[0]);
    heap.give(blocks[2]);
    heap.give(blocks[1]);
    expect(heap.take(6000, "test").address).toBe(blocks[0].address);
    expect(heap.memory.buffer.byteLength).toBe(bytes);
  });

  it("refuses what 32-bit addresses do not reach, before anything is computed", async () => {
    const b = createGraph();
    const x = b.input("x", [40, 4096, 4096, 1]);
    b.endPoint("out", b.op("add", {}, [x, b.op("relu", {}, [x])]));
    const loading = openCpu({ threads: 1 }).load(compile(b.finish(), ["out"]), {
      name: "none",
      shapeOf: () => undefined,
      read: async () => new Float32Array(0),
    });
    await expect(loading).rejects.toThrowErrorMatchingInlineSnapshot(
      `[DeviceError: The network does not fit into the 4.00 GiB that the CPU path can address: 2.50 GiB are taken, the layers' outputs takes 2.50 GiB more.]`,
    );
  });
});
