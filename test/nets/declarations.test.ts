/** What each network declares, against TF-Slim's own graphs (test/reference/networks.json). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compile } from "../../src/engine/compile.ts";
import { type Graph, variablesOf } from "../../src/engine/graph.ts";
import { needs } from "../../src/engine/needs.ts";
import { buildNetwork, findModel, models, returnedLogits } from "../../src/nets/index.ts";
import { seededWeights } from "../support/node.ts";
import { ownReference } from "../support/reference.ts";

type Named = readonly [name: string, shape: readonly number[]];

interface Declaration {
  readonly size: number;
  readonly classes: number;
  readonly macs: number | null;
  readonly variables: readonly Named[];
  readonly endPoints: readonly Named[];
}

const declarations = JSON.parse(readFileSync(join(ownReference, "networks.json"), "utf8")) as Record<
  string,
  Declaration
>;

const byName = (named: readonly Named[]) => Object.fromEntries(named);
const endPointsOf = (graph: Graph) =>
  [...graph.endPoints].flatMap(([name, value]) =>
    name === returnedLogits ? [] : [[name, graph.nodes[value].shape] as const],
  );

describe.each(Object.entries(declarations))("%s", (name, declared) => {
  const model = findModel(name);
  const graph = buildNetwork(model, 1, { imageSize: declared.size, classes: declared.classes });

  it("has TF-Slim's variables, name by name and shape by shape", () => {
    const ours = variablesOf(graph).map((v) => [v.name, v.shape] as const);
    expect(ours).toHaveLength(declared.variables.length);
    expect(byName(ours)).toEqual(byName(declared.variables));
  });

  it("has TF-Slim's end points with their shapes", () => {
    expect(byName(endPointsOf(graph))).toEqual(byName(declared.endPoints));
  });

  it.skipIf(declared.macs === null)("costs the multiply-adds that were counted in TF-Slim's graph", () => {
    expect(needs(graph, [...graph.endPoints.keys()]).macs).toBe(declared.macs);
  });
});

describe("every network", () => {
  it("is declared by TF-Slim, but for those that it never built by name", () => {
    const unknown = models.map((m) => m.name).filter((name) => !declarations[name]);
    expect(unknown).toEqual(["resnet_v2_200", "mobilenet_v2_130"]);
  });

  it.each(models.map((m) => m.name))("%s needs neither logits nor AuxLogits for its feature", (name) => {
    const model = findModel(name);
    const program = compile(buildNetwork(model, 1), [model.featureEndPoint]);
    const heads = program.variables.filter((v) => /Logits|logits|aux_|fc8|final_layer/.test(v.name));
    expect(heads).toEqual([]);
  });

  it.each(models.map((m) => m.name))("%s has seeded weights for every variable", async (name) => {
    const graph = buildNetwork(findModel(name), 1);
    const statistics = variablesOf(graph).filter((v) => v.name.includes("moving_"));
    const source = await seededWeights(name, statistics);
    for (const { name, shape } of statistics) expect((await source.read(name)).length).toBe(shape[0]);
  });
});

describe("sizes of resnet and mobilenet without a declaration of TF-Slim", () => {
  it("resnet_v2_200 is resnet_v2_152 with more units in its second block", () => {
    const [small, large] = ["resnet_v2_152", "resnet_v2_200"].map((name) =>
      variablesOf(buildNetwork(findModel(name), 1)).map(
        ({ name: v, shape }) => `${v.replace(name, "")} ${shape}`,
      ),
    );
    const has = new Set(large);
    expect(small.filter((v) => !has.has(v))).toEqual([]);
    expect(
      large.filter((v) => !small.includes(v)).every((v) => /^\/block2\/unit_(8|9|1\d|2\d)\//.test(v)),
    ).toBe(true);
  });

  it("mobilenet_v2_130 has the depths of 1.3 rounded to eight", () => {
    const shapes = new Map(
      variablesOf(buildNetwork(findModel("mobilenet_v2_130"), 1)).map((v) => [v.name, v.shape]),
    );
    expect(shapes.get("MobilenetV2/Conv/weights")).toEqual([3, 3, 3, 40]);
    expect(shapes.get("MobilenetV2/expanded_conv_16/project/weights")?.at(-1)).toBe(416);
    expect(shapes.get("MobilenetV2/Conv_1/weights")?.at(-1)).toBe(1664);
  });
});
