/** The ONNX model that the peers run means the network that our engine runs. */
import { describe, expect, it } from "vitest";
import { lower } from "../../bench/peers/lower.ts";
import { onnxModel, transposedFilter } from "../../bench/peers/onnx-model.ts";
import { compile } from "../../src/engine/compile.ts";
import { createGraph, type GraphBuilder, variablesOf } from "../../src/engine/graph.ts";
import type { WeightSource } from "../../src/engine/weights.ts";
import { slimLayers } from "../../src/nets/layers.ts";
import { seededTensor, seededUnits } from "../../src/seeded.ts";
import { sizeOf } from "../../src/tensor.ts";
import { maxAbs, relativeError } from "../../src/verify/measure.ts";
import { openCpu } from "../support/node.ts";
import { interpret } from "./onnx-interpreter.ts";

/** A small network with every layer that the peers' networks have, at sizes where SAME pads one side more. */
function smallNetwork(batch: number) {
  const b: GraphBuilder = createGraph();
  const images = b.input("images", [batch, 20, 24, 3]);
  const normed = slimLayers(b, {
    batchNorm: { epsilon: 0.001, scale: true },
    activation: "relu6",
    padding: "SAME",
  });
  const biased = slimLayers(b, { activation: "relu", padding: "SAME" });
  const stem = normed.conv(images, "stem", 8, [3, 5], { stride: 2 });
  const spread = normed.depthwise(stem, "depthwise", 3, { stride: 1 });
  const branches = [
    biased.conv(spread, "one", 5, 1),
    biased.conv(normed.avgPool(spread, 3, 1), "averaged", 6, 3),
    normed.maxPool(spread, 3, 1),
  ];
  const joined = normed.concat(branches);
  const valid = biased.conv(normed.maxPool(joined, 2, 2, "VALID"), "valid", 7, 3, { padding: "VALID" });
  const side = biased.conv(valid, "side", 7, 1, { activation: "none" });
  const explicit = biased.conv(b.op("relu", {}, [normed.add(valid, side)]), "explicit", 9, 3, {
    stride: 2,
    padding: [
      [1, 1],
      [1, 1],
    ],
  });
  b.endPoint("map", explicit);
  b.endPoint("mean", normed.globalMean(explicit));
  return b.finish();
}

function weightsOf(graph: ReturnType<typeof smallNetwork>): WeightSource {
  const shapes = new Map(variablesOf(graph).map((v) => [v.name, v.shape]));
  return {
    name: "weights of the test",
    shapeOf: (name) => shapes.get(name),
    // Variances must be positive.
    read: async (name) =>
      seededTensor(name, shapes.get(name) ?? [], 0.4, /variance|gamma/.test(name) ? 1 : 0),
  };
}

describe("the ONNX model of a network", () => {
  const batch = 2;
  const graph = smallNetwork(batch);
  const images = seededUnits("test/onnx", sizeOf([batch, 20, 24, 3]));

  it.each(["map", "mean"])("computes what our engine computes, up to %s", async (endPoint) => {
    const device = openCpu();
    const session = await device.load(compile(graph, [endPoint]), weightsOf(graph));
    const [ours] = await session.run([images]);
    session.close();
    await device.close();
    const model = onnxModel("small", await lower(graph, endPoint, weightsOf(graph)));
    const theirs = interpret(model, { shape: [batch, 20, 24, 3], data: images });
    expect(theirs.shape).toEqual(endPoint === "map" ? [batch, 2, 2, 9] : [batch, 1, 1, 9]);
    expect(maxAbs(ours)).toBeGreaterThan(0.1);
    expect(relativeError(theirs.data, ours, maxAbs(ours))).toBeLessThan(1e-5);
  });

  it("has batch norm, bias and activation in the convolutions, and one transpose at either border", async () => {
    const { graph: onnx } = onnxModel("small", await lower(graph, "mean", weightsOf(graph)));
    expect(onnx.node.map((n) => n.opType)).toEqual([
      ...["Transpose", "Conv", "Clip", "Conv", "Clip"],
      ...["Conv", "Relu", "AveragePool", "Conv", "Relu", "MaxPool", "Concat"],
      ...["MaxPool", "Conv", "Relu", "Conv", "Add", "Relu", "Conv", "Relu", "GlobalAveragePool", "Transpose"],
    ]);
    const names = onnx.initializer.map((t) => t.name);
    expect(new Set(names).size).toBe(names.length);
  });

  it("refuses a layer that it has no form for", async () => {
    const b = createGraph();
    b.endPoint("p", b.op("softmax", {}, [b.input("images", [1, 4])]));
    const softmax = b.finish();
    await expect(lower(softmax, "p", weightsOf(softmax))).rejects.toThrow(/softmax .* has no form/);
  });

  it("transposes filters from HWIO to OIHW", () => {
    // 1x2 cells, 2 inputs, 3 outputs: the value says cell, input and output.
    const hwio = Float32Array.of(0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112);
    expect([...transposedFilter([1, 2, 2, 3], hwio)]).toEqual([
      0, 100, 10, 110, 1, 101, 11, 111, 2, 102, 12, 112,
    ]);
  });
});
