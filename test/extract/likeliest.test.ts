/** What a few images show: told beside their features, which it changes by nothing. */
import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { type ExtractRequest, extract } from "../../src/extract/extract.ts";
import { fewImages } from "../../src/extract/request.ts";
import { ownRooms } from "../../src/extract/rooms.ts";
import { samplesDirectory } from "../../src/node/package.ts";
import { seededTensor } from "../../src/seeded.ts";
import { requestFor, temporaryFolder } from "../support/features.ts";
import { openNetwork } from "../support/node.ts";
import { drawJpeg } from "../support/runs.ts";
import { seededVariables, type Variable, writeVariables } from "../support/small-checkpoint.ts";

const model = "mobilenet_v1_025";
const logits = "MobilenetV1/Logits/Conv2d_1c_1x1/biases";
let folder = "";
let variables: Variable[] = [];
let checkpoint = "";

beforeAll(async () => {
  folder = temporaryFolder();
  variables = await seededVariables(model);
  checkpoint = await writeVariables(join(folder, "whole"), variables);
  mkdirSync(join(folder, "in"));
  for (const name of ["bubbles_01.jpg", "hills_03.png"])
    cpSync(join(samplesDirectory, name), join(folder, "in", name));
});

const notices: string[] = [];
async function run(out: string, change: Partial<ExtractRequest> = {}) {
  notices.length = 0;
  const request = requestFor(join(folder, "in"), {
    ...{ model, imageSize: 224, device: "cpu", format: "npy", weights: undefined, checkpoint },
    out: join(folder, out),
    ...change,
  });
  return extract(request, ownRooms, { notice: (sentence) => notices.push(sentence) });
}

describe.each(["webgpu", "cpu"] as const)("logits beside the feature, on %s", (device) => {
  it("change no bit of it, and are those that are had alone", async () => {
    const images = seededTensor("two images", [2, 224, 224, 3]);
    const outputsOf = async (layers: readonly string[], alsoLogits: boolean) => {
      const network = await openNetwork({
        model,
        layers,
        alsoLogits,
        device,
        weights: "checkpoint",
        checkpoint,
      });
      const half = images.length / 2;
      const { outputs } = await network.run([images.subarray(0, half), images.subarray(half)]);
      await network.close();
      return { outputs, names: network.endPoints.map((e) => e.name), alsoLogits: network.alsoLogits };
    };
    const plain = await outputsOf(["features"], false);
    const both = await outputsOf(["features"], true);
    expect(plain).toMatchObject({ names: ["AvgPool_1a"], alsoLogits: undefined });
    expect(both).toMatchObject({ names: ["AvgPool_1a"], alsoLogits: 1001 });
    expect(both.outputs[0]).toEqual(plain.outputs[0]);
    expect([both.outputs[1]]).toEqual((await outputsOf(["logits"], false)).outputs);
  });
});

describe("the likeliest classes", () => {
  it("of a few images are told by ImageNet's names, and again by a run that knows the images", async () => {
    const { likeliest, files } = await run("few.npy");
    expect(likeliest.map((l) => l.path)).toEqual(["bubbles_01.jpg", "hills_03.png"]);
    for (const { name, probability } of likeliest) {
      expect(name).toMatch(/^\w/);
      expect(probability).toBeGreaterThan(1 / 1001);
    }
    expect(files).toHaveLength(1);
    expect(notices.join("\n")).toContain("taken for ImageNet's: --labels FILE");
    const again = await run("few.npy");
    expect(again).toMatchObject({ computed: 0, known: 2, likeliest });
    const { likeliest: listed, predictions } = await run("listed.npy", { topk: 3 });
    expect(listed).toEqual(likeliest);
    const [first] = readFileSync(predictions as string, "utf8").split("\n");
    expect(JSON.parse(first).predictions).toHaveLength(3);
    expect(JSON.parse(first).predictions[0]).toMatchObject({ name: likeliest[0].name });
  });

  it("are left out where the folder has grown, and the run goes on", async () => {
    const grown = join(folder, "grown");
    cpSync(join(folder, "in"), grown, { recursive: true });
    const small = { inputs: grown, imageSize: 224 };
    expect((await run("grown.npy", small)).likeliest).toHaveLength(2);
    for (let i = 0; i < fewImages; i++) await drawJpeg(join(grown, `${i}.jpg`), `image ${i}`);
    expect(await run("grown.npy", small)).toMatchObject({ computed: fewImages, known: 2, likeliest: [] });
  });

  it("are left out where the logits are damaged or lack, or most of the network is beyond the layer", async () => {
    const damaged = variables.map((v) =>
      v.name === logits ? { ...v, data: v.data.map(() => Number.NaN) } : v,
    );
    const bodies = {
      damaged: await writeVariables(join(folder, "damaged"), damaged),
      cut: await writeVariables(
        join(folder, "cut"),
        variables.filter((v) => v.name !== logits),
      ),
    };
    const whole = await run("whole.npy");
    for (const [name, checkpoint] of Object.entries(bodies)) {
      expect((await run(`${name}.npy`, { checkpoint })).likeliest, name).toEqual([]);
      expect(readFileSync(join(folder, `${name}.npy`))).toEqual(readFileSync(whole.files[0].path));
    }
    expect((await run("early.npy", { layers: ["Conv2d_3_pointwise"] })).likeliest).toEqual([]);
  });

  it("of classes that are not ImageNet's have no names but those of --labels", async () => {
    const own = await seededVariables(model, { classes: 7 });
    const checkpoint = await writeVariables(join(folder, "seven"), own);
    expect((await run("seven.npy", { checkpoint })).likeliest).toEqual([]);
    const { predictions } = await run("seven-named.npy", { checkpoint, topk: 1 });
    const [first] = readFileSync(predictions as string, "utf8").split("\n");
    expect(Object.keys(JSON.parse(first).predictions[0])).toEqual(["index", "probability"]);
  });

  it("of untrained weights are not told, and have no names", async () => {
    const seeded = { checkpoint: undefined, weights: "seeded", topk: 2 } as const;
    const { likeliest, predictions } = await run("seeded.npy", seeded);
    expect(likeliest).toEqual([]);
    const [first] = readFileSync(predictions as string, "utf8").split("\n");
    expect(JSON.parse(first)).toMatchObject({ untrained: true, predictions: [{}, {}] });
    expect(first).not.toContain("name");
  });
});
