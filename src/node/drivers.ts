/**
 * Whether there is a GPU, asked of the system and not of its drivers: Dawn and the Vulkan loader print warnings of their own
 * on stderr where there is none, or where a driver in software stands beside, and neither can be told not to.
 */
import { readdirSync } from "node:fs";

/** Device files of GPUs under Linux: those of the kernel's own drivers, of NVIDIA's, of WSL, and of systems on a chip. */
const devices = /^(renderD\d+|nvidia\d+|nvhost-gpu|nvgpu|dxg|kgsl-3d\d+|mali\d+|pvrsrvkm)$/;

const namesIn = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

/** Whether this machine may have a GPU that Vulkan could use; always where that cannot be told from device files. */
export function mayHaveGpu(platform: string = process.platform, dev = "/dev"): boolean {
  return (
    platform !== "linux" || [dev, `${dev}/dri`].some((at) => namesIn(at).some((name) => devices.test(name)))
  );
}

/** Manifests of the drivers that are no hardware: lavapipe's and SwiftShader's. */
const softwareDrivers = "*lvp_icd*,*swiftshader*";

/** Does `work` while the Vulkan loader (1.3.234 and newer) leaves drivers in software out: it reads the environment. */
export function withoutSoftwareDrivers<T>(work: () => T, env: NodeJS.ProcessEnv = process.env): T {
  const name = "VK_LOADER_DRIVERS_DISABLE";
  const before = env[name];
  env[name] = before ? `${before},${softwareDrivers}` : softwareDrivers;
  try {
    return work();
  } finally {
    if (before === undefined) delete env[name];
    else env[name] = before;
  }
}
