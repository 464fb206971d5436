/** A GPU that fails: what is computed then, by what, and what is told. The faults are put before a real device. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { DeviceError, ExitCode, OtherSettingsError } from "../../src/errors.ts";
import { extract } from "../../src/extract/extract.ts";
import { ownRooms } from "../../src/extract/rooms.ts";
import type { Caps } from "../../src/kernels/op.ts";
import type { Network } from "../../src/network/network.ts";
import { seededTensor, seededUnits } from "../../src/seeded.ts";
import { type FeatureRow, readFeatures } from "../../src/tables/readers/index.ts";
import { always, type Fault, faultyDevices, first } from "../support/faulty-devices.ts";
import { requestFor, temporaryFolder } from "../support/features.ts";
import { openNetwork, openWebGpu } from "../support/node.ts";

const count = 5;
const pixels = seededTensor("images", [count, 28, 28, 1]);
const images = Array.from({ length: count }, (_, i) => pixels.subarray(i * 28 * 28, (i + 1) * 28 * 28));
const layers = ["conv1", "features"];

interface Tried {
  readonly outputs: Float32Array[];
  readonly device: string;
  readonly notices: readonly string[];
  readonly struck: readonly string[];
  readonly opened: number;
}

/** Opens lenet on devices that fail as planned and does `work`; every device must be closed in the end. */
async function on<T>(
  device: "auto" | "webgpu" | "cpu",
  faults: readonly Fault[],
  work: (network: Network) => Promise<T>,
  limits: Partial<Caps> = {},
) {
  const devices = faultyDevices(faults, limits);
  const notices: string[] = [];
  const notice = (sentence: string) => void notices.push(sentence);
  try {
    const network = await openNetwork({
      model: "lenet",
      layers,
      weights: "seeded",
      device,
      notice,
      openDevice: devices.open,
    });
    try {
      return { ...(await work(network)), notices, struck: devices.struck, opened: devices.opened };
    } finally {
      await network.close();
    }
  } finally {
    expect(devices.openNow, "devices left open").toBe(0);
  }
}

const run = (device: "auto" | "webgpu" | "cpu", faults: readonly Fault[] = [], limits: Partial<Caps> = {}) =>
  on(device, faults, (network) => network.run(images), limits);

let gpu: Tried;
let cpu: Tried;
beforeAll(async () => {
  [gpu, cpu] = [await run("webgpu"), await run("cpu")];
});

describe("a GPU that fails now and then", () => {
  it.each<[string, Fault, RegExp]>([
    [
      "is lost in the middle of a run",
      { on: "run", kind: "lost", when: first(1) },
      /device was lost \(destroyed\).*Trying again on a new device\.$/,
    ],
    [
      "is lost while weights are loaded",
      { on: "load", kind: "lost", when: first(1) },
      /device was lost.*Trying again on a new device\.$/,
    ],
    [
      "is lost as it is opened",
      { on: "open", kind: "lost", when: first(1) },
      /device was lost.*Trying again on a new device\.$/,
    ],
    [
      "runs out of memory once",
      { on: "run", kind: "memory", when: first(1) },
      /out of memory.*Trying again on a new device\.$/,
    ],
    [
      "does not compile a kernel once",
      { on: "load", kind: "compile", when: first(1) },
      /does not compile.*Trying again on a new device\.$/,
    ],
  ])("gives the same bits on a new device, and says so, when it %s", async (_name, fault, said) => {
    for (const device of ["auto", "webgpu"] as const) {
      const tried = await run(device, [fault]);
      expect(tried.struck).toEqual([fault.kind]);
      expect(tried.outputs).toEqual(gpu.outputs);
      expect(tried.device).toBe(gpu.device);
      expect(tried.notices).toHaveLength(1);
      expect(tried.notices[0]).toMatch(said);
      expect(tried.opened).toBe(2);
    }
  });

  it("takes smaller batches when it fails again, with the same bits", async () => {
    const large: Fault = { on: "run", kind: "lost", when: (_nth, images) => images > 2 };
    const tried = await run("webgpu", [large]);
    expect(tried.outputs).toEqual(gpu.outputs);
    expect(tried.notices.map((n) => n.replace(/.*Trying/, "Trying"))).toEqual([
      "Trying again on a new device.",
      "Trying again on a new device, with 3 images at once.",
      "Trying again on a new device, with 2 images at once.",
    ]);
  });

  it("gives every one of several runs at the same time its bits", async () => {
    const fault: Fault = { on: "run", kind: "memory", when: (nth) => nth === 2 };
    const tried = await on("webgpu", [fault], async (network) => {
      const sizes = [1, 2, 3];
      const runs = await Promise.all(sizes.map((n) => network.run(images.slice(0, n))));
      return { runs };
    });
    expect(tried.struck).toEqual(["memory"]);
    for (const { outputs } of tried.runs) {
      for (const [k, values] of outputs.entries())
        expect(values).toEqual(gpu.outputs[k].slice(0, values.length));
    }
  });
});

