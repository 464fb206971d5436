/**
 * TF-Slim's vocabulary on the graph builder: layers with their variables under their scopes. What TF-Slim keeps in an
 * arg_scope (batch norm's epsilon, activation, padding) is stated once a family.
 */
import type { GraphBuilder, Value } from "../engine/graph.ts";
import type { Padding } from "../kernels/geometry.ts";
import type { Activation } from "../kernels/op.ts";
import type { Shape } from "../tensor.ts";

/** What TF-Slim's arg_scope of a family says. */
export interface LayerDefaults {
  readonly batchNorm: {
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
  /** Batch norm (the default) or biases. */
  readonly normalizer?: "batch_norm" | "biases";
}

type Side = number | readonly [number, number];
const pair = (side: Side): readonly [number, number] => (typeof side === "number" ? [side, side] : side);

export interface Layers {
  /** slim.conv2d: convolution, then batch norm or biases, then the activation. */
  conv(x: Value, scope: string, depth: number, kernel: Side, options?: ConvOptions): Value;
  /** slim.max_pool2d. */
  maxPool(x: Value, kernel: Side, stride: number, padding?: Padding): Value;
  /** slim.avg_pool2d. */
  avgPool(x: Value, kernel: Side, stride: number, padding?: Padding): Value;
  /** Joins on channels. */
  concat(parts: readonly Value[]): Value;
  softmax(x: Value): Value;
  /** tf.squeeze over height and width. */
  squeeze(x: Value): Value;
}

export function slimLayers(b: GraphBuilder, defaults: LayerDefaults): Layers {
  const activate = (x: Value, activation: Activation): Value =>
    activation === "none" ? x : b.op(activation, {}, [x]);

  const batchNorm = (x: Value): Value => {
    const vector: Shape = [b.shapeOf(x).at(-1) ?? 1];
    const { epsilon, scale } = defaults.batchNorm;
    return b.scope("BatchNorm", () =>
      b.op("batch_norm", { epsilon, scale }, [
        x,
        b.variable("moving_mean", vector),
        b.variable("moving_variance", vector),
        b.variable("beta", vector),
        ...(scale ? [b.variable("gamma", vector)] : []),
      ]),
    );
  };

  return {
    conv: (x, scope, depth, kernel, options = {}) =>
      b.scope(scope, () => {
        const { stride = 1, padding = defaults.padding, activation = defaults.activation } = options;
        const [h, w] = pair(kernel);
        const filter = b.variable("weights", [h, w, b.shapeOf(x)[3], depth]);
        const sum = b.op("conv2d", { strides: [stride, stride], padding }, [x, filter]);
        const normalized =
          options.normalizer === "biases"
            ? b.op("bias_add", {}, [sum, b.variable("biases", [depth])])
            : batchNorm(sum);
        return activate(normalized, activation);
      }),
    maxPool: (x, kernel, stride, padding = defaults.padding) =>
      b.op("max_pool", { ksize: pair(kernel), strides: [stride, stride], padding }, [x]),
    avgPool: (x, kernel, stride, padding = defaults.padding) =>
      b.op("avg_pool", { ksize: pair(kernel), strides: [stride, stride], padding }, [x]),
    concat: (parts) => b.op("concat", { axis: 3 }, parts),
    softmax: (x) => b.op("softmax", {}, [x]),
    squeeze(x) {
      const [n, , , c] = b.shapeOf(x);
      return b.reshape(x, [n, c]);
    },
  };
}
