/**
 * TF-Slim's vocabulary on the graph builder: layers with their variables under their scopes. What TF-Slim keeps in an
 * arg_scope (batch norm's epsilon, activation, padding) is stated once a family.
 */
import type { GraphBuilder, Value } from "../engine/graph.ts";
import { ShapeError } from "../errors.ts";
import type { Padding } from "../kernels/geometry.ts";
import type { Activation } from "../kernels/op.ts";

/** What a network is built for. */
export interface NetOptions {
  /** Width of the logits. */
  readonly classes: number;
  /** Average the last map over its whole area, as TF-Slim's global_pool=True does, so that any input size fits. */
  readonly globalPool: boolean;
}

/** Builds a network on images [N, height, width, channels]; gives the logits where the input size allows them. */
export type BuildNet = (b: GraphBuilder, images: Value, options: NetOptions) => Value | undefined;

/** What TF-Slim's arg_scope of a family says. */
export interface LayerDefaults {
  /** Absent where convolutions have biases instead. */
  readonly batchNorm?: {
    readonly epsilon: number;
    /** Whether the checkpoint holds a gamma. */
    readonly scale: boolean;
  };
  readonly activation: Activation;
  readonly padding: Padding;
}

export interface ConvOptions {
  readonly stride?: number;
  readonly padding?: Padding;
  readonly activation?: Activation;
  readonly normalizer?: "batch_norm" | "biases" | "none";
}

type Side = number | readonly [number, number];
const pair = (side: Side): readonly [number, number] => (typeof side === "number" ? [side, side] : side);

export interface Layers {
  /** slim.conv2d: convolution, then batch norm or biases, then the activation. */
  conv(x: Value, scope: string, depth: number, kernel: Side, options?: ConvOptions): Value;
  /** slim.separable_conv2d with num_outputs=None: one filter a channel. */
  depthwise(x: Value, scope: string, kernel: number, options?: ConvOptions): Value;
  /** slim.separable_conv2d: depthwise, then 1x1, nothing between; normalizer and activation follow. */
  separable(
    x: Value,
    scope: string,
    depth: number,
    kernel: number,
    options?: ConvOptions & { multiplier?: number },
  ): Value;
  /** slim.fully_connected on [N, inputs], with biases. */
  dense(x: Value, scope: string, depth: number, activation?: Activation): Value;
  /** slim.batch_norm whose variables stand directly under `scope`. */
  batchNorm(x: Value, scope: string, activation?: Activation): Value;
  maxPool(x: Value, kernel: Side, stride: number, padding?: Padding): Value;
  avgPool(x: Value, kernel: Side, stride: number, padding?: Padding): Value;
  /** The average over height and width, kept as [N, 1, 1, C]. */
  globalMean(x: Value): Value;
  /** Joins on channels. */
  concat(parts: readonly Value[]): Value;
  /** a + scale * b. */
  add(a: Value, b: Value, scale?: number): Value;
  relu(x: Value): Value;
  softmax(x: Value): Value;
  /** [N, H, W, C] as [N, H*W*C]. */
  flatten(x: Value): Value;
  /** [N, 1, 1, C] as [N, C]. @throws ShapeError when the map is larger. */
  squeeze(x: Value): Value;
  /** Height and width of a map. */
  area(x: Value): readonly [number, number];
  depth(x: Value): number;
}

export function slimLayers(b: GraphBuilder, defaults: LayerDefaults): Layers {
  const usual = defaults.batchNorm ? "batch_norm" : "biases";
  const area = (x: Value) => [b.shapeOf(x)[1], b.shapeOf(x)[2]] as const;
  const depthOf = (x: Value) => b.shapeOf(x).at(-1) ?? 1;
  const activate = (x: Value, activation: Activation) =>
    activation === "none" ? x : b.op(activation, {}, [x]);

  const norm = (x: Value): Value => {
    const { epsilon, scale } = defaults.batchNorm ?? { epsilon: 0.001, scale: false };
    const vector = (name: string) => b.variable(name, [depthOf(x)]);
    const statistics = [vector("moving_mean"), vector("moving_variance"), vector("beta")];
    return b.op("batch_norm", { epsilon, scale }, [x, ...statistics, ...(scale ? [vector("gamma")] : [])]);
  };

  /** What follows a convolution, inside its scope. */
  const finish = (x: Value, { normalizer = usual, activation = defaults.activation }: ConvOptions): Value => {
    if (normalizer === "biases")
      return activate(b.op("bias_add", {}, [x, b.variable("biases", [depthOf(x)])]), activation);
    return activate(normalizer === "batch_norm" ? b.scope("BatchNorm", () => norm(x)) : x, activation);
  };

  const depthwise = (x: Value, kernel: number, multiplier: number, options: ConvOptions): Value => {
    const { stride = 1, padding = defaults.padding } = options;
    const filter = b.variable("depthwise_weights", [kernel, kernel, depthOf(x), multiplier]);
    return b.op("depthwise_conv2d", { strides: [stride, stride], padding }, [x, filter]);
  };

  const pool =
    (op: "max_pool" | "avg_pool") =>
    (x: Value, kernel: Side, stride: number, padding = defaults.padding) =>
      b.op(op, { ksize: pair(kernel), strides: [stride, stride], padding }, [x]);

  return {
    conv: (x, scope, depth, kernel, options = {}) =>
      b.scope(scope, () => {
        const { stride = 1, padding = defaults.padding } = options;
        const filter = b.variable("weights", [...pair(kernel), depthOf(x), depth]);
        return finish(b.op("conv2d", { strides: [stride, stride], padding }, [x, filter]), options);
      }),
    depthwise: (x, scope, kernel, options = {}) =>
      b.scope(scope, () => finish(depthwise(x, kernel, 1, options), options)),
    separable: (x, scope, depth, kernel, options = {}) =>
      b.scope(scope, () => {
        const spread = depthwise(x, kernel, options.multiplier ?? 1, options);
        const filter = b.variable("pointwise_weights", [1, 1, depthOf(spread), depth]);
        return finish(b.op("conv2d", { strides: [1, 1], padding: "VALID" }, [spread, filter]), options);
      }),
    dense: (x, scope, depth, activation = defaults.activation) =>
      b.scope(scope, () =>
        finish(b.op("matmul", {}, [x, b.variable("weights", [depthOf(x), depth])]), {
          normalizer: "biases",
          activation,
        }),
      ),
    batchNorm: (x, scope, activation = "none") => b.scope(scope, () => activate(norm(x), activation)),
    maxPool: pool("max_pool"),
    avgPool: pool("avg_pool"),
    globalMean: (x) => b.op("mean", { axes: [1, 2], keepDims: true }, [x]),
    concat: (parts) => b.op("concat", { axis: 3 }, parts),
    add: (x, y, scale = 1) => b.op("add", { scale }, [x, y]),
    relu: (x) => b.op("relu", {}, [x]),
    softmax: (x) => b.op("softmax", {}, [x]),
    flatten: (x) =>
      b.reshape(x, [
        b.shapeOf(x)[0],
        b
          .shapeOf(x)
          .slice(1)
          .reduce((n, d) => n * d, 1),
      ]),
    squeeze(x) {
      const [n, h, w, c] = b.shapeOf(x);
      if (h !== 1 || w !== 1) {
        throw new ShapeError(
          `In ${b.scopeName}: the last map is ${h}x${w} where a single value a channel is wanted.`,
          "Use the network's own input size, or --global-pool to average the map.",
        );
      }
      return b.reshape(x, [n, c]);
    },
    area,
    depth: depthOf,
  };
}
