import { describe, expect, it } from "vitest";
import { UsageError } from "../../src/errors.ts";
import { describeLayers, describeModel } from "../../src/nets/describe.ts";
import { resolveEndPoints, sizesThatFit } from "../../src/nets/end-points.ts";
import { buildNetwork, findModel, type GraphOptions, models, returnedLogits } from "../../src/nets/index.ts";

const resolve = (name: string, layers: readonly string[], options: GraphOptions = {}) => {
  const model = findModel(name);
  return resolveEndPoints(model, buildNetwork(model, 1, options), layers, options);
};

/** The message and hint of the error that asking gives. */
function refusal(name: string, layer: string, options: GraphOptions = {}): string {
  try {
    resolve(name, [layer], options);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return `${(error as UsageError).message} ${(error as UsageError).hint}`;
  }
  throw new Error("it was accepted");
}

describe("the names of end points", () => {
  it.each(models.map((m) => [m.name, m] as const))(
    "%s has its feature and logits under aliases",
    (name, model) => {
      const graph = buildNetwork(model, 1);
      expect(resolve(name, [])).toEqual([model.featureEndPoint]);
      for (const alias of ["features", "penultimate", "-2"])
        expect(resolve(name, [alias])).toEqual([model.featureEndPoint]);
      const [logits] = resolve(name, ["logits"]);
      expect(graph.endPoints.get(logits)).toBe(graph.endPoints.get(returnedLogits));
    },
  );

  it("may be several, each once, in the order asked", () => {
    expect(resolve("vgg_16", ["logits", "vgg_16/pool5", "features", "vgg_16/fc7"])).toEqual([
      "vgg_16/fc8",
      "vgg_16/pool5",
      "vgg_16/fc7",
    ]);
  });

  it("that are wrong list the nearest", () => {
    expect(refusal("inception_v3", "Mixed_7x")).toMatch(
      /no end point called "Mixed_7x".*Did you mean Mixed_7/,
    );
    expect(refusal("inception_v3", "zzzzzzzz")).toContain("npx slimfeatures layers inception_v3");
  });
});

describe("input sizes", () => {
  it("that do not fit are told with those that do", () => {
    expect(refusal("vgg_16", "features", { imageSize: 160 })).toMatch(
      /from 160x160 pixels.* from 224 pixels or more/,
    );
    expect(refusal("inception_v1", "logits", { imageSize: 256 })).toMatch(
      /193 to 224 pixels.*`globalPool: true` averages/,
    );
  });

  it("leave what lies before the head", () => {
    expect(resolve("vgg_16", ["vgg_16/pool5"], { imageSize: 160 })).toEqual(["vgg_16/pool5"]);
  });

  it("fit any size with the last map averaged, and the average is the feature then", () => {
    expect(resolve("inception_v1", ["features", "logits"], { imageSize: 320, globalPool: true })).toEqual([
      "global_pool",
      "Logits",
    ]);
    expect(resolve("vgg_16", ["features", "logits"], { imageSize: 320, globalPool: true })).toEqual([
      "global_pool",
      "vgg_16/fc8",
    ]);
  });

  it("are found around the network's own", () => {
    const v3 = findModel("inception_v3");
    expect(sizesThatFit(v3, returnedLogits)).toBe("75 to 362 pixels");
    for (const [imageSize, there] of [
      [74, false],
      [75, true],
      [362, true],
      [363, false],
    ] as const) {
      const has = () => buildNetwork(v3, 1, { imageSize }).endPoints.has(returnedLogits);
      if (there) expect(has()).toBe(true);
      else expect(imageSize < 75 ? false : has()).toBe(false);
    }
  });
});

describe("the tables", () => {
  it("count as the published tables do", () => {
    const facts = (name: string) => describeModel(findModel(name));
    expect(facts("inception_v1")).toMatchObject({
      parameters: 6_633_209,
      macs: 1_498_377_216,
      featureLength: 1024,
    });
    expect(facts("nasnet_large")).toMatchObject({ macs: 23_783_418_690, featureLength: 4032 });
    expect(facts("vgg_19")).toMatchObject({ parameters: 143_667_240, featureLength: 4096 });
  });

  it("sum up to each end point", () => {
    const { endPoints } = describeLayers(findModel("lenet"));
    expect(endPoints.map((e) => [e.name, e.macs])).toEqual([
      ["conv1", 28 * 28 * 25 * 32],
      ["pool1", 28 * 28 * 25 * 32],
      ["conv2", 28 * 28 * 25 * 32 + 14 * 14 * 25 * 32 * 64],
      ["pool2", 28 * 28 * 25 * 32 + 14 * 14 * 25 * 32 * 64],
      ["Flatten", 28 * 28 * 25 * 32 + 14 * 14 * 25 * 32 * 64],
      ["fc3", 13_873_664],
      ["dropout3", 13_873_664],
      ["Logits", 13_883_904],
      ["Predictions", 13_883_904],
    ]);
    expect(endPoints[0]).toMatchObject({ shape: [28, 28, 32], elements: 25_088, parameters: 832 });
  });

  it("tell the end points that a size does not allow", () => {
    const { unavailable } = describeLayers(findModel("vgg_16"), { imageSize: 100 });
    expect(unavailable.map((u) => u.name)).toEqual(["vgg_16/fc6", "vgg_16/fc7", "vgg_16/fc8"]);
  });
});
