/** Finding an adapter and opening a device. */
import { DeviceError } from "../../errors.ts";
import type { Caps, MatrixProducts } from "../../kernels/op.ts";
import type { AdapterWishes, Among, Gpu } from "../../platform/index.ts";
import { playsGpu } from "./software.ts";

export interface OpenAdapter {
  /** What it was found by. */
  readonly gpu: Gpu;
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

/** What is told where no adapter was found. */
const noAdapter = (among: Among) =>
  new DeviceError(
    among === "hardware"
      ? "No GPU was found on this machine; adapters in software are taken by --device webgpu alone."
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

/** The adapter's own name. Browsers keep it to themselves, and tell the maker and the family of its chips. */
const ownName = ({ description, device, vendor, architecture }: GPUAdapterInfo): string =>
  description || device || [vendor, architecture].filter(Boolean).join(" ") || "unknown adapter";

/**
 * Opens the system's preferred adapter with the limits it has.
 * @throws DeviceError when there is no adapter, it refuses a device, or does not know half precision where weights shall
 * be kept in it.
 */
export async function openAdapter(
  gpu: Gpu | undefined,
  { halfWeights = false, among = "all" }: Partial<AdapterWishes> = {},
): Promise<OpenAdapter> {
  let adapter = (await gpu?.adapter({ among, halfWeights })) as GPUAdapter | undefined;
  if (!gpu || !adapter) throw noAdapter(among);
  const { features, limits, info } = adapter;
  const own = ownName(info);
  const timestamps = features.has("timestamp-query");
  const subgroups = features.has("subgroups") && info.subgroupMinSize === info.subgroupMaxSize;
  const requiredFeatures: GPUFeatureName[] = [];
  if (timestamps) requiredFeatures.push("timestamp-query");
  if (subgroups) requiredFeatures.push("subgroups");
  if (halfWeights) {
    if (!features.has("shader-f16")) {
      throw new DeviceError(
        `The adapter ${own} does not know half precision (shader-f16).`,
        "Leave --precision f16 out.",
      );
    }
    requiredFeatures.push("shader-f16");
  }
  const multiplies = halfWeights && subgroups && multipliesMatrices(adapter);
  const matrices = multiplies ? (gpu.matrices as MatrixProducts | undefined) : undefined;
  if (matrices) requiredFeatures.push(matrixFeature as GPUFeatureName);
  let device: GPUDevice | undefined = await adapter
    .requestDevice({
      requiredLimits: Object.fromEntries(wantedLimits.map((name) => [name, limits[name]])),
      requiredFeatures,
    })
    .catch((cause: unknown) => {
      throw new DeviceError(`The adapter ${own} refuses a device: ${cause}`, undefined, {
        cause,
      });
    });
  // A device's name stands for the bits that it gives.
  const name = halfWeights ? `${own}, weights in half precision` : own;
  const software = playsGpu(`${name} ${info.device} ${info.architecture}`);
  const half = halfWeights ? "half precision" : "";
  const identity = [info.vendor, info.architecture, info.device, info.description, half]
    .filter(Boolean)
    .join(", ");
  return {
    gpu,
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
      adapter = undefined;
    },
  };
}
