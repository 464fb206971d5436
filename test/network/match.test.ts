/** Networks and checkpoints against each other, on shapes alone. */
import { describe, expect, it } from "vitest";
import { variablesOf } from "../../src/engine/graph.ts";
import type { WeightSource } from "../../src/engine/weights.ts";
import { CheckpointError } from "../../src/errors.ts";
import { buildNetwork, findModel, type GraphOptions, models } from "../../src/nets/index.ts";
import { explain } from "../../src/network/explain.ts";
import { classesIn, explainMisfit, fitOf, type Shapes } from "../../src/network/fit.ts";
import { complete, recognise } from "../../src/network/recognise.ts";
import { shadowSuffix, useShadows, withShadows } from "../../src/network/shadows.ts";
import type { Shape } from "../../src/tensor.ts";

type Keep = (name: string) => boolean;

const shapesFor = (name: string, options: GraphOptions = {}, keep: Keep = () => true): Map<string, Shape> =>
  new Map(
    variablesOf(buildNetwork(findModel(name), 1, options))
      .filter((v) => keep(v.name))
      .map((v) => [v.name, v.shape]),
  );

const shadowed = (shapes: Shapes, keep: Keep = () => true): Map<string, Shape> =>
  new Map(
    [...shapes].flatMap(([n, s]) =>
      keep(n) ? [[n, s] as const, [n + shadowSuffix, s] as const] : [[n, s] as const],
    ),
  );

describe("a checkpoint is recognised", () => {
  it.each(models.map((m) => m.name))("as %s, with other classes and what training leaves", (name) => {
    const shapes = shapesFor(name, { classes: 7 });
    shapes.set("global_step", []);
    for (const [variable, shape] of [...shapes]) shapes.set(`${variable}/RMSProp`, shape);
    const found = recognise(shapes);
    expect(found?.model.name).toBe(name);
    expect(found && complete(found)).toBe(true);
  });

  it("by its moving averages alone", () => {
    const shapes = new Map([...shapesFor("mobilenet_v2")].map(([n, s]) => [n + shadowSuffix, s]));
    expect(recognise(shapes)?.model.name).toBe("mobilenet_v2");
  });

  it("without its logits", () => {
    expect(recognise(shapesFor("inception_v4", {}, (n) => !n.includes("Logits")))?.model.name).toBe(
      "inception_v4",
    );
  });

  it("in part, and not at all", () => {
    const half = recognise(shapesFor("resnet_v1_50", {}, (n) => !/block4/.test(n)));
    expect(half?.model.name).toBe("resnet_v1_50");
    expect(half && complete(half)).toBe(false);
    expect(recognise(new Map([["dense/kernel", [3, 4]]]))).toBeUndefined();
  });
});

describe("the number of classes", () => {
  it.each(models.map((m) => [m.name, m] as const))(
    "of %s is that of the logits in the file",
    (name, model) => {
      expect(classesIn(model, shapesFor(name, { classes: 37 }))).toBe(37);
      expect(
        classesIn(
          model,
          shapesFor(name, {}, (n) => !/ogits|fc8|final_layer|fc4/.test(n)),
        ),
      ).toBeUndefined();
    },
  );
});

