/**
 * ResNet v1, "Deep residual learning for image recognition", and v2, "Identity mappings in deep residual networks", He
 * et al., 2015 and 2016, as TF-Slim builds them (research/slim/nets/resnet_v1.py, resnet_v2.py, resnet_utils.py). The
 * stride of a block sits in its last unit, unlike the paper's.
 */
import type { GraphBuilder, Value } from "../engine/graph.ts";
import { type BuildNet, type ConvOptions, type Layers, type NetOptions, slimLayers } from "./layers.ts";

/** A block's rows: scope, depth of its bottleneck (a quarter of its output), stride of its last unit. */
const blocks = [
  ["block1", 64, 2],
  ["block2", 128, 2],
  ["block3", 256, 2],
  ["block4", 512, 1],
] as const;

/** resnet_arg_scope: batch norm with gamma, epsilon 1e-5. */
const layersOf = (b: GraphBuilder): Layers =>
  slimLayers(b, { batchNorm: { epsilon: 1e-5, scale: true }, activation: "relu", padding: "SAME" });

const linear: ConvOptions = { activation: "none" };
const biased: ConvOptions = { activation: "none", normalizer: "biases" };

/**
 * resnet_utils.conv2d_same: with a stride, the padding depends on the kernel alone, so that it is the same before and
 * after; TensorFlow's SAME would put the odd row behind.
 */
function convSame(
  l: Layers,
  x: Value,
  scope: string,
  depth: number,
  kernel: number,
  stride: number,
  options: ConvOptions = {},
): Value {
  if (stride === 1) return l.conv(x, scope, depth, kernel, options);
  const before = Math.floor((kernel - 1) / 2);
  const side = [before, kernel - 1 - before] as const;
  return l.conv(x, scope, depth, kernel, { ...options, stride, padding: [side, side] });
}

/** resnet_utils.subsample. */
const subsample = (l: Layers, x: Value, stride: number) => (stride === 1 ? x : l.maxPool(x, 1, stride));

type Unit = (b: GraphBuilder, l: Layers, x: Value, bottleneck: number, stride: number) => Value;

const endPointHere = (b: GraphBuilder, name: string, x: Value) => b.endPoint(`${b.scopeName}/${name}`, x);

const bottleneckV1: Unit = (b, l, x, bottleneck, stride) => {
  const depth = 4 * bottleneck;
  const shortcut =
    l.depth(x) === depth
      ? subsample(l, x, stride)
      : endPointHere(b, "shortcut", l.conv(x, "shortcut", depth, 1, { ...linear, stride }));
  let y = endPointHere(b, "conv1", l.conv(x, "conv1", bottleneck, 1));
  y = endPointHere(b, "conv2", convSame(l, y, "conv2", bottleneck, 3, stride));
  y = endPointHere(b, "conv3", l.conv(y, "conv3", depth, 1, linear));
  return l.relu(l.add(shortcut, y));
};

const bottleneckV2: Unit = (b, l, x, bottleneck, stride) => {
  const depth = 4 * bottleneck;
  const preact = l.batchNorm(x, "preact", "relu");
  const shortcut =
    l.depth(x) === depth
      ? subsample(l, x, stride)
      : endPointHere(b, "shortcut", l.conv(preact, "shortcut", depth, 1, { ...biased, stride }));
  let y = endPointHere(b, "conv1", l.conv(preact, "conv1", bottleneck, 1));
  y = endPointHere(b, "conv2", convSame(l, y, "conv2", bottleneck, 3, stride));
  y = endPointHere(b, "conv3", l.conv(y, "conv3", depth, 1, biased));
  return l.add(shortcut, y);
};

interface Version {
  /** What a unit's scope is called. */
  readonly unitScope: string;
  readonly unit: Unit;
  readonly root: ConvOptions;
  /** After the last block. */
  readonly finish: (l: Layers, x: Value) => Value;
}

const v1: Version = { unitScope: "bottleneck_v1", unit: bottleneckV1, root: {}, finish: (_, x) => x };
const v2: Version = {
  unitScope: "bottleneck_v2",
  unit: bottleneckV2,
  root: biased,
  finish: (l, x) => l.batchNorm(x, "postnorm", "relu"),
};

function head(b: GraphBuilder, l: Layers, x: Value, { classes }: NetOptions): Value {
  const pooled = b.endPoint("global_pool", l.globalMean(x));
  const map = endPointHere(b, "logits", l.conv(pooled, "logits", classes, 1, biased));
  const logits = endPointHere(b, "spatial_squeeze", l.squeeze(map));
  b.endPoint("predictions", l.softmax(logits));
  return logits;
}

/** The network called `scope` with `units` in its four blocks. */
const resnet =
  (version: Version, scope: string, units: readonly number[]): BuildNet =>
  (b, images, options) => {
    const l = layersOf(b);
    return b.scope(scope, () => {
      let x = endPointHere(b, "conv1", convSame(l, images, "conv1", 64, 7, 2, version.root));
      x = l.maxPool(x, 3, 2);
      blocks.forEach(([name, bottleneck, lastStride], i) => {
        x = b.scope(name, () => {
          let y = x;
          for (let k = 1; k <= units[i]; k++) {
            const stride = k === units[i] ? lastStride : 1;
            y = b.scope(`unit_${k}/${version.unitScope}`, () =>
              b.endPoint(b.scopeName, version.unit(b, l, y, bottleneck, stride)),
            );
          }
          return b.endPoint(b.scopeName, y);
        });
      });
      return head(b, l, version.finish(l, x), options);
    });
  };

/** Units a block, by the number of layers. */
export const resnetDepths: Readonly<Record<number, readonly number[]>> = {
  50: [3, 4, 6, 3],
  101: [3, 4, 23, 3],
  152: [3, 8, 36, 3],
  200: [3, 24, 36, 3],
};

export const resnetV1 = (layers: number): BuildNet => resnet(v1, `resnet_v1_${layers}`, resnetDepths[layers]);
export const resnetV2 = (layers: number): BuildNet => resnet(v2, `resnet_v2_${layers}`, resnetDepths[layers]);
