/** The device of an analysis: the one that was given, or this thread. */
import { openCpu } from "../engine/cpu/device.ts";
import type { Device } from "../engine/device.ts";
import type { DevicePlatform } from "../engine/devices.ts";

/** What any platform has: the thread that calls. */
const thisThread: DevicePlatform = {
  threads: {
    count: () => 1,
    processor: () => "one thread",
    start() {
      throw new Error("there is one thread");
    },
    nextTurn: () => new Promise((resolve) => setTimeout(resolve, 0)),
  },
  copy: (from, to) => to.set(from),
};

/** Does `work` on `device`; where there is none, by the kernels of the CPU on this thread alone. */
export async function onDevice<T>(
  device: Device | undefined,
  work: (device: Device) => Promise<T>,
): Promise<T> {
  if (device) return work(device);
  const opened = openCpu(thisThread);
  try {
    return await work(opened);
  } finally {
    await opened.close();
  }
}
