/** tensorflow.js: the layers as the calls that its own converter's executor makes, fused wherever it can. */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { type Convolution, type Layer, lower, type Pads } from "../lower.ts";
import type { Engine, OpenEngine, Workload } from "../workload.ts";

type Explicit = [[number, number], [number, number], [number, number], [number, number]];

const explicit = ({ top, bottom, left, right }: Pads): Explicit | "valid" =>
  top || bottom || left || right
    ? [
        [0, 0],
        [top, bottom],
        [left, right],
        [0, 0],
      ]
    : "valid";

const activationOf = { none: "linear", relu: "relu", relu6: "relu6" } as const;

type Values = Map<number, tf.Tensor4D>;

/**
 * A filter in pieces of output channels that a binding can hold: the library hands over a larger one as it is, and its
 * results are then wrong (vgg's fc6 on adapters that bind 128 MiB).
 */
function piecesOf({ filter, bias }: Convolution, mostBytes: number) {
  const [height, width, inC, outC] = filter.shape;
  const rows = height * width * inC;
  const most = Math.max(1, Math.floor(mostBytes / (4 * rows)));
  const pieces: { filter: tf.Tensor4D; bias: tf.Tensor1D }[] = [];
  for (let first = 0; first < outC; first += most) {
    const own = Math.min(most, outC - first);
    let data = filter.data;
    if (own < outC) {
      data = new Float32Array(rows * own);
      for (let r = 0; r < rows; r++)
        data.set(filter.data.subarray(r * outC + first, r * outC + first + own), r * own);
    }
    pieces.push({
      filter: tf.tensor4d(data, [height, width, inC, own]),
      bias: tf.tensor1d(bias.subarray(first, first + own)),
    });
  }
  return pieces;
}

/** The call of a layer; its weights become tensors once. */
function caller(layer: Layer, mostBytes: number): (values: Values) => tf.Tensor4D {
  const at = (values: Values, value: number) => values.get(value) as tf.Tensor4D;
  switch (layer.kind) {
    case "conv":
    case "depthwise": {
      const common = {
        strides: [...layer.strides] as [number, number],
        pad: explicit(layer.pads),
        dilations: [...layer.dilations] as [number, number],
        activation: activationOf[layer.activation],
      };
      // The depthwise call's type leaves out explicit pads, which it takes as conv2d does.
      if (layer.kind === "depthwise") {
        const weights = {
          filter: tf.tensor4d(layer.filter.data, layer.filter.shape as [number, number, number, number]),
          bias: tf.tensor1d(layer.bias),
        };
        return (v) =>
          tf.fused.depthwiseConv2d({
            ...common,
            ...weights,
            pad: common.pad as "valid",
            x: at(v, layer.input),
          });
      }
      const pieces = piecesOf(layer, mostBytes);
      return (v) => {
        const made = pieces.map((piece) => tf.fused.conv2d({ ...common, ...piece, x: at(v, layer.input) }));
        return made.length === 1 ? made[0] : tf.concat(made, 3);
      };
    }
    case "max_pool":
    case "avg_pool": {
      const pool = layer.kind === "max_pool" ? tf.maxPool : tf.avgPool;
      const [ksize, strides] = [[...layer.ksize], [...layer.strides]] as [number, number][];
      return (v) => pool(at(v, layer.input), ksize, strides, explicit(layer.pads));
    }
    case "mean":
      return (v) => tf.mean(at(v, layer.input), [1, 2], true);
    case "concat":
      return (v) =>
        tf.concat(
          layer.inputs.map((i) => at(v, i)),
          3,
        );
    case "add": {
      const [a, b] = layer.inputs;
      const then = { none: (x: tf.Tensor4D) => x, relu: tf.relu, relu6: tf.relu6 }[layer.activation];
      return (v) => then(tf.add(at(v, a), at(v, b)));
    }
  }
}

async function open(
  work: Workload,
  about: string,
  { adapter, mostBytes = Number.POSITIVE_INFINITY }: { adapter?: string; mostBytes?: number } = {},
): Promise<Engine> {
  await tf.ready();
  const { layers, input, inputShape, output } = await lower(work.graph, work.endPoint, work.weights);
  const calls = layers.map((layer) => ({ output: layer.output, call: caller(layer, mostBytes) }));
  return {
    about: `tensorflow.js ${tf.version_core}, ${about}`,
    adapter,
    async run(images) {
      const features = tf.tidy(() => {
        const values: Values = new Map();
        values.set(input, tf.tensor4d(images, inputShape as [number, number, number, number]));
        for (const { output, call } of calls) values.set(output, call(values));
        return values.get(output) as tf.Tensor4D;
      });
      const data = (await features.data()) as Float32Array;
      features.dispose();
      return data;
    },
    async close() {},
  };
}

export const tfjsCpu: OpenEngine = async (work) => {
  await import("@tensorflow/tfjs-backend-cpu");
  await tf.setBackend("cpu");
  return open(work, "plain JavaScript");
};

/** On the Dawn that our own engine runs on: the package's browser calls find it where a browser has it. */
export const tfjsWebGpu: OpenEngine = async (work) => {
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals);
  const gpu = create([]);
  Object.defineProperty(globalThis, "navigator", { value: { gpu, userAgent: "node" }, configurable: true });
  await import("@tensorflow/tfjs-backend-webgpu");
  await tf.setBackend("webgpu");
  const { adapterInfo } = tf.backend() as unknown as { adapterInfo: { description?: string } };
  const found = await gpu.requestAdapter();
  const name = found?.info.description ?? JSON.stringify(adapterInfo);
  return open(work, name, { adapter: name, mostBytes: found?.limits.maxStorageBufferBindingSize });
};

const wasm =
  (simd: boolean): OpenEngine =>
  async (work) => {
    const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
    const binaries = dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm"));
    setWasmPaths(join(binaries, "/"));
    tf.env().set("WASM_HAS_SIMD_SUPPORT", simd);
    tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    await tf.setBackend("wasm");
    return open(work, `WebAssembly ${simd ? "with" : "without"} SIMD, one thread`);
  };

export const tfjsWasm = wasm(false);
export const tfjsWasmSimd = wasm(true);
