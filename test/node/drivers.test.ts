/** Whether there is a GPU is asked of the system, so that drivers print nothing where there is none. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { playsGpu } from "../../src/engine/webgpu/software.ts";
import { mayHaveGpu, withoutSoftwareDrivers } from "../../src/node/drivers.ts";
import { temporaryFolder } from "../support/features.ts";

/** A /dev with these files. */
function devWith(...files: readonly string[]): string {
  const dev = temporaryFolder();
  mkdirSync(join(dev, "dri"));
  for (const file of files) writeFileSync(join(dev, file), "");
  return dev;
}

describe("a GPU", () => {
  it.each(["dri/renderD128", "nvidia0", "dxg", "nvhost-gpu", "kgsl-3d0", "mali0"])(
    "shows as /dev/%s",
    (file) => {
      expect(mayHaveGpu("linux", devWith("null", file))).toBe(true);
    },
  );

  it("is not where only a screen is, or the control of a driver without one", () => {
    expect(mayHaveGpu("linux", devWith("null", "dri/card0", "nvidiactl", "fb0"))).toBe(false);
    expect(mayHaveGpu("linux", join(devWith(), "no such folder"))).toBe(false);
  });

  it.each(["darwin", "win32"])("is looked for by the library on %s", (platform) => {
    expect(mayHaveGpu(platform, devWith())).toBe(true);
  });
});

describe("drivers in software", () => {
  it("are left out while the drivers are loaded, beside those that the user leaves out", () => {
    const env: NodeJS.ProcessEnv = { VK_LOADER_DRIVERS_DISABLE: "*radeon*" };
    const seen = withoutSoftwareDrivers(() => env.VK_LOADER_DRIVERS_DISABLE, env);
    expect(seen).toMatch(/^\*radeon\*,.*lvp_icd.*swiftshader/);
    expect(env).toEqual({ VK_LOADER_DRIVERS_DISABLE: "*radeon*" });
    const none: NodeJS.ProcessEnv = {};
    expect(() =>
      withoutSoftwareDrivers(() => {
        throw new Error("a fault");
      }, none),
    ).toThrow("a fault");
    expect(none).toEqual({});
  });

  it("are known by their adapters' names", () => {
    expect(playsGpu("webgpu llvmpipe: Mesa 25.0.7 (LLVM 15.0.6)")).toBe(true);
    expect(playsGpu("SwiftShader driver-5.0.0")).toBe(true);
    expect(playsGpu("webgpu NVIDIA H100 80GB HBM3")).toBe(false);
  });
});
