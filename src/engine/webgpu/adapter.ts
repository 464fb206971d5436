/** Finding an adapter and opening a device. The only file that imports `webgpu` (Dawn). */
import { DeviceError } from "../../errors.ts";
import type { Caps } from "../../kernels/op.ts";
import { mayHaveGpu, playsGpu, withoutSoftwareDrivers } from "./hardware.ts";

export interface OpenAdapter {
  readonly device: GPUDevice;
  readonly name: string;
  /** Whether it is a processor that plays a GPU (lavapipe, SwiftShader). */
  readonly software: boolean;
  readonly caps: Caps;
  readonly timestamps: boolean;
  /** Destroys the device and drops the references to it: Dawn may hang or crash at exit otherwise (node-webgpu#18). */
  close(): void;
}

/** Which adapters are looked for: all, or only those that are no software; then, nothing is printed by others. */
export type Among = "all" | "hardware";

/**
 * Dawn's entries, one a choice for the whole process and never dropped: work that is pending when a device is destroyed (a
 * mapping, a kernel that still compiles) is looked after through them, and the process crashes where they were collected.
 */
const entries = new Map<Among, GPU>();

const noAdapter = (among: Among) =>
  new DeviceError(
    among === "hardware"
      ? "No GPU was found on this machine."
      : "No WebGPU adapter was found on this machine.",
    "Install a Vulkan, Metal or D3D12 driver, or use --device cpu.",
  );

/** Limits that a kernel or a large weight may want as far as the adapter goes. */
const wantedLimits = [
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupStorageSize",
  "maxStorageBuffersPerShaderStage",
] as const;

/**
 * Opens the system's preferred adapter with the limits it has.
 * @throws DeviceError when there is no adapter, it refuses a device, or does not know half precision where weights shall
 * be kept in it.
 */
export async function openAdapter(halfWeights = false, among: Among = "all"): Promise<OpenAdapter> {
  if (among === "hardware" && !mayHaveGpu()) throw noAdapter(among);
  const { create, globals } = await import("webgpu").catch((cause: unknown) => {
    throw new DeviceError(
      "The WebGPU library does not load on this machine.",
      "Its prebuilt binaries cover Linux, macOS and Windows on x64 and arm64; use --device cpu elsewhere.",
      { cause },
    );
  });
  Object.assign(globalThis, globals); // GPUBufferUsage and its like, which browsers have as globals.
  const gpu = entries.get(among) ?? create(["disable-dawn-features=timestamp_quantization"]);
  entries.set(among, gpu);
  // The drivers are loaded in this call, before it gives its promise.
  const ask = () => gpu.requestAdapter({ powerPreference: "high-performance" });
  let adapter = await (among === "hardware" ? withoutSoftwareDrivers(ask) : ask());
  if (!adapter) throw noAdapter(among);
  const { features, limits, info } = adapter;
  const timestamps = features.has("timestamp-query");
  const subgroups = features.has("subgroups") && info.subgroupMinSize === info.subgroupMaxSize;
  const requiredFeatures: GPUFeatureName[] = [];
  if (timestamps) requiredFeatures.push("timestamp-query");
  if (subgroups) requiredFeatures.push("subgroups");
  if (halfWeights) {
    if (!features.has("shader-f16")) {
      throw new DeviceError(
        `The adapter ${info.description} does not know half precision (shader-f16).`,
        "Leave --precision f16 out.",
      );
    }
    requiredFeatures.push("shader-f16");
  }
  let device: GPUDevice | undefined = await adapter
    .requestDevice({
      requiredLimits: Object.fromEntries(wantedLimits.map((name) => [name, limits[name]])),
      requiredFeatures,
    })
    .catch((cause: unknown) => {
      throw new DeviceError(`The adapter ${info.description} refuses a device: ${cause}`, undefined, {
        cause,
      });
    });
  const own = info.description || info.device || info.vendor || "unknown adapter";
  // A device's name stands for the bits that it gives.
  const name = halfWeights ? `${own}, weights in half precision` : own;
  return {
    device,
    name,
    software: playsGpu(`${name} ${info.device} ${info.architecture}`),
    caps: {
      maxBindingBytes: Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize),
      maxWorkgroupSize: device.limits.maxComputeInvocationsPerWorkgroup,
      maxWorkgroupsPerDimension: device.limits.maxComputeWorkgroupsPerDimension,
      roundsFreely: true,
      halfWeights,
      subgroupSize: subgroups ? (info.subgroupMinSize ?? 0) : 0,
    },
    timestamps,
    close() {
      device?.destroy();
      device = undefined;
      adapter = null;
    },
  };
}
