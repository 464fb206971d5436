/**
 * A lowered network as an ONNX model in plain objects, ready for the protobuf encoder. Maps are NCHW inside, with one
 * transpose at either border; filters become OIHW. Field names are those of onnx.proto.
 */
import type { Activation } from "../../src/kernels/op.ts";
import { sizeOf } from "../../src/tensor.ts";
import type { Layer, Lowered, Pads } from "./lower.ts";

/** The numbers that onnx.proto gives to kinds of attributes and to float32. */
const kinds = { i: 2, ints: 7 } as const;
const float32 = 1;

export interface OnnxAttribute {
  readonly name: string;
  readonly type: number;
  readonly i?: number;
  readonly ints?: readonly number[];
}

export interface OnnxNode {
  readonly opType: string;
  readonly name: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly OnnxAttribute[];
}

export interface OnnxTensor {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType: number;
  readonly rawData: Uint8Array;
}

export interface OnnxModel {
  readonly irVersion: number;
  readonly producerName: string;
  readonly opsetImport: readonly { readonly domain: string; readonly version: number }[];
  readonly graph: {
    readonly name: string;
    readonly node: readonly OnnxNode[];
    readonly initializer: readonly OnnxTensor[];
    readonly input: readonly object[];
    readonly output: readonly object[];
  };
}

const tensor = (name: string, dims: readonly number[], values: Float32Array): OnnxTensor => ({
  name,
  dims,
  dataType: float32,
  rawData: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
});

const described = (name: string, shape: readonly number[]) => ({
  name,
  type: { tensorType: { elemType: float32, shape: { dim: shape.map((dimValue) => ({ dimValue })) } } },
});

/** HWIO to OIHW; for a depthwise filter [h, w, c, m] to [c * m, 1, h, w]. */
export function transposedFilter(shape: readonly number[], data: Float32Array): Float32Array {
  const [h, w] = shape;
  const planes = sizeOf(shape) / (h * w);
  const outputs = shape[3];
  const inputs = planes / outputs;
  const result = new Float32Array(data.length);
  let at = 0;
  for (let o = 0; o < outputs; o++)
    for (let i = 0; i < inputs; i++)
      for (let cell = 0; cell < h * w; cell++) result[at++] = data[cell * planes + i * outputs + o];
  return result;
}

export function onnxModel(
  name: string,
  { input, inputShape, layers, output, outputShape }: Lowered,
): OnnxModel {
  const nodes: OnnxNode[] = [];
  const initializers: OnnxTensor[] = [];
  const map = (value: number) => `map${value}`;
  const ints = (name: string, ...ints: number[]): OnnxAttribute => ({ name, type: kinds.ints, ints });
  const int = (name: string, i: number): OnnxAttribute => ({ name, type: kinds.i, i });
  const add = (
    opType: string,
    inputs: readonly string[],
    to: string,
    ...attribute: readonly OnnxAttribute[]
  ) => {
    nodes.push({ opType, name: `${opType} ${to}`, input: inputs, output: [to], attribute });
  };
  const store = (name: string, dims: readonly number[], values: Float32Array): string => {
    initializers.push(tensor(name, dims, values));
    return name;
  };
  const pads = ({ top, left, bottom, right }: Pads) => ints("pads", top, left, bottom, right);

  const constants = new Map<number, string>();
  const constant = (value: number): string => {
    const name = constants.get(value) ?? store(`constant ${value}`, [], Float32Array.of(value));
    constants.set(value, name);
    return name;
  };

  /** Where a layer writes what its activation then reads. */
  const before = (layer: Layer, activation: Activation) =>
    activation === "none" ? map(layer.output) : `${map(layer.output)} before`;
  const activate = (layer: Layer, activation: Activation) => {
    if (activation === "relu") add("Relu", [before(layer, activation)], map(layer.output));
    if (activation === "relu6")
      add("Clip", [before(layer, activation), constant(0), constant(6)], map(layer.output));
  };

  add("Transpose", ["images"], map(input), ints("perm", 0, 3, 1, 2));
  for (const layer of layers) {
    switch (layer.kind) {
      case "conv":
      case "depthwise": {
        const { shape, data } = layer.filter;
        const [h, w, c, m] = shape;
        const [dims, group] = layer.kind === "conv" ? [[m, c, h, w], 1] : [[c * m, 1, h, w], c];
        // Depthwise, [h, w, c * m] has one input and c * m outputs.
        const plain = layer.kind === "conv" ? shape : [h, w, 1, c * m];
        const filter = store(`${layer.name}/filter`, dims, transposedFilter(plain, data));
        const bias = store(`${layer.name}/bias`, [dims[0]], layer.bias);
        add(
          "Conv",
          [map(layer.input), filter, bias],
          before(layer, layer.activation),
          ints("kernel_shape", h, w),
          ints("strides", ...layer.strides),
          ints("dilations", ...layer.dilations),
          pads(layer.pads),
          int("group", group),
        );
        activate(layer, layer.activation);
        break;
      }
      case "max_pool":
      case "avg_pool":
        add(
          layer.kind === "max_pool" ? "MaxPool" : "AveragePool",
          [map(layer.input)],
          map(layer.output),
          ints("kernel_shape", ...layer.ksize),
          ints("strides", ...layer.strides),
          pads(layer.pads),
          // Of an average, cells outside the map do not count.
          ...(layer.kind === "avg_pool" ? [int("count_include_pad", 0)] : []),
        );
        break;
      case "mean":
        add("GlobalAveragePool", [map(layer.input)], map(layer.output));
        break;
      case "concat":
        add("Concat", layer.inputs.map(map), map(layer.output), int("axis", 1));
        break;
      case "add":
        add("Add", layer.inputs.map(map), before(layer, layer.activation));
        activate(layer, layer.activation);
        break;
    }
  }
  add("Transpose", [map(output)], "features", ints("perm", 0, 2, 3, 1));
  return {
    irVersion: 8,
    producerName: "slimfeatures",
    opsetImport: [{ domain: "", version: 13 }],
    graph: {
      name,
      node: nodes,
      initializer: initializers,
      input: [described("images", inputShape)],
      output: [described("features", outputShape)],
    },
  };
}
