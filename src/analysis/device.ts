/** The device of an analysis: the one that was given, or the CPU for as long as the work takes. */
import type { Device } from "../engine/device.ts";
import { openDevice } from "../engine/devices.ts";

/** Multiply-adds that are done sooner than threads are started. */
export const littleWork = 2e7;

/** Does `work` on `device`; where there is none, on the CPU, on one thread where `macs` is little. */
export async function onDevice<T>(
  device: Device | undefined,
  macs: number,
  work: (device: Device) => Promise<T>,
): Promise<T> {
  if (device) return work(device);
  const opened = await openDevice("cpu", macs <= littleWork ? { threads: 1 } : {});
  try {
    return await work(opened);
  } finally {
    await opened.close();
  }
}
