/**
 * A network of ours as other engines' converters would hand it over: batch norm folded into the filters, bias and
 * activation with the layer that makes the value, TensorFlow's SAME as explicit pads. Taken from the graph before our
 * own passes, so that nothing of what our engine does to it reaches the peers.
 */
import type { Graph, GraphNode, Value } from "../../src/engine/graph.ts";
import { neededBy } from "../../src/engine/needs.ts";
import type { WeightSource } from "../../src/engine/weights.ts";
import type { BatchNormAttrs } from "../../src/kernels/elementwise.ts";
import type { WindowGeometry } from "../../src/kernels/geometry.ts";
import { type OpName, opOf } from "../../src/kernels/index.ts";
import type { Activation } from "../../src/kernels/op.ts";
import type { Shape, Tensor } from "../../src/tensor.ts";

/** Cells added on each side. */
export interface Pads {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

interface Window {
  readonly input: Value;
  readonly strides: readonly [number, number];
  readonly pads: Pads;
}

export interface Convolution extends Window {
  readonly dilations: readonly [number, number];
  /** HWIO, or [height, width, channels, multiplier] of a depthwise one. */
  filter: Tensor;
  bias: Float32Array;
  activation: Activation;
}

/** One layer; maps are NHWC. */
export type Layer = { readonly output: Value; readonly name: string; readonly shape: Shape } & (
  | ({ readonly kind: "conv" } & Convolution)
  | ({ readonly kind: "depthwise" } & Convolution)
  | ({ readonly kind: "max_pool" | "avg_pool"; readonly ksize: readonly [number, number] } & Window)
  | { readonly kind: "mean"; readonly input: Value }
  | { readonly kind: "concat"; readonly inputs: readonly Value[] }
  | { readonly kind: "add"; readonly inputs: readonly Value[]; activation: Activation }
);

export interface Lowered {
  readonly input: Value;
  readonly inputShape: Shape;
  readonly layers: readonly Layer[];
  readonly output: Value;
  readonly outputShape: Shape;
}

type OpNode = Extract<GraphNode, { kind: "op" }>;

function windowOf(g: WindowGeometry, input: Value): Window {
  /** What the last window needs past the end; nothing where a stride leaves cells over. */
  const after = (
    size: number,
    out: number,
    stride: number,
    kernel: number,
    dilation: number,
    before: number,
  ) => Math.max(0, (out - 1) * stride + (kernel - 1) * dilation + 1 - size - before);
  return {
    input,
    strides: [g.strideH, g.strideW],
    pads: {
      top: g.padTop,
      bottom: after(g.inH, g.outH, g.strideH, g.kernelH, g.dilationH, g.padTop),
      left: g.padLeft,
      right: after(g.inW, g.outW, g.strideW, g.kernelW, g.dilationW, g.padLeft),
    },
  };
}

/** Scales every output channel of a filter and puts `offset` in its bias. */
function foldNorm(
  layer: Convolution,
  [mean, variance, beta, gamma]: readonly Float32Array[],
  epsilon: number,
): void {
  const scale = Float64Array.from(variance, (v, c) => (gamma ? gamma[c] : 1) / Math.sqrt(v + epsilon));
  const channels = scale.length;
  const { shape, data } = layer.filter;
  layer.filter = { shape, data: data.map((v, i) => v * scale[i % channels]) };
  layer.bias = layer.bias.map((b, c) => beta[c] + (b - mean[c]) * scale[c]);
}

/** The layers up to the end point called `endPoint`, with the values of their weights. */
export async function lower(graph: Graph, endPoint: string, weights: WeightSource): Promise<Lowered> {
  const wanted = graph.endPoints.get(endPoint);
  if (wanted === undefined) throw new Error(`There is no end point ${endPoint}.`);
  const needed = neededBy(graph, [wanted]);
  const layers: Layer[] = [];
  /** The layer that holds each value: its own, or the one that it was folded into. */
  const holders = new Map<Value, Layer>();
  const readers = new Map<Value, number>();
  for (const value of needed) {
    const node = graph.nodes[value];
    if (node.kind === "op") for (const i of node.inputs) readers.set(i, (readers.get(i) ?? 0) + 1);
  }
  const held = (value: Value): Value => holders.get(value)?.output ?? value;
  const read = async (value: Value): Promise<Float32Array> => {
    const node = graph.nodes[value];
    if (node.kind !== "variable") throw new Error(`value ${value} is not a variable`);
    return weights.read(node.name);
  };
  const none = (node: OpNode): Error =>
    new Error(`${node.op} in ${node.scope} has no form here that the peers would run.`);

  /** The layer that `node` can be folded into. */
  function into(node: OpNode): Convolution | undefined {
    const layer = holders.get(node.inputs[0]);
    const plain = layer?.kind === "conv" || layer?.kind === "depthwise" ? layer : undefined;
    return readers.get(node.inputs[0]) === 1 && plain?.activation === "none" ? plain : undefined;
  }

  async function convolution(node: OpNode, g: WindowGeometry): Promise<Convolution> {
    return {
      ...windowOf(g, held(node.inputs[0])),
      dilations: [g.dilationH, g.dilationW],
      filter: { shape: graph.nodes[node.inputs[1]].shape, data: await read(node.inputs[1]) },
      bias: new Float32Array(g.outC),
      activation: "none",
    };
  }

  async function layerOf(node: OpNode, output: Value): Promise<Layer | undefined> {
    const place = { output, name: node.scope, shape: node.shape };
    const geometry = () =>
      opOf(node.op).infer(
        node.inputs.map((v) => graph.nodes[v].shape),
        node.attrs,
      ) as WindowGeometry;
    switch (node.op satisfies OpName) {
      case "conv2d":
        return { kind: "conv", ...place, ...(await convolution(node, geometry())) };
      case "depthwise_conv2d":
        return { kind: "depthwise", ...place, ...(await convolution(node, geometry())) };
      case "max_pool":
      case "avg_pool": {
        const g = geometry();
        return {
          kind: node.op as "max_pool" | "avg_pool",
          ...place,
          ...windowOf(g, held(node.inputs[0])),
          ksize: [g.kernelH, g.kernelW],
        };
      }
      case "mean":
        // Kept as [N, 1, 1, C]: the mean of a map.
        if (node.shape.length !== 4 || node.shape[1] !== 1 || node.shape[2] !== 1) throw none(node);
        return { kind: "mean", ...place, input: held(node.inputs[0]) };
      case "concat":
        return { kind: "concat", ...place, inputs: node.inputs.map(held) };
      case "add":
        if (((node.attrs as { scale?: number }).scale ?? 1) !== 1) throw none(node);
        return { kind: "add", ...place, inputs: node.inputs.map(held), activation: "none" };
      default:
        return undefined;
    }
  }

  /** Whether `node` went into the layer before it. */
  async function folded(node: OpNode, value: Value): Promise<boolean> {
    const layer = holders.get(node.inputs[0]);
    if (!layer) return false;
    const target = into(node);
    if (node.op === "batch_norm" && target) {
      const { epsilon } = node.attrs as BatchNormAttrs;
      foldNorm(target, await Promise.all(node.inputs.slice(1).map(read)), epsilon);
    } else if (node.op === "bias_add" && target) {
      const bias = await read(node.inputs[1]);
      target.bias = target.bias.map((b, c) => b + bias[c]);
    } else if ((node.op === "relu" || node.op === "relu6") && (target || layer.kind === "add")) {
      (target ?? (layer as { activation: Activation })).activation = node.op;
    } else return false;
    holders.set(value, layer);
    return true;
  }

  for (const [value, node] of graph.nodes.entries()) {
    if (node.kind !== "op" || !needed.has(value)) continue;
    if (await folded(node, value)) continue;
    const layer = await layerOf(node, value);
    if (!layer) throw none(node);
    layers.push(layer);
    holders.set(value, layer);
  }
  const input = graph.nodes.findIndex((n, value) => n.kind === "input" && needed.has(value));
  return {
    input,
    inputShape: graph.nodes[input].shape,
    layers,
    output: held(wanted),
    outputShape: graph.nodes[wanted].shape,
  };
}
