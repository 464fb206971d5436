/** WebGPU in a process of Node: Dawn. The only file that imports `webgpu`. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { matrixProducts } from "../engine/webgpu/matrices.ts";
import { DeviceError } from "../errors.ts";
import type { Gpu } from "../platform/index.ts";
import { mayHaveGpu, withoutSoftwareDrivers } from "./drivers.ts";
import { waitFor } from "./wait.ts";

/** Timestamps to the nanosecond. */
const exactClock = "disable-dawn-features=timestamp_quantization";

/** Dawn holds half precision back on NVIDIA, and small matrices everywhere, unless it is asked by name. */
const halfToggles = "enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia";

/**
 * Dawn's entries, one for each choice of adapters and features in the whole process and never dropped: work that is pending when a device is destroyed (a
 * mapping, a kernel that still compiles) is looked after through them, and the process crashes where they were collected.
 */
const entries = new Map<string, GPU>();

const notInstalled =
  "The package webgpu, through which a GPU computes several times as fast, is not installed (npm install webgpu).";

/** Whether it is the package itself that is not there, and not something that it wants. */
const isMissing = (cause: unknown): boolean =>
  (cause as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND" &&
  /Cannot find package '?webgpu\b/.test((cause as Error).message);

export const nodeGpu: Gpu = {
  async adapter({ among, halfWeights }) {
    if (among === "hardware" && !mayHaveGpu()) return undefined;
    const { create, globals } = await import("webgpu").catch((cause: unknown) => {
      // An optional package, which not everybody wants to have for its size.
      if (isMissing(cause))
        throw new DeviceError(notInstalled, "Install it, or use --device cpu.", { cause });
      throw new DeviceError(
        "The WebGPU library does not load on this machine.",
        "Its prebuilt binaries cover Linux, macOS and Windows on x64 and arm64; use --device cpu elsewhere.",
        { cause },
      );
    });
    Object.assign(globalThis, globals);
    const toggles = halfWeights ? [exactClock, halfToggles] : [exactClock];
    const kind = [among, ...toggles].join();
    const gpu = entries.get(kind) ?? create(toggles);
    entries.set(kind, gpu);
    // The drivers are loaded in this call, before it gives its promise.
    const ask = () => gpu.requestAdapter({ powerPreference: "high-performance" });
    return (await (among === "hardware" ? withoutSoftwareDrivers(ask) : ask())) ?? undefined;
  },
  waitFor,
  matrices: matrixProducts,
  nextTurn: () => nextTurn(),
};
