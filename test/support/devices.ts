/** Every device that the tests run on. Without a WebGPU adapter they fail; nothing is skipped. */
import { afterAll, beforeAll, describe } from "vitest";
import type { Device } from "../../src/engine/device.ts";
import { openDevice } from "../../src/engine/devices.ts";

/** Describes the same promises for WebGPU and for the CPU; `device()` gives the open one inside tests. */
export function describeOnDevices(
  name: string,
  body: (device: () => Device, backend: "webgpu" | "cpu") => void,
): void {
  describe.each(["webgpu", "cpu"] as const)(`${name} (%s)`, (backend) => {
    let device: Device | undefined;
    beforeAll(async () => {
      device = await openDevice(backend);
    });
    afterAll(async () => {
      await device?.close();
      device = undefined;
    });
    body(() => {
      if (!device) throw new Error("the device did not open");
      return device;
    }, backend);
  });
}
