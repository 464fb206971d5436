/** Choosing a device, and saying why. */
import { DeviceError, UsageError } from "../errors.ts";
import { openCpu } from "./cpu/device.ts";
import type { Device } from "./device.ts";
import { probe } from "./probe.ts";
import type { Program } from "./program.ts";
import type { Tuning } from "./tuning.ts";
import { playsGpu } from "./webgpu/hardware.ts";

export type DeviceName = "auto" | "webgpu" | "cpu";
export const deviceNames: readonly DeviceName[] = ["auto", "webgpu", "cpu"];

export interface DeviceWishes {
  /** Is told what was chosen and why. */
  readonly notice?: (sentence: string) => void;
  /** Threads of the CPU; one a core when left out. */
  readonly threads?: number;
  /** What will run, for the choice between the CPU and an adapter that is the CPU too. */
  readonly program?: Program;
  /** Under "auto": the device, as "backend adapter", that is taken without a trial where it is there. */
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

/**
 * Opens the device called `name`. "auto" is a hardware adapter where there is one. Drivers in software (lavapipe, SwiftShader)
 * compute on the same cores as the CPU path, and are not looked for where that can be had (Linux), unless a run was begun on
 * one. Where one turns up nevertheless, it is taken only when it is faster at the heaviest step of the program, and without
 * a program it is not. `notice` is told the choice.
 * @throws DeviceError when "webgpu" is asked for and there is no adapter; UsageError when half precision is asked of another
 * device.
 */
export async function openDevice(
  name: DeviceName,
  {
    notice = () => {},
    threads,
    program,
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
  if (name === "cpu" || (name === "auto" && keepTo?.startsWith("cpu "))) return openCpu({ threads });
  const { openWebGpu } = await import("./webgpu/device.ts");
  const limits = { halfWeights, ...(kernelsOf ? { hardware: kernelsOf === "hardware" } : {}) };
  const among = name === "webgpu" || (keepTo && playsGpu(keepTo)) ? "all" : "hardware";
  const adapter = await openWebGpu({ limits, among, tuningOf }).catch((error: unknown) => {
    if (name === "webgpu" || !(error instanceof DeviceError)) throw error;
    notice(`${error.message} Using the CPU.`);
    return undefined;
  });
  if (!adapter) return openCpu({ threads });
  if (name === "webgpu" || !adapter.software || keepTo === `webgpu ${adapter.adapter}`) return adapter;

  const cpu = openCpu({ threads });
  const isSoftware = `The adapter ${adapter.adapter} is software on the same cores`;
  if (!program?.steps.some((step) => step.cost.macs > 0)) {
    notice(`${isSoftware}. Using the CPU.`);
    await adapter.close();
    return cpu;
  }
  const [byAdapter, byCpu] = [await probe(adapter, program), await probe(cpu, program)];
  const figures = `${byAdapter.toFixed(2)} ms for the heaviest layer, and the CPU path needs ${byCpu.toFixed(2)} ms`;
  const [chosen, left] = byAdapter < byCpu ? [adapter, cpu] : [cpu, adapter];
  notice(`${isSoftware}: it needs ${figures}. Using ${chosen === cpu ? "the CPU" : "the adapter"}.`);
  await left.close();
  return chosen;
}
