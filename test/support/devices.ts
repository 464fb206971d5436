/** Every device that the tests run on. Without a WebGPU adapter they fail; nothing is skipped. */
import { afterAll, beforeAll, describe } from "vitest";
import type { Device } from "../../src/engine/device.ts";
import { openDevice, openWebGpu } from "./node.ts";

const openers = {
  webgpu: () => openDevice("webgpu"),
  /** An adapter in software that chooses kernels as a chip of its own does, and the other way round. */
  "webgpu, the other kind of adapter": async () => {
    const own = await openWebGpu();
    await own.close();
    return openDevice("webgpu", { kernelsOf: own.caps.hardware ? "software" : "hardware" });
  },
  cpu: () => openDevice("cpu"),
} as const;

/**
 * Describes the same promises for WebGPU and for the CPU; `device()` gives the open one inside tests. With `everyKernel`,
 * also for the kernels of the other kind of adapter.
 */
export function describeOnDevices(
  name: string,
  body: (device: () => Device, backend: "webgpu" | "cpu") => void,
  { everyKernel = false } = {},
): void {
  const kinds = (Object.keys(openers) as (keyof typeof openers)[]).filter(
    (k) => everyKernel || !k.includes(","),
  );
  describe.each(kinds)(`${name} (%s)`, (kind) => {
    const backend = kind === "cpu" ? "cpu" : "webgpu";
    let device: Device | undefined;
    beforeAll(async () => {
      device = await openers[kind]();
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
