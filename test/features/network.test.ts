/** Networks opened on real checkpoints: classes, averages, sizes, several end points. */
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { identifyCheckpoint, type NetworkOptions, openNetwork } from "../../src/features/network.ts";
import { shadowSuffix } from "../../src/match/shadows.ts";
import { seededTensor } from "../../src/seeded.ts";
import { sizeOf } from "../../src/tensor.ts";
import { seededVariables, writeVariables } from "../support/small-checkpoint.ts";
import { temporaryFolder } from "./helpers.ts";

const model = "mobilenet_v1_025";
const imageSize = 64;
const input = (size = imageSize, channels = 3) => seededTensor("input", [size, size, channels]);

async function featuresOf(
  options: Partial<NetworkOptions>,
  images = input(),
): Promise<Record<string, Float32Array>> {
  const network = await openNetwork({ model, imageSize, device: "cpu", weights: "checkpoint", ...options });
  try {
    const { outputs: results } = await network.run([images]);
    network.endPoints.forEach(({ shape }, i) => void expect(results[i].length).toBe(sizeOf(shape)));
    return Object.fromEntries(network.endPoints.map(({ name }, i) => [name, results[i]]));
  } finally {
    await network.close();
  }
}

let folder = "";
beforeAll(() => {
  folder = temporaryFolder();
});

describe("a network on a checkpoint", () => {
  it("gives several end points in one pass, each as alone", async () => {
    const checkpoint = await writeVariables(join(folder, "whole"), await seededVariables(model));
    const layers = ["Conv2d_3_pointwise", "features", "logits"];
    const together = await featuresOf({ checkpoint, layers });
    expect(Object.keys(together)).toEqual(["Conv2d_3_pointwise", "AvgPool_1a", "Logits"]);
    const seeded = await featuresOf({ weights: "seeded", layers });
    expect(together).toEqual(seeded);
    for (const layer of layers) {
      const [[name, alone]] = Object.entries(await featuresOf({ checkpoint, layers: [layer] }));
      expect(alone, layer).toEqual(together[name]);
    }
  });

  it("has the classes of the file, and is known without its name", async () => {
    const checkpoint = await writeVariables(
      join(folder, "model.ckpt"),
      await seededVariables(model, { classes: 11 }),
    );
    expect((await identifyCheckpoint(checkpoint)).name).toBe(model);
    const { Logits } = await featuresOf({ checkpoint, layers: ["logits"] });
    expect(Logits.length).toBe(11);
  });

  it("gives features of a file without logits, and says what lacks for the logits", async () => {
    const body = (await seededVariables(model)).filter((v) => !v.name.includes("Logits"));
    const checkpoint = await writeVariables(join(folder, "body"), body);
    expect((await featuresOf({ checkpoint })).AvgPool_1a.length).toBe(256);
    await expect(featuresOf({ checkpoint, layers: ["logits"] })).rejects.toThrow(
      /does not fit mobilenet_v1_025: 2 of the 137 variables that Logits needs/,
    );
  });

  it("is not recognised where it holds none of ours", async () => {
    const checkpoint = await writeVariables(join(folder, "other"), [
      { name: "dense/kernel", shape: [2], data: Float32Array.of(1, 2) },
    ]);
    await expect(identifyCheckpoint(checkpoint)).rejects.toThrow(/was not recognised/);
  });

  it("uses moving averages as told, and says so", async () => {
    const plain = await seededVariables("lenet");
    const doubled = plain.map((v) => ({ ...v, name: v.name + shadowSuffix, data: v.data.map((x) => 2 * x) }));
    const checkpoint = await writeVariables(join(folder, "averaged"), [...plain, ...doubled]);
    const run = async (ema: NetworkOptions["ema"]) => {
      const network = await openNetwork({
        model: "lenet",
        device: "cpu",
        weights: "checkpoint",
        checkpoint,
        ema,
        layers: ["conv1"],
      });
      const [conv1] = (await network.run([input(28, 1)])).outputs;
      await network.close();
      return { conv1, origin: network.weights };
    };
    const [off, on, auto] = [await run("off"), await run("on"), await run("auto")];
    expect(off.origin).toMatchObject({ ema: false });
    expect(on.origin).toMatchObject({ ema: true });
    expect(on.conv1).toEqual(off.conv1.map((x) => 2 * x));
    expect(auto).toEqual(on);
  });

  it("refuses sizes that are none", async () => {
    for (const wrong of [0, -3, 2.5, 5000]) {
      await expect(featuresOf({ weights: "seeded", imageSize: wrong })).rejects.toThrow(/is not possible/);
    }
  });
});

describe.each(["inception_v3", "inception_v4"])(
  "%s from a file with all variables, AuxLogits included",
  (name) => {
    it("gives its feature at 299, 224 and 107 pixels", async () => {
      const checkpoint = await writeVariables(join(folder, name), await seededVariables(name));
      for (const size of [299, 224, 107]) {
        const network = await openNetwork({
          model: name,
          imageSize: size,
          device: "cpu",
          weights: "checkpoint",
          checkpoint,
        });
        expect(network.inputShape).toEqual([size, size, 3]);
        const [{ shape }] = network.endPoints;
        expect(shape).toEqual([1, 1, name === "inception_v3" ? 2048 : 1536]);
        if (size === 107) {
          const [feature] = (await network.run([input(size)])).outputs;
          expect(feature.every(Number.isFinite)).toBe(true);
          expect(feature.some((v) => v !== 0)).toBe(true);
        }
        await network.close();
      }
    });
  },
);