describe("the batches that are loaded", () => {
  /** The engine's own WebGPU under another name for what it is, with the batches that are loaded. */
  async function on(software: boolean, work: (network: Network) => Promise<void>, batchFor?: () => number) {
    const loaded: number[] = [];
    const network = await openNetwork({
      ...{ model: "lenet", layers, weights: "seeded", device: "webgpu", batchFor },
      async openDevice() {
        const device = await openWebGpu();
        return {
          ...device,
          software,
          load(program, weights, options) {
            loaded.push(program.inputs[0].shape[0]);
            return device.load(program, weights, options);
          },
        };
      },
    });
    await work(network).finally(() => network.close());
    return loaded;
  }

  it("are first the one that will be computed most, and for the last images on a GPU no other: same bits", async () => {
    const sizes = [5, 3, 1];
    const work = async (network: Network) => {
      for (const size of sizes) {
        const { outputs } = await network.run(images.slice(0, size));
        expect(outputs).toEqual(gpu.outputs.map((values) => values.slice(0, (values.length / count) * size)));
      }
    };
    expect(await on(false, work, () => 5)).toEqual([5, 1]);
    expect(await on(true, work, () => 5)).toEqual([5, 3, 1]);
    expect(await on(true, work)).toEqual([1, 5, 3]);
  });
});

describe("a GPU that fails for good", () => {
  const faults: readonly (readonly [string, Fault[], RegExp])[] = [
    ["is lost in every run", [{ on: "run", kind: "lost", when: always }], /device was lost/],
    ["has no memory for the weights", [{ on: "load", kind: "memory", when: always }], /out of memory/],
    ["has no memory to run", [{ on: "run", kind: "memory", when: always }], /out of memory/],
    ["compiles no kernel", [{ on: "load", kind: "compile", when: always }], /does not compile/],
    [
      "is not there at the start",
      [{ on: "open", kind: "gone", when: always }],
      /No WebGPU adapter was found/,
    ],
    [
      "vanishes after a fault",
      [
        { on: "run", kind: "lost", when: first(1) },
        { on: "open", kind: "gone", when: (nth) => nth > 1 },
      ],
      /No WebGPU adapter was found/,
    ],
  ];

  it.each(faults)(
    "leaves the work to the CPU under auto, and says so, when it %s",
    async (_name, plan, said) => {
      const tried = await run("auto", plan);
      expect(tried.outputs).toEqual(cpu.outputs);
      expect(tried.device).toBe(cpu.device);
      expect(tried.notices.at(-1)).toMatch(said);
      expect(tried.notices.at(-1)).toMatch(/Using the CPU|Going on on the CPU/);
    },
  );

  it.each(faults)(
    "ends with a clear error when WebGPU was asked for and it %s",
    async (_name, plan, said) => {
      const error = await run("webgpu", plan).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(DeviceError);
      expect((error as DeviceError).message).toMatch(said);
      expect((error as DeviceError).hint).toMatch(/`device: "(auto|cpu)"`/);
      expect((error as DeviceError).exitCode).toBe(ExitCode.device);
    },
  );
});

describe("a GPU whose limits are smaller than needed", () => {
  // lenet's largest value for one image is conv1's, [28, 28, 32] floats. Three of it are enough for every filter as the
  // kernels want it: with less, others would be chosen, whose last bits differ.
  const oneImage = 4 * 28 * 28 * 32;

  it("divides batches, and says so, with the same bits", async () => {
    const limits = { maxBindingBytes: 3 * oneImage };
    const tried = await on(
      "webgpu",
      [],
      async (network) => ({ ...(await network.run(images)), largest: network.largestBatch }),
      limits,
    );
    expect(tried.largest).toBe(3);
    expect(tried.outputs).toEqual(gpu.outputs);
    expect(tried.notices).toEqual([
      "The device's limits allow batches of 3, not of 5; larger ones are divided.",
    ]);
  });

  it("leaves to the CPU under auto what not even one image allows, and is an error under webgpu", async () => {
    const tried = await run("auto", [], { maxBindingBytes: oneImage - 1 });
    expect(tried.outputs).toEqual(cpu.outputs);
    expect(tried.notices.at(-1)).toMatch(/Going on on the CPU/);
    await expect(run("webgpu", [], { maxBindingBytes: oneImage - 1 })).rejects.toThrow(DeviceError);
  });
});

