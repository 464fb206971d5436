/** Choosing a device, and saying why. */
import { DeviceError, UsageError } from "../errors.ts";
import { partOf } from "../parts.ts";
import type { Platform, Tuning } from "../platform/index.ts";
import type { Device } from "./device.ts";
import { openAdapter } from "./webgpu/adapter.ts";
import { playsGpu } from "./webgpu/software.ts";

export type DeviceName = "auto" | "webgpu" | "cpu";
export const deviceNames: readonly DeviceName[] = ["auto", "webgpu", "cpu"];

export interface DeviceWishes {
  /** Is told what the user should know of the choice. */
  readonly notice?: (sentence: string) => void;
  /** Is told why the device was chosen, as a clause for those who read of it later. */
  readonly chosen?: (why: string) => void;
  /** Threads of the CPU; one a core when left out. */
  readonly threads?: number;
  /** Under "auto": the device, as "backend adapter", that is taken where it is there. */
  readonly keepTo?: string;
  /** Whether weights are kept in half precision, which takes a WebGPU adapter that knows it. */
  readonly halfWeights?: boolean;
  /** What was measured on a WebGPU adapter of this name, if anything was. */
  readonly tuningOf?: (adapter: string) => Promise<Tuning | undefined>;
  /** The kind of adapter whose kernels a WebGPU adapter takes; its own when left out. For tests. */
  readonly kernelsOf?: KernelKind;
}

export type KernelKind = "hardware" | "software";
export const kernelKinds: readonly KernelKind[] = ["hardware", "software"];

/** What of a platform devices need. */
export type DevicePlatform = Pick<Platform, "gpu" | "threads" | "copy">;

/** A way to open devices on some platform. */
export type OpenDevice = (name: DeviceName, wishes?: DeviceWishes) => Promise<Device>;

/**
 * Opens the device called `name`. "auto" is decided by a rule: a hardware adapter where there is one, and else the CPU path.
 * Adapters in software (lavapipe, SwiftShader) compute on the same cores; which of the two is faster depends on the driver, the
 * network and the hour, and bits differ between them. One is taken when WebGPU is asked for, or where it is the one to keep
 * to, and under "auto" not even looked for where that can be had (Linux). `notice` and `chosen` are told.
 * @throws DeviceError when "webgpu" is asked for and there is no adapter; UsageError when half precision is asked of another
 * device.
 */
export async function openDevice(
  name: DeviceName,
  platform: DevicePlatform,
  {
    notice = () => {},
    chosen = () => {},
    threads,
    keepTo,
    halfWeights = false,
    kernelsOf,
    tuningOf,
  }: DeviceWishes = {},
): Promise<Device> {
  if (halfWeights && name !== "webgpu") {
    throw new UsageError(
      "Weights in half precision are for GPUs only.",
      "Add --device webgpu, or leave --precision f16 out.",
    );
  }
  // A page loads the device that it has, and not both.
  const cpu = async (why: string) => {
    const { openCpu } = await partOf(import("./cpu/device.ts"));
    chosen(why);
    return openCpu(platform, { threads });
  };
  const asked = `${name} was asked for`;
  if (name === "cpu") return cpu(asked);
  if (name === "auto" && keepTo?.startsWith("cpu ")) return cpu(begun);
  const limits = { halfWeights, ...(kernelsOf ? { hardware: kernelsOf === "hardware" } : {}) };
  const among = name === "webgpu" || (keepTo && playsGpu(keepTo)) ? "all" : "hardware";
  const opened = await openAdapter(platform.gpu, { halfWeights, among }).catch((error: unknown) => {
    if (name === "webgpu" || !(error instanceof DeviceError)) throw error;
    notice(`${error.message} Using the CPU.`);
    return error.message;
  });
  if (typeof opened === "string") return cpu(`auto: ${opened}`);
  const { deviceOf } = await partOf(import("./webgpu/device.ts"));
  const adapter = await deviceOf(opened, platform, { limits, tuningOf });
  const kept = keepTo === `webgpu ${adapter.adapter}`;
  if (name === "webgpu" || kept || !adapter.software) {
    chosen(name === "webgpu" ? asked : kept ? begun : "auto: a GPU comes first");
    return adapter;
  }
  await adapter.close();
  notice(
    `There is no GPU but ${adapter.adapter}, which is software on the same cores. Using the CPU path; --device webgpu takes the other.`,
  );
  return cpu(`auto: there is no GPU but ${adapter.adapter}, which is software on the same cores`);
}

const begun = "auto: the run was begun on it";
