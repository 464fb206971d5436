/** Choosing a device, and saying why. */
import { DeviceError } from "../errors.ts";
import { openCpu } from "./cpu/device.ts";
import type { Device } from "./device.ts";

export type DeviceName = "auto" | "webgpu" | "cpu";
export const deviceNames: readonly DeviceName[] = ["auto", "webgpu", "cpu"];

/**
 * Opens the device called `name`. "auto" is WebGPU where there is an adapter and otherwise the CPU, which `notice` is
 * told with the reason.
 * @throws DeviceError when "webgpu" is asked for and there is no adapter.
 */
export async function openDevice(
  name: DeviceName,
  notice: (sentence: string) => void = () => {},
): Promise<Device> {
  if (name === "cpu") return openCpu();
  const { openWebGpu } = await import("./webgpu/device.ts");
  try {
    return await openWebGpu();
  } catch (error) {
    if (name === "webgpu" || !(error instanceof DeviceError)) throw error;
    notice(`${error.message} Using the CPU.`);
    return openCpu();
  }
}
