/**
 * ONNX's operators as its specification states them, in plain NCHW loops: what an ONNX model of ours means, without a
 * runtime that may not be installed.
 */
import type { OnnxModel, OnnxNode } from "../../bench/peers/onnx-model.ts";
import type { Tensor } from "../../src/tensor.ts";
import { sizeOf } from "../../src/tensor.ts";

const listOf = (node: OnnxNode, name: string): readonly number[] => {
  const ints = node.attribute.find((a) => a.name === name)?.ints;
  if (!ints) throw new Error(`${node.name} has no ${name}`);
  return ints;
};
const numberOf = (node: OnnxNode, name: string, usual: number): number =>
  node.attribute.find((a) => a.name === name)?.i ?? usual;

/** Calls `cell` for each cell of a window that lies inside the map; `pads` are [top, left, bottom, right]. */
function window(
  node: OnnxNode,
  [, , height, width]: readonly number[],
  dilations: readonly number[],
): {
  out: [number, number];
  cells(y: number, x: number, cell: (at: number, kernel: number) => void): void;
} {
  const [kernelH, kernelW] = listOf(node, "kernel_shape");
  const [strideH, strideW] = listOf(node, "strides");
  const [top, left, bottom, right] = listOf(node, "pads");
  const side = (size: number, pads: number, kernel: number, dilation: number, stride: number) =>
    Math.floor((size + pads - dilation * (kernel - 1) - 1) / stride) + 1;
  return {
    out: [
      side(height, top + bottom, kernelH, dilations[0], strideH),
      side(width, left + right, kernelW, dilations[1], strideW),
    ],
    cells(y, x, cell) {
      for (let ky = 0; ky < kernelH; ky++) {
        const row = y * strideH - top + ky * dilations[0];
        for (let kx = 0; kx < kernelW; kx++) {
          const column = x * strideW - left + kx * dilations[1];
          if (row < 0 || row >= height || column < 0 || column >= width) continue;
          cell(row * width + column, ky * kernelW + kx);
        }
      }
    },
  };
}

function over(
  shape: readonly number[],
  value: (n: number, c: number, y: number, x: number) => number,
): Tensor {
  const data = new Float32Array(sizeOf(shape));
  let at = 0;
  for (let n = 0; n < shape[0]; n++)
    for (let c = 0; c < shape[1]; c++)
      for (let y = 0; y < shape[2]; y++) for (let x = 0; x < shape[3]; x++) data[at++] = value(n, c, y, x);
  return { shape, data };
}

function conv(node: OnnxNode, [x, filter, bias]: readonly Tensor[]): Tensor {
  const [batch, channels, height, width] = x.shape;
  const [outputs, inputs] = filter.shape;
  const group = numberOf(node, "group", 1);
  if (inputs !== channels / group) throw new Error(`${node.name}: ${inputs} inputs, ${channels} / ${group}`);
  const { out, cells } = window(node, x.shape, listOf(node, "dilations"));
  const plane = height * width;
  const kernel = filter.shape[2] * filter.shape[3];
  return over([batch, outputs, ...out], (n, o, row, column) => {
    const first = Math.floor(o / (outputs / group)) * inputs;
    let sum = bias.data[o];
    cells(row, column, (at, k) => {
      for (let i = 0; i < inputs; i++)
        sum += x.data[(n * channels + first + i) * plane + at] * filter.data[(o * inputs + i) * kernel + k];
    });
    return sum;
  });
}

function pool(node: OnnxNode, [x]: readonly Tensor[]): Tensor {
  const [batch, channels, height, width] = x.shape;
  const { out, cells } = window(node, x.shape, [1, 1]);
  return over([batch, channels, ...out], (n, c, row, column) => {
    const values: number[] = [];
    cells(row, column, (at) => values.push(x.data[(n * channels + c) * height * width + at]));
    if (node.opType === "MaxPool") return Math.max(...values);
    // ONNX counts cells outside the map only where this is 1.
    if (numberOf(node, "count_include_pad", 0) !== 0) throw new Error("cells outside the map are counted");
    return values.reduce((sum, v) => sum + v, 0) / values.length;
  });
}

function transpose(node: OnnxNode, [x]: readonly Tensor[]): Tensor {
  const perm = listOf(node, "perm");
  const steps = x.shape.map((_, i) => sizeOf(x.shape.slice(i + 1)));
  const shape = perm.map((i) => x.shape[i]);
  return over(shape, (...index) => x.data[index.reduce((at, k, i) => at + k * steps[perm[i]], 0)]);
}

const each = (x: Tensor, f: (v: number, i: number) => number): Tensor => ({
  shape: x.shape,
  data: x.data.map(f),
});

const operators: Readonly<Record<string, (node: OnnxNode, inputs: readonly Tensor[]) => Tensor>> = {
  Conv: conv,
  MaxPool: pool,
  AveragePool: pool,
  Transpose: transpose,
  Relu: (_, [x]) => each(x, (v) => Math.max(0, v)),
  Clip: (_, [x, low, high]) => each(x, (v) => Math.min(high.data[0], Math.max(low.data[0], v))),
  Add: (_, [a, b]) => each(a, (v, i) => v + b.data[i]),
  GlobalAveragePool: (_, [x]) => {
    const plane = x.shape[2] * x.shape[3];
    return over([x.shape[0], x.shape[1], 1, 1], (n, c) => {
      const from = (n * x.shape[1] + c) * plane;
      return x.data.subarray(from, from + plane).reduce((sum, v) => sum + v, 0) / plane;
    });
  },
  Concat: (node, inputs) => {
    if (numberOf(node, "axis", 0) !== 1) throw new Error(`${node.name} does not join channels`);
    const [batch, , height, width] = inputs[0].shape;
    const parts = inputs.map((t) => sizeOf(t.shape) / batch);
    const data = new Float32Array(batch * parts.reduce((a, b) => a + b, 0));
    let at = 0;
    for (let n = 0; n < batch; n++)
      inputs.forEach((t, i) => {
        data.set(t.data.subarray(n * parts[i], (n + 1) * parts[i]), at);
        at += parts[i];
      });
    return { shape: [batch, inputs.reduce((c, t) => c + t.shape[1], 0), height, width], data };
  },
};

/** The value called "features" that `model` makes of `images`, whose shape its input states. */
export function interpret({ graph }: OnnxModel, images: Tensor): Tensor {
  const values = new Map<string, Tensor>([["images", images]]);
  for (const { name, dims, rawData } of graph.initializer) {
    const data = new Float32Array(rawData.slice().buffer);
    if (data.length !== sizeOf(dims)) throw new Error(`${name} holds ${data.length} values`);
    values.set(name, { shape: dims, data });
  }
  for (const node of graph.node) {
    const inputs = node.input.map((name) => {
      const value = values.get(name);
      if (!value) throw new Error(`${node.name} reads ${name}, which nothing made before it`);
      return value;
    });
    values.set(node.output[0], operators[node.opType](node, inputs));
  }
  const features = values.get("features");
  if (!features) throw new Error("there are no features");
  return features;
}
