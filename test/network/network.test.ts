/** Networks opened on real checkpoints: classes, averages, sizes, several end points. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { NetworkOptions } from "../../src/network/network.ts";
import { shadowSuffix } from "../../src/network/shadows.ts";
import { seededTensor } from "../../src/seeded.ts";
import { sizeOf } from "../../src/tensor.ts";
import { message } from "../checkpoint/support.ts";
import { temporaryFolder } from "../support/features.ts";
import { identifyCheckpoint, openNetwork } from "../support/node.ts";
import { needsCases, ownReference, sharedCases } from "../support/reference.ts";
import { seededVariables, writeVariables } from "../support/small-checkpoint.ts";

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

describe("weights as people have them", () => {
  it.each(["FeatureExtractor/", "tower_0/", "MobilenetV1/"])(
    "under %s give the same features",
    async (scope) => {
      const plain = await seededVariables(model, { classes: 5 });
      const checkpoint = await writeVariables(
        join(folder, scope.replace("/", "")),
        plain.map((v) => ({ ...v, name: scope + v.name })),
      );
      const layers = ["features", "logits"];
      const reference = await writeVariables(join(folder, "plain"), plain);
      expect(await featuresOf({ checkpoint, layers })).toEqual(
        await featuresOf({ checkpoint: reference, layers }),
      );
      const told: string[] = [];
      const network = await openNetwork({
        ...{ model, imageSize, device: "cpu", weights: "checkpoint", checkpoint },
        notice: (sentence) => told.push(sentence),
      });
      expect(network.weights).toMatchObject({ checkpoint, scope });
      expect(told.join(" ")).toContain(`under the scope ${scope}`);
      await network.close();
    },
  );

  it("twice in one file are told apart by hand alone", async () => {
    const plain = (await seededVariables(model)).filter((v) => !v.name.includes("Logits"));
    const doubled = plain.map((v) => ({ ...v, data: v.data.map((x) => 1.5 * x) }));
    const checkpoint = await writeVariables(
      join(folder, "twice"),
      [plain, doubled].flatMap((all, i) => all.map((v) => ({ ...v, name: `tower_${i}/${v.name}` }))),
    );
    const layers = ["Conv2d_0"];
    await expect(featuresOf({ checkpoint, layers })).rejects.toThrow(/2 times: under tower_0\/, tower_1\//);
    const one = await featuresOf({ checkpoint, layers, scope: "tower_1/" });
    const other = await featuresOf({ checkpoint, layers, scope: "tower_0/" });
    expect(one).not.toEqual(other);
    expect(await featuresOf({ weights: "seeded", layers })).toEqual(other);
  });

  const graphs = join(ownReference, "graphs");
  const run = JSON.parse(readFileSync(join(graphs, "graphs.json"), "utf8")).run as {
    input: number[];
    output: number[];
  };

  it.each([
    "frozen.pb",
    "frozen_resource.pb",
    "frozen_scoped.pb",
    "saved_v1",
    "saved_v2",
    "saved_frozen",
    "saved_frozen_v2",
    "objects.ckpt",
  ])("in %s give what TensorFlow gives, and the network is known by auto", async (name) => {
    const checkpoint = join(graphs, name);
    const layers = ["Conv2d_1_pointwise"];
    expect((await identifyCheckpoint(checkpoint, { layers })).name).toBe(model);
    const input = Float32Array.from(run.input);
    const found = await featuresOf({ checkpoint, layers, imageSize: 16 }, input);
    const largest = Math.max(...run.output.map(Math.abs));
    const worst = Math.max(...found.Conv2d_1_pointwise.map((v, i) => Math.abs(v - run.output[i])));
    expect(worst / largest).toBeLessThan(2e-6);
    await expect(featuresOf({ checkpoint })).rejects.toThrow(/does not fit mobilenet_v1_025/);
    await expect(identifyCheckpoint(checkpoint)).rejects.toThrow(/was not recognised/);
  });

  it.each([
    ["folded", "Batch norms were folded"],
    ["unfrozen", "The graph is not frozen"],
    ["frozen_v2", "named after the operations that read them"],
  ])("in a graph that is %s are refused with what lacks", async (name, words) => {
    const checkpoint = join(graphs, `${name}.pb`);
    const layers = ["Conv2d_1_pointwise"];
    await expect(identifyCheckpoint(checkpoint, { layers })).rejects.toThrow(words);
    await expect(featuresOf({ checkpoint, layers })).rejects.toThrow(
      new RegExp(`15 of the 15 variables that Conv2d_1_pointwise needs[\\s\\S]*${words}`),
    );
  });

  it("in a graph that is quantized are refused though all of them are there", async () => {
    const checkpoint = join(folder, "quantized.pb");
    const node = message([1, Buffer.from("a/quant")], [2, Buffer.from("FakeQuantWithMinMaxVars")]);
    writeFileSync(checkpoint, Buffer.concat([readFileSync(join(graphs, "frozen.pb")), message([1, node])]));
    await expect(featuresOf({ checkpoint, layers: ["Conv2d_1_pointwise"] })).rejects.toThrow(/is quantized/);
  });
});

const cases = sharedCases ?? "";

describe.skipIf(!sharedCases)(`files that users brought${needsCases}`, () => {
  it.each<[string, string, string | undefined]>([
    ["scope-prefix", "model.ckpt", "FeatureExtractor/"],
    ["tf2-object", "m.ckpt", undefined],
  ])("%s: the features are those of the plain file", async (name, checkpoint, scope) => {
    const path = join(cases, name);
    expect((await identifyCheckpoint(path)).name).toBe(model);
    const plain = join(ownReference, "checkpoints/mobilenet_v1_025_v2.ckpt");
    expect(await featuresOf({ checkpoint: path })).toEqual(await featuresOf({ checkpoint: plain }));
    const network = await openNetwork({ model, device: "cpu", weights: "checkpoint", checkpoint: path });
    expect(network.weights).toMatchObject({
      checkpoint: join(path, checkpoint),
      path,
      ...(scope && { scope }),
    });
    await network.close();
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
