/** Scopes in front of networks' names, on shapes alone: found, told apart, given by hand. */
import { describe, expect, it } from "vitest";
import { variablesOf } from "../../src/engine/graph.ts";
import { CheckpointError } from "../../src/errors.ts";
import { buildNetwork, findModel, type GraphOptions, models, returnedLogits } from "../../src/nets/index.ts";
import { explain } from "../../src/network/explain.ts";
import { classesIn, fitOf } from "../../src/network/fit.ts";
import { findScope, identify } from "../../src/network/identify.ts";
import type { Shapes } from "../../src/network/scopes.ts";
import { shadowSuffix } from "../../src/network/shadows.ts";
import type { Shape } from "../../src/tensor.ts";

type Rename = (name: string) => string;

/** A network's variables under other names; those that `rename` gives no name are left out. */
const named = (model: string, rename: Rename = (n) => n, options: GraphOptions = {}): [string, Shape][] =>
  variablesOf(buildNetwork(findModel(model), 1, options)).flatMap(({ name, shape }) => {
    const given = rename(name);
    return given === "" ? [] : [[given, shape] as [string, Shape]];
  });

const shapesOf = (...parts: readonly [string, Shape][][]): Shapes => new Map(parts.flat());
const under =
  (prefix: string): Rename =>
  (name) =>
    prefix + name;
const numbered =
  (n: number, prefix = ""): Rename =>
  (name) =>
    prefix + name.replace("/", `_${n}/`);

const refusal = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(CheckpointError);
    return `${(error as CheckpointError).message} ${(error as CheckpointError).hint ?? ""}`;
  }
  throw new Error("nothing was refused");
};

const networks = [
  "mobilenet_v1_025",
  "inception_v1",
  "resnet_v1_50",
  "resnet_v2_50",
  "vgg_16",
  "nasnet_mobile",
  "lenet",
];

const prefixes = [
  "FeatureExtractor/",
  "module/",
  "model/",
  "tower_0/",
  "student/encoder/net/",
  "import/FeatureExtractor/",
  "a.b-c/",
];

describe.each(networks)("%s", (name) => {
  const model = findModel(name);
  const rest: [string, Shape][] = [
    ["global_step", []],
    ["BoxPredictor_0/weights", [1, 1, 3, 4]],
  ];

  function expectFound(shapes: Shapes, scope: string) {
    const place = identify("x.ckpt", shapes);
    expect(place.model.name).toBe(name);
    expect(place.scope.name).toBe(scope);
    const found = findScope("x.ckpt", model, shapes, {});
    expect(found.name).toBe(scope);
    expect(classesIn(model, shapes, found)).toBe(7);
    const fit = fitOf(model, shapes, [returnedLogits], { classes: 7 }, found);
    expect(fit.misfits).toEqual([]);
    expect(explain("x.ckpt", shapes).sentences[0]).toBe(
      `x.ckpt holds ${name}${scope === "" ? "" : ` under the scope ${scope}`}.`,
    );
    expect(explain("x.ckpt", shapes, { model: name }).usable).toBe(true);
  }

  it.each(prefixes)("is found under %s", (prefix) => {
    expectFound(shapesOf(named(name, under(prefix), { classes: 7 }), rest), prefix);
  });

  it("is found by its moving averages under a scope", () => {
    const averages = named(name, (n) => `tower_0/${n}${shadowSuffix}`, { classes: 7 });
    const shapes = shapesOf(averages, rest);
    expect(identify("x.ckpt", shapes).scope.name).toBe("tower_0/");
    expect(findScope("x.ckpt", model, shapes, {}).name).toBe("tower_0/");
  });

  it.runIf(name !== "nasnet_mobile")("is found under a doubled scope and a numbered one", () => {
    const root = named(name)[0][0].split("/")[0];
    expectFound(shapesOf(named(name, under(`${root}/`), { classes: 7 }), rest), `${root}/`);
    expectFound(shapesOf(named(name, numbered(1), { classes: 7 }), rest), `${root}_1/`);
    expectFound(shapesOf(named(name, numbered(12, "tower_0/"), { classes: 7 }), rest), `tower_0/${root}_12/`);
  });

  it("without a scope goes before one that has it", () => {
    const shapes = shapesOf(named(name, undefined, { classes: 7 }), named(name, under("teacher/")), rest);
    expectFound(shapes, "");
    expect(findScope("x.ckpt", model, shapes, { scope: "teacher/" }).name).toBe("teacher/");
  });

  it("under two scopes is refused with both, and taken by hand", () => {
    const shapes = shapesOf(
      named(name, under("student/"), { classes: 7 }),
      named(name, under("teacher/"), { classes: 9 }),
    );
    const words = `x.ckpt holds ${name} 2 times: under student/, teacher/. Say which is meant with \`scope: "student/"\`.`;
    expect(refusal(() => identify("x.ckpt", shapes))).toBe(words);
    expect(refusal(() => findScope("x.ckpt", model, shapes, {}))).toBe(words);
    expect(refusal(() => explain("x.ckpt", shapes))).toBe(words);
    for (const scope of ["teacher/", "teacher"]) {
      expect(identify("x.ckpt", shapes, { scope }).model.name).toBe(name);
      expect(classesIn(model, shapes, findScope("x.ckpt", model, shapes, { scope }))).toBe(9);
      expect(explain("x.ckpt", shapes, { scope }).sentences.join(" ")).toContain("9 classes");
    }
  });
});