describe("a run whose GPU fails in the middle", () => {
  let folder = "";
  const names = Array.from({ length: 12 }, (_, i) => `${String(i).padStart(2, "0")}.png`);

  beforeAll(async () => {
    folder = temporaryFolder();
    mkdirSync(join(folder, "in"));
    for (const name of names) {
      const data = Uint8Array.from(seededUnits(name, 28 * 28), (u) => 127.5 * (u + 1));
      const raw = { width: 28, height: 28, channels: 1 } as const;
      writeFileSync(join(folder, "in", name), await sharp(data, { raw }).png().toBuffer());
    }
  });

  async function features(out: string, device: "auto" | "webgpu" | "cpu", faults: readonly Fault[] = []) {
    const devices = faultyDevices(faults);
    const notices: string[] = [];
    const request = requestFor(join(folder, "in"), {
      model: "lenet",
      device,
      out: join(folder, out),
      format: "npy",
      batchSize: 4,
    });
    const report = await extract(
      request,
      {
        ...ownRooms,
        openNetwork: (options) => openNetwork({ ...options, openDevice: devices.open }),
      },
      { notice: (sentence) => void notices.push(sentence) },
    );
    const rows: FeatureRow[] = [];
    for await (const row of readFeatures(join(folder, out))) rows.push(row);
    const manifest = readFileSync(`${join(folder, out)}.manifest.jsonl`, "utf8")
      .trimEnd()
      .split("\n");
    return { report, rows, notices, manifest: manifest.map((line) => JSON.parse(line)) };
  }

  const dying: readonly Fault[] = [{ on: "run", kind: "lost", when: (nth) => nth > 1 }];

  it("goes on on the CPU under auto; manifest and metadata say which rows are whose", async () => {
    const [byGpu, byCpu] = [await features("gpu.npy", "webgpu"), await features("cpu.npy", "cpu")];
    const { rows, manifest, notices, report } = await features("mixed.npy", "auto", dying);
    const [{ metadata }] = report.files;
    expect(notices.at(-1)).toMatch(/Going on on the CPU.*the manifest tells which rows are whose/);
    expect(rows).toHaveLength(12);
    for (const [i, row] of rows.entries()) {
      expect(manifest[i].device, row.path).toBe(i < 4 ? undefined : cpu.device);
      expect(row).toEqual(i < 4 ? byGpu.rows[i] : byCpu.rows[i]);
    }
    expect(`${metadata.backend} ${metadata.adapter}`).toBe(gpu.device);
    expect(metadata.otherDevices).toEqual({ [cpu.device]: 8 });
    expect(byGpu.report.files[0].metadata.otherDevices).toBeUndefined();
  });

  it("computes the CPU's rows again when WebGPU is asked for by name, and refuses the CPU by name", async () => {
    await expect(features("mixed.npy", "cpu")).rejects.toThrow(OtherSettingsError);
    await expect(features("mixed.npy", "cpu")).rejects.toThrow(/device: it was webgpu .*, now it is cpu/);
    const again = await features("mixed.npy", "webgpu");
    expect(again.report.computed).toBe(8);
    expect(again.rows).toEqual((await features("gpu.npy", "webgpu")).rows);
    expect(again.manifest.some((r) => r.device !== undefined)).toBe(false);
    expect(again.report.files[0].metadata.otherDevices).toBeUndefined();
  });

  it("keeps what it computed when WebGPU was asked for by name, and goes on from there", async () => {
    await expect(features("named.npy", "webgpu", dying)).rejects.toThrow(/trying again did not help/);
    const again = await features("named.npy", "webgpu");
    expect(again.report).toMatchObject({ computed: 8, known: 4 });
    expect(again.rows).toEqual((await features("gpu.npy", "webgpu")).rows);
  });

  it("goes on on the CPU under auto when there is no adapter any more, and says so", async () => {
    rmSync(join(folder, "late.npy.run"), { recursive: true, force: true });
    await expect(features("late.npy", "webgpu", dying)).rejects.toThrow(DeviceError);
    const gone: Fault = { on: "open", kind: "gone", when: always };
    const { report, notices, manifest } = await features("late.npy", "auto", [gone]);
    expect(report).toMatchObject({ computed: 8, known: 4 });
    expect(notices.join("\n")).toMatch(/was begun on webgpu .* and goes on on cpu/);
    expect(manifest.map((r) => r.device)).toEqual(names.map((_, i) => (i < 4 ? undefined : cpu.device)));
  });
});
