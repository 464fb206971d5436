/** Choosing a device, and saying why. */
import { DeviceError, UsageError } from "../errors.ts";
import { openCpu } from "./cpu/device.ts";
import type { Device } from "./device.ts";

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
}

/**
 * Opens the device called `name`. "auto" is decided by a rule: a hardware adapter where there is one, and else the CPU path. An
 * adapter in software (lavapipe, SwiftShader) computes on the same cores; which of the two is faster depends on the driver, the
 * network and the hour, and bits differ between them. It is taken when it is asked for, or is the one to keep to.
 * @throws DeviceError when "webgpu" is asked for and there is no adapter; UsageError when half precision is asked of another
 * device.
 */
export async function openDevice(
  name: DeviceName,
  { notice = () => {}, chosen = () => {}, threads, keepTo, halfWeights = false }: DeviceWishes = {},
): Promise<Device> {
  if (halfWeights && name !== "webgpu") {
    throw new UsageError(
      "Weights in half precision are for GPUs only.",
      "Add --device webgpu, or leave --precision f16 out.",
    );
  }
  const cpu = (why: string) => {
    chosen(why);
    return openCpu({ threads });
  };
  const asked = `${name} was asked for`;
  if (name === "cpu") return cpu(asked);
  if (name === "auto" && keepTo?.startsWith("cpu ")) return cpu(begun);
  const { openWebGpu } = await import("./webgpu/device.ts");
  const adapter = await openWebGpu({ halfWeights }).catch((error: unknown) => {
    if (name === "webgpu" || !(error instanceof DeviceError)) throw error;
    notice(`${error.message} Using the CPU.`);
    return undefined;
  });
  if (!adapter) return cpu("auto: there is no GPU");
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
