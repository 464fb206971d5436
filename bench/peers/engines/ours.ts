/** Our own engine, as the extractor drives it. */
import { compile } from "../../../src/engine/compile.ts";
import { gpuClock } from "../../../src/engine/device.ts";
import type { DeviceName } from "../../../src/engine/devices.ts";
import { openTuned } from "../../../src/network/tuned.ts";
import { nodePlatform } from "../../../src/node/platform.ts";
import type { OpenEngine } from "../workload.ts";

const open =
  (name: DeviceName): OpenEngine =>
  async (work) => {
    const device = await openTuned(name, nodePlatform);
    const session = await device.load(compile(work.graph, [work.endPoint]), work.weights);
    return {
      about: `${device.backend}, ${device.adapter}`,
      adapter: device.backend === "webgpu" ? device.adapter : undefined,
      run: async (images) => (await session.run([images]))[0],
      gpu:
        device.clock === gpuClock
          ? async (images) => (await session.time([images])).reduce((sum, t) => sum + t.milliseconds, 0)
          : undefined,
      async close() {
        session.close();
        await device.close();
      },
    };
  };

export const oursWebGpu = open("webgpu");
export const oursCpu = open("cpu");