describe("a scope given by hand", () => {
  it("may stand for the network's own", () => {
    const shapes = shapesOf(named("vgg_16", (n) => n.replace("vgg_16/", "my_net/")));
    expect(identify("x.ckpt", shapes, { scope: "my_net/" }).model.name).toBe("vgg_16");
    expect(
      findScope("x.ckpt", findModel("vgg_16"), shapes, { scope: "my_net" }).inFile("vgg_16/conv1/w"),
    ).toBe("my_net/conv1/w");
  });

  it("of which there is nothing is told as such", () => {
    const shapes = shapesOf(named("lenet"));
    expect(refusal(() => identify("x.ckpt", shapes, { scope: "none/" }))).toContain(
      "was not recognised under the scope none/",
    );
  });
});

describe("several networks in one file", () => {
  it("are told apart by their names, or refused by auto", () => {
    const shapes = shapesOf(named("lenet", under("a/")), named("cifarnet", under("b/")));
    expect(findScope("x.ckpt", findModel("lenet"), shapes, {}).name).toBe("a/");
    expect(findScope("x.ckpt", findModel("cifarnet"), shapes, {}).name).toBe("b/");
    expect(refusal(() => identify("x.ckpt", shapes))).toMatch(
      /holds several networks: \w+ under the scope ./,
    );
    expect(identify("x.ckpt", shapes, { scope: "b/" }).model.name).toBe("cifarnet");
  });

  it("of which one is whole are that one", () => {
    const part = named("inception_v1", (n) => (/Mixed_5/.test(n) ? "" : `old/${n}`));
    const shapes = shapesOf(part, named("inception_v1", under("new/")));
    expect(identify("x.ckpt", shapes).scope.name).toBe("new/");
    expect(findScope("x.ckpt", findModel("inception_v1"), shapes, {}).name).toBe("new/");
  });

  it("are no trouble where optimizers keep a copy of each variable", () => {
    const slots = ["Adam/m/", "Adam/v/"].map((slot) => named("vgg_16", under(slot)));
    expect(identify("x.ckpt", shapesOf(named("vgg_16"), ...slots)).scope.name).toBe("");
  });
});

describe("a cut backbone", () => {
  const upTo = (name: string, last: string, prefix = "") => {
    const model = findModel(name);
    const { needed } = fitOf(model, new Map(), [last]);
    const shapes = shapesOf(named(name, (n) => prefix + n));
    const misfits = new Set(fitOf(model, new Map(), [last]).misfits.map((m) => m.name));
    expect(misfits.size).toBe(needed);
    return new Map([...shapes].filter(([n]) => misfits.has(n.slice(prefix.length))));
  };

  it.each([
    ["inception_v3", "Mixed_5b"],
    ["resnet_v1_101", "resnet_v1_101/block1"],
    ["vgg_19", "vgg_19/conv2/conv2_2"],
    ["mobilenet_v1_050", "Conv2d_3_pointwise"],
    ["nasnet_large", "Cell_0"],
  ])("of %s is known by auto where all that %s needs is there", (name, layer) => {
    for (const prefix of ["", "FeatureExtractor/"]) {
      const place = identify("x.ckpt", upTo(name, layer, prefix), { layers: [layer] });
      expect([place.model.name, place.scope.name]).toEqual([name, prefix]);
    }
  });

  it("is told with what lacks where the layer is behind the cut", () => {
    const shapes = upTo("inception_v3", "Mixed_5b");
    expect(refusal(() => identify("x.ckpt", shapes, { layers: ["Mixed_5d"] }))).toMatch(
      /was not recognised: it is most like inception_v3, of which it holds \d+ of 376 variables; Mixed_5d lacks \d+, such as InceptionV3\/Mixed_5c/,
    );
    expect(refusal(() => identify("x.ckpt", shapes))).toContain("was not recognised");
  });

  it("that may be of several networks names them", () => {
    const words = refusal(() =>
      identify("x.ckpt", upTo("mobilenet_v2_035", "layer_1"), { layers: ["layer_1"] }),
    );
    expect(words).toMatch(
      /holds all that layer_1 needs of mobilenet_v2_050, mobilenet_v2_035\. .* `model: "mobilenet_v2_050"`/,
    );
  });
});

describe("a file of a stranger's", () => {
  it("with a scope for each of very many names costs no more than its names", () => {
    const parts = Array.from({ length: 100_000 }, (_, i): [string, Shape] => [
      `${"a/".repeat(i % 40)}${i}/MobilenetV1/Conv2d_0/weights`,
      [3, 3, 3, 8],
    ]);
    const shapes = shapesOf(parts);
    expect(refusal(() => identify("x.ckpt", shapes, { layers: ["Conv2d_3_pointwise"] }))).toContain(
      "was not recognised",
    );
    expect(findScope("x.ckpt", findModel("mobilenet_v1_025"), shapes, {}).name).toBe("");
    expect(refusal(() => findScope("x.ckpt", findModel("lenet"), wholes(), {}))).toContain(
      "100 times: under",
    );
  });

  const wholes = () => shapesOf(...Array.from({ length: 2000 }, (_, i) => named("lenet", under(`${i}/`))));
});

describe("every network", () => {
  it.each(models.map((m) => m.name))("%s is known under a scope", (name) => {
    const place = identify("x.ckpt", shapesOf(named(name, under("scope/"))));
    expect([place.model.name, place.scope.name]).toEqual([name, "scope/"]);
  });
});
