/** Devices that fail as planned: the engine's own, with faults put between them and whoever uses them. */
import type { Device, Session } from "../../src/engine/device.ts";
import { DeviceError } from "../../src/errors.ts";
import type { Caps } from "../../src/kernels/op.ts";
import { openDevice, openWebGpu, type WebGpuDevice } from "./node.ts";

/** What goes wrong: a device that is really lost while it works, or what the engine would throw. */
export type FaultKind = "lost" | "memory" | "compile" | "gone" | "nan";

export interface Fault {
  readonly on: "open" | "load" | "run";
  readonly kind: FaultKind;
  /** Whether it strikes the `nth` such call (from 1 on, over all GPUs that were opened), with `images` in its batch. */
  readonly when: (nth: number, images: number) => boolean;
}

export interface FaultyDevices {
  readonly open: typeof openDevice;
  /** Faults that struck. */
  readonly struck: FaultKind[];
  /** Devices that are open now, and those that ever were. */
  readonly openNow: number;
  readonly opened: number;
}

const thrown: Readonly<Record<"memory" | "compile" | "gone", () => DeviceError>> = {
  memory: () => new DeviceError("The GPU is out of memory while working: a fault that was planned."),
  compile: () => new DeviceError("The kernel planned does not compile."),
  gone: () => new DeviceError("No WebGPU adapter was found on this machine.", "Use --device cpu."),
};

/** The first to the `last` such call. */
export const first = (last: number) => (nth: number) => nth <= last;
export const always = () => true;

/** A way to open devices on which `faults` strike. The CPU never fails. `limits` make every GPU a smaller one. */
export function faultyDevices(faults: readonly Fault[], limits: Partial<Caps> = {}): FaultyDevices {
  const calls = { open: 0, load: 0, run: 0 };
  const struck: FaultKind[] = [];
  let openNow = 0;
  let opened = 0;

  const strikes = (on: Fault["on"], images: number): FaultKind | undefined => {
    const nth = ++calls[on];
    const fault = faults.find((f) => f.on === on && f.when(nth, images));
    if (fault) struck.push(fault.kind);
    return fault?.kind;
  };

  /** Does `work` under a fault: before it, in its middle, or to its result. */
  async function under<T>(
    kind: FaultKind | undefined,
    device: WebGpuDevice,
    work: () => Promise<T>,
  ): Promise<T> {
    if (kind === undefined || kind === "nan") return work();
    if (kind !== "lost") throw thrown[kind]();
    const working = work();
    device.lose();
    return working;
  }

  /** Runs of any session that have not ended. */
  const underWay = new Set<Promise<unknown>>();

  const faultySession = (session: Session, device: WebGpuDevice, images: number): Session => ({
    ...session,
    async run(inputs) {
      const kind = strikes("run", images);
      // Runs overlap; a fault strikes its own and none before it, so that a plan says which results there are.
      if (kind !== undefined) await Promise.allSettled(underWay);
      const running = under(kind, device, () => session.run(inputs));
      underWay.add(running);
      const outputs = await running.finally(() => underWay.delete(running));
      if (kind === "nan") outputs[0][0] = Number.NaN;
      return outputs;
    },
  });

  async function openGpu(): Promise<Device> {
    const kind = strikes("open", 0);
    if (kind !== undefined && kind !== "lost" && kind !== "nan") throw thrown[kind]();
    const device = await openWebGpu({ limits });
    if (kind === "lost") device.lose();
    return {
      ...device,
      get weightBytes() {
        return device.weightBytes;
      },
      async load(program, weights, options) {
        const images = program.inputs[0].shape[0];
        const loading = strikes("load", images);
        const session = await under(loading, device, () => device.load(program, weights, options));
        return faultySession(session, device, images);
      },
    };
  }

  const counted = (device: Device): Device => {
    openNow++;
    opened++;
    let closed = false;
    return {
      ...device,
      get weightBytes() {
        return device.weightBytes;
      },
      async close() {
        if (!closed) openNow--;
        closed = true;
        await device.close();
      },
    };
  };

  return {
    struck,
    get openNow() {
      return openNow;
    },
    get opened() {
      return opened;
    },
    async open(name, wishes = {}) {
      if (name === "cpu") return counted(await openDevice("cpu", wishes));
      try {
        return counted(await openGpu());
      } catch (error) {
        if (name === "webgpu" || !(error instanceof DeviceError)) throw error;
        wishes.notice?.(`${error.message} Using the CPU.`);
        return counted(await openDevice("cpu", wishes));
      }
    },
  };
}
