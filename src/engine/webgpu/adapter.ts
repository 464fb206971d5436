/** Finding an adapter and opening a device. The only file that imports `webgpu` (Dawn). */
import { DeviceError } from "../../errors.ts";
import type { Caps } from "../../kernels/op.ts";
import { mayHaveGpu, playsGpu, withoutSoftwareDrivers } from "./hardware.ts";

export interface OpenAdapter {
  readonly device: GPUDevice;
  readonly name: string;
  /** The name with all that the adapter tells of its chip and driver. */
  readonly identity: string;
  /** Whether it is a processor that plays a GPU (lavapipe, SwiftShader). */
  readonly software: boolean;
  readonly caps: Caps;
  readonly timestamps: boolean;
  /** Destroys the device and drops the references to it: Dawn may hang or crash at exit otherwise (node-webgpu#18). */
  close(): void;
}

/** Timestamps to the nanosecond. */
const exactClock = "disable-dawn-features=timestamp_quantization";

/** Dawn holds half precision back on NVIDIA, and small matrices everywhere, unless it is asked by name. */
const halfToggles = "enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia";

/** Which adapters are looked for: all, or only those that are no software; then, nothing is printed by others. */
export type Among = "all" | "hardware";

/**
 * Dawn's entries, one for each choice of adapters and features in the whole process and never dropped: work that is pending when a device is destroyed (a
 * mapping, a kernel that still compiles) is looked after through them, and the process crashes where they were collected.
 */
const entries = new Map<string, GPU>();

const noAdapter = (among: Among) =>
  new DeviceError(
    among === "hardware"
      ? "No GPU was found on this machine; adapters in software are taken by --device webgpu alone."
      : "No WebGPU adapter was found on this machine.",
    "Install a Vulkan, Metal or D3D12 driver, or use --device cpu.",
  );

const notInstalled =
  "The package webgpu, through which a GPU computes several times as fast, is not installed (npm install webgpu).";

/** Whether it is the package itself that is not there, and not something that it wants. */
const isMissing = (cause: unknown): boolean =>
  (cause as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND" &&
  /Cannot find package '?webgpu\b/.test((cause as Error).message);

/** Limits that a kernel or a large weight may want as far as the adapter goes. */
const wantedLimits = [
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupStorageSize",
  "maxStorageBuffersPerShaderStage",
] as const;

const matrixFeature = "chromium-experimental-subgroup-matrix";

/** What the adapter tells of its units for small matrices; not in the standard yet. */
interface MatrixInfo {
  readonly subgroupMatrixConfigs?: Iterable<{
    readonly componentType: string;
    readonly resultComponentType: string;
    readonly M: number;
    readonly N: number;
    readonly K: number;
  }>;
}

/** Whether subgroups multiply matrices of 16x16x16 in half precision and sum them in float32. */
function multipliesMatrices({ features, info }: GPUAdapter): boolean {
  if (!features.has(matrixFeature)) return false;
  return [...((info as MatrixInfo).subgroupMatrixConfigs ?? [])].some(
    ({ componentType, resultComponentType, M, N, K }) =>
      componentType === "f16" && resultComponentType === "f32" && M === 16 && N === 16 && K === 16,
  );
}

/**
 * Opens the system's preferred adapter with the limits it has.
 * @throws DeviceError when there is no adapter, it refuses a device, or does not know half precision where weights shall
 * be kept in it.
 */
export async function openAdapter(halfWeights = false, among: Among = "all"): Promise<OpenAdapter> {
  if (among === "hardware" && !mayHaveGpu()) throw noAdapter(among);
  const { create, globals } = await import("webgpu").catch((cause: unknown) => {
    // An optional package, which not everybody wants to have for its size.
    if (isMissing(cause)) throw new DeviceError(notInstalled, "Install it, or use --device cpu.", { cause });
    throw new DeviceError(
      "The WebGPU library does not load on this machine.",
      "Its prebuilt binaries cover Linux, macOS and Windows on x64 and arm64; use --device cpu elsewhere.",
      { cause },
    );
  });
  Object.assign(globalThis, globals); // GPUBufferUsage and its like, which browsers have as globals.
  const toggles = halfWeights ? [exactClock, halfToggles] : [exactClock];
  const kind = [among, ...toggles].join();
  const gpu = entries.get(kind) ?? create(toggles);
  entries.set(kind, gpu);
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
  const matrices = halfWeights && subgroups && multipliesMatrices(adapter);
  if (matrices) requiredFeatures.push(matrixFeature as GPUFeatureName);
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
  const software = playsGpu(`${name} ${info.device} ${info.architecture}`);
  const half = halfWeights ? "half precision" : "";
  const identity = [info.vendor, info.architecture, info.device, info.description, half]
    .filter(Boolean)
    .join(", ");
  return {
    device,
    name,
    identity,
    software,
    caps: {
      maxBindingBytes: Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize),
      maxWorkgroupSize: device.limits.maxComputeInvocationsPerWorkgroup,
      maxWorkgroupsPerDimension: device.limits.maxComputeWorkgroupsPerDimension,
      roundsFreely: true,
      halfWeights,
      hardware: !software,
      matrices,
      workgroupBytes: device.limits.maxComputeWorkgroupStorageSize,
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
