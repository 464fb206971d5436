/**
 * inception_v1 against TensorFlow: declaration and every end point (test/reference/pictures, and the photographs of the
 * larger reference set where it is at hand).
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compile } from "../../src/engine/compile.ts";
import { variablesOf } from "../../src/engine/graph.ts";
import { buildNetwork, findModel, returnedLogits } from "../../src/nets/index.ts";
import { statisticsDirectory } from "../../src/nets/seeded-weights.ts";
import { sizeOf } from "../../src/tensor.ts";
import { passed } from "../../src/verify/measure.ts";
import { verifyNets } from "../../src/verify/nets.ts";
import { describeOnDevices } from "../support/devices.ts";
import { needsShared, ownReference, sharedReference } from "../support/reference.ts";

const net = "inception_v1";
const reference = JSON.parse(await readFile(join(ownReference, `pictures/${net}.json`), "utf8")) as {
  variables: [string, number[]][];
  endPoints: { name: string; shape: number[] }[];
};
const graph = buildNetwork(findModel(net), 1);

describe("the declaration of inception_v1", () => {
  it("has TF-Slim's variables, name by name and shape by shape", () => {
    expect(
      variablesOf(graph)
        .map((v) => [v.name, v.shape])
        .sort(),
    ).toEqual([...reference.variables].sort());
  });

  it("has TF-Slim's end points in their order, with their shapes", () => {
    const ours = [...graph.endPoints].map(([name, value]) => ({ name, shape: graph.nodes[value].shape }));
    expect(ours).toEqual(reference.endPoints.map(({ name, shape }) => ({ name, shape })));
  });

  it("costs the multiply-adds that the literature counts", () => {
    const program = compile(graph, [returnedLogits]);
    expect(program.steps.reduce((sum, s) => sum + s.cost.macs, 0)).toBe(1_498_377_216);
    expect(variablesOf(graph).reduce((sum, v) => sum + sizeOf(v.shape), 0)).toBe(6_633_209);
  });

  it("needs no logits for the pooled feature", () => {
    const program = compile(graph, [findModel(net).featureEndPoint]);
    expect(program.variables.filter((v) => v.name.includes("Logits"))).toEqual([]);
  });
});

describeOnDevices("every end point of inception_v1", (device) => {
  async function verify(dir: string, options = {}): Promise<void> {
    let count = 0;
    for await (const verdict of verifyNets(dir, device(), { net, ...options })) {
      expect(passed(verdict), `${verdict.name}: ${verdict.error} of ${verdict.bound}`).toBe(true);
      count++;
    }
    expect(count).toBe(2 * reference.endPoints.length);
  }

  it("equals TensorFlow's on the drawn pictures", () =>
    verify(join(ownReference, "pictures"), { stats: statisticsDirectory }));

  it("does so as the last of a batch of three", () =>
    verify(join(ownReference, "pictures"), { stats: statisticsDirectory, batch: 3 }));

  it.skipIf(!sharedReference)(`equals TensorFlow's on photographs${needsShared}`, () =>
    verify(join(sharedReference as string, "nets")),
  );
});