describe("a file that does not fit", () => {
  const why = (name: string, shapes: Shapes, endPoints?: readonly string[], options: GraphOptions = {}) => {
    const model = findModel(name);
    const wanted = endPoints ?? [model.featureEndPoint];
    return explainMisfit("x.ckpt", fitOf(model, shapes, wanted, options), shapes, wanted, options);
  };

  it("is told by the name of the network that it holds", () => {
    const error = why("inception_v1", shapesFor("resnet_v1_50"));
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error?.message).toBe("x.ckpt holds resnet_v1_50, you asked for inception_v1.");
    expect(error?.hint).toContain('`model: "resnet_v1_50"`');
  });

  it("has all that lacks or differs told at once, with the nearest names", () => {
    const shapes = shapesFor(
      "inception_v1",
      {},
      (n) => n !== "InceptionV1/Mixed_5b/Branch_2/Conv2d_0a_3x3/weights",
    );
    shapes.set("InceptionV1/Mixed_5b/Branch_2/Conv2d_0b_3x3/weights", [3, 3, 32, 128]);
    shapes.set("InceptionV1/Conv2d_1a_7x7/weights", [7, 7, 1, 64]);
    const error = why("inception_v1", shapes);
    expect(error?.message).toContain("2 of the 228 variables");
    expect(error?.message).toContain("Conv2d_1a_7x7/weights is 7x7x1x64, the network wants 7x7x3x64");
    expect(error?.message).toContain(
      "Conv2d_0a_3x3/weights is missing (the network wants 3x3x32x128); the nearest is InceptionV1/Mixed_5b/Branch_2/Conv2d_0b_3x3/weights",
    );
  });

  it("for its size is told by the size that it fits", () => {
    expect(why("cifarnet", shapesFor("cifarnet"), undefined, { imageSize: 48 })?.hint).toContain(
      "at 32 pixels",
    );
  });

  it("for its logits alone is told to give features", () => {
    const shapes = shapesFor("inception_v3", {}, (n) => !n.includes("Logits"));
    expect(why("inception_v3", shapes)).toBeUndefined();
    expect(why("inception_v3", shapes, ["Logits"])?.hint).toContain("leave `layers` out");
  });

  it("fits inception_v3 and v4 at any size, whatever AuxLogits it holds", () => {
    for (const name of ["inception_v3", "inception_v4"]) {
      for (const imageSize of [224, 299, 331])
        expect(why(name, shapesFor(name), undefined, { imageSize }), `${name} ${imageSize}`).toBeUndefined();
    }
  });

  it("is explained in words", () => {
    const explained = explain("x.ckpt", shapesFor("resnet_v1_50", { classes: 5 }));
    expect(explained.usable).toBe(true);
    expect(explained.sentences.join(" ")).toMatch(
      /holds resnet_v1_50\..*can be extracted.*logits have 5 classes/,
    );
    const wrong = explain("x.ckpt", shapesFor("resnet_v1_50"), { model: "vgg_16" });
    expect(wrong.usable).toBe(false);
    expect(wrong.sentences.join(" ")).toMatch(
      /holds resnet_v1_50\..*vgg_16\/fc7 of vgg_16 cannot be extracted/,
    );
    expect(explain("x.ckpt", new Map()).sentences[0]).toContain("no network that is known here");
  });
});

describe("moving averages", () => {
  const source = (shapes: Shapes): WeightSource => ({
    name: "x.ckpt",
    shapeOf: (name) => shapes.get(name),
    read: async (name) => Float32Array.of(name.endsWith(shadowSuffix) ? 2 : 1),
  });
  const trainable: Keep = (n) => !n.includes("moving_");
  const use = (rule: "auto" | "on" | "off", name: string, shapes: Shapes) =>
    useShadows(rule, findModel(name), source(shapes), [...shapesFor(name).keys()]);

  it("are used by themselves where every trainable variable has one", () => {
    const plain = shapesFor("mobilenet_v2");
    expect(use("auto", "mobilenet_v2", shadowed(plain, trainable))).toBe(true);
    expect(
      use(
        "auto",
        "mobilenet_v2",
        shadowed(plain, (n) => trainable(n) && !n.includes("Conv_1")),
      ),
    ).toBe(false);
    expect(use("auto", "mobilenet_v2", plain)).toBe(false);
  });

  it("are left alone for nasnet and pnasnet, whose plain variables were made good", () => {
    const all = shadowed(shapesFor("nasnet_mobile"));
    expect(use("auto", "nasnet_mobile", all)).toBe(false);
    expect(use("on", "nasnet_mobile", all)).toBe(true);
    const alone = new Map([...all].filter(([n]) => n.endsWith(shadowSuffix)));
    expect(use("auto", "nasnet_mobile", alone)).toBe(true);
  });

  it("are refused when asked for and not there, and not used when told so", () => {
    const plain = shapesFor("lenet");
    expect(() => use("on", "lenet", plain)).toThrow(/no moving averages in it: x\.ckpt/);
    expect(use("off", "lenet", shadowed(plain))).toBe(false);
  });

  it("stand for their variables, and a statistic without one is taken as it is", async () => {
    const averaged = withShadows(
      source(
        new Map([
          ["a", [1]],
          [`a${shadowSuffix}`, [1]],
          ["a/moving_mean", [1]],
        ]),
      ),
    );
    expect(await averaged.read("a")).toEqual(Float32Array.of(2));
    expect(await averaged.read("a/moving_mean")).toEqual(Float32Array.of(1));
    expect(averaged.shapeOf("b")).toBeUndefined();
  });
});
