/** The process that `start-up.ts` starts: opens a network from a checkpoint and computes one feature. */
import type { DeviceName } from "../src/engine/devices.ts";
import { openNetwork } from "../src/network/network.ts";
import { nodePlatform } from "../src/node/platform.ts";
import { seededUnits } from "../src/seeded.ts";
import { sizeOf } from "../src/tensor.ts";
import type { Marks } from "./start-up.ts";

const [model, device, checkpoint] = process.argv.slice(2);
// The clock starts with the process.
const loaded = performance.now();

async function firstFeature(): Promise<void> {
  const network = await openNetwork(
    {
      model,
      device: device as DeviceName,
      weights: "checkpoint",
      checkpoint,
    },
    nodePlatform,
  );
  const ready = performance.now();
  await network.run([seededUnits("bench/images", sizeOf(network.inputShape))]);
  process.send?.({ loaded, ready } satisfies Marks);
  await network.close();
  process.disconnect();
}

void firstFeature();
