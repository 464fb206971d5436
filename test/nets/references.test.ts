/**
 * Networks against TensorFlow, every end point. Those that are small enough run here as they are; the large ones are
 * computed at a reduced size on every device and compared, and `npm run test:nets` verifies them at their full size.
 */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compile } from "../../src/engine/compile.ts";
import type { Device } from "../../src/engine/device.ts";
import { variablesOf } from "../../src/engine/graph.ts";
import { needs } from "../../src/engine/needs.ts";
import { preprocess } from "../../src/images/index.ts";
import { buildNetwork, models, returnedLogits } from "../../src/nets/index.ts";
import { decodeImage } from "../../src/node/images/index.ts";
import { maxAbs, passed, relativeError } from "../../src/verify/measure.ts";
import { listNets, verifyNets } from "../../src/verify/nets.ts";
import { describeOnDevices } from "../support/devices.ts";
import { openDevice, seededWeights, statistics } from "../support/node.ts";
import { needsShared, ownReference, sharedReference } from "../support/reference.ts";

const pictures = join(ownReference, "pictures");
const verified = await listNets(pictures);

/** Multiply-adds of a network that a processor computes in a few seconds. */
const small = (name: string) => {
  const model = models.find((m) => m.name === name);
  return model !== undefined && needs(buildNetwork(model, 1), [returnedLogits]).macs < 2e9;
};
const smallNets = verified.filter(small);
const largeNets = models.filter((m) => !smallNets.includes(m.name));

async function verify(device: Device, dir: string, net: string, options = {}): Promise<void> {
  let count = 0;
  for await (const verdict of verifyNets(dir, device, { net, ...options })) {
    expect(passed(verdict), `${verdict.name}: ${verdict.error} of ${verdict.bound}`).toBe(true);
    count++;
  }
  expect(count).toBeGreaterThan(5);
}

describeOnDevices("every end point equals TensorFlow's on a drawn picture", (device) => {
  it.each(smallNets)("%s", (net) =>
    verify(device(), pictures, net, {
      stats: statistics.path,
      images: join(ownReference, "images"),
      first: true,
    }),
  );
});

describeOnDevices("inception_v1", (device) => {
  it("equals TensorFlow as the last of a batch of three, on both pictures", () =>
    verify(device(), pictures, "inception_v1", { stats: statistics.path, batch: 3 }));

  it.skipIf(!sharedReference)(`equals TensorFlow on photographs${needsShared}`, () =>
    verify(device(), join(sharedReference as string, "nets"), "inception_v1"),
  );
});

describe("large networks at a reduced size", () => {
  /** The smallest sizes that leave more than a cell of the last map, or are fixed by the first layers. */
  const sizes: Readonly<Record<string, number>> = { overfeat: 107, nasnet_large: 67, pnasnet_large: 67 };

  it.each(largeNets.map((m) => [m.name, m] as const))("%s: WebGPU equals the CPU", async (name, model) => {
    const imageSize = sizes[name] ?? (model.inputSize === 299 ? 107 : 64);
    const graph = buildNetwork(model, 1, { imageSize });
    // AuxLogits' variables of another size have no statistics.
    const names = [...graph.endPoints.keys()].filter((n) => n !== "AuxLogits");
    const source = await seededWeights(name, variablesOf(graph));
    const picture = await decodeImage(join(ownReference, "images/picture1_331.png"), { exif: "ignore" });
    const input = preprocess(picture, {
      family: model.preprocess,
      mode: "resize",
      size: imageSize,
      channels: 3,
    });
    const results: Float32Array[][] = [];
    for (const backend of ["cpu", "webgpu"] as const) {
      const device = await openDevice(backend);
      const session = await device.load(compile(graph, names), source);
      results.push(await session.run([input]));
      session.close();
      await device.close();
    }
    const [cpu, gpu] = results;
    names.forEach((endPoint, i) => {
      const scale = maxAbs(cpu[i]);
      expect(scale, endPoint).toBeGreaterThan(0);
      expect(relativeError(gpu[i], cpu[i], scale), endPoint).toBeLessThan(bound(endPoint));
    });
  });

  /** A softmax multiplies the error of its logits by their size, which is in the hundreds here. */
  const bound = (endPoint: string) => (/^predictions$/i.test(endPoint) ? 5e-3 : 1e-4);
});
