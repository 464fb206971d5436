/**
 * MobileNet v1, "MobileNets: efficient convolutional neural networks for mobile vision applications", Howard et al.,
 * 2017, table 1, and v2, "Inverted residuals and linear bottlenecks", Sandler et al., 2018, table 2, as TF-Slim builds
 * them (research/slim/nets/mobilenet_v1.py, nets/mobilenet/).
 */
import type { GraphBuilder, Value } from "../engine/graph.ts";
import { convHead } from "./inception.ts";
import { type BuildNet, type Layers, slimLayers } from "./layers.ts";

const layersOf = (b: GraphBuilder): Layers =>
  slimLayers(b, { batchNorm: { epsilon: 0.001, scale: true }, activation: "relu6", padding: "SAME" });

/** MOBILENETV1_CONV_DEFS after the first convolution: depth and stride of each depthwise separable pair. */
const pairs: readonly (readonly [depth: number, stride: number])[] = [
  [64, 1],
  [128, 2],
  [128, 1],
  [256, 2],
  [256, 1],
  [512, 2],
  [512, 1],
  [512, 1],
  [512, 1],
  [512, 1],
  [512, 1],
  [1024, 2],
  [1024, 1],
];

export const mobilenetV1 =
  (multiplier: number): BuildNet =>
  (b, images, options) => {
    const l = layersOf(b);
    const thin = (depth: number) => Math.max(Math.trunc(depth * multiplier), 8);
    return b.scope("MobilenetV1", () => {
      let x = b.endPoint("Conv2d_0", l.conv(images, "Conv2d_0", thin(32), 3, { stride: 2 }));
      pairs.forEach(([depth, stride], i) => {
        const name = `Conv2d_${i + 1}`;
        x = b.endPoint(`${name}_depthwise`, l.depthwise(x, `${name}_depthwise`, 3, { stride }));
        x = b.endPoint(`${name}_pointwise`, l.conv(x, `${name}_pointwise`, thin(depth), 1));
      });
      const head = { pool: "AvgPool_1a", kernel: 7, stride: 2, shrink: true, logits: "Conv2d_1c_1x1" };
      return convHead(b, l, x, options, head);
    });
  };

/** Table 2's bottlenecks: expansion factor, depth, stride; one row a unit. */
const bottlenecks: readonly (readonly [expansion: number, depth: number, stride: number])[] = [
  [1, 16, 1],
  [6, 24, 2],
  [6, 24, 1],
  [6, 32, 2],
  [6, 32, 1],
  [6, 32, 1],
  [6, 64, 2],
  [6, 64, 1],
  [6, 64, 1],
  [6, 64, 1],
  [6, 96, 1],
  [6, 96, 1],
  [6, 96, 1],
  [6, 160, 2],
  [6, 160, 1],
  [6, 160, 1],
  [6, 320, 1],
];

/** _make_divisible in conv_blocks.py: the nearest multiple of 8, but never less than nine tenths. */
function divisible(depth: number): number {
  const rounded = Math.max(8, Math.trunc((depth + 4) / 8) * 8);
  return rounded < 0.9 * depth ? rounded + 8 : rounded;
}

function expandedConv(
  b: GraphBuilder,
  l: Layers,
  x: Value,
  layer: string,
  [expansion, depth, stride]: readonly [number, number, number],
): Value {
  const inner =
    expansion === 1
      ? x
      : b.endPoint(`${layer}/expansion_output`, l.conv(x, "expand", divisible(expansion * l.depth(x)), 1));
  const spread = b.endPoint(`${layer}/depthwise_output`, l.depthwise(inner, "depthwise", 3, { stride }));
  const projected = l.conv(spread, "project", depth, 1, { activation: "none" });
  const out = stride === 1 && l.depth(x) === depth ? l.add(x, projected) : projected;
  return b.endPoint(`${layer}/output`, out);
}

/** Multipliers below 1 keep the last convolution at 1280 (finegrain_classification_mode), as the published ones do. */
export const mobilenetV2 =
  (multiplier: number): BuildNet =>
  (b, images, options) => {
    const l = layersOf(b);
    const thin = (depth: number) => divisible(depth * multiplier);
    return b.scope("MobilenetV2", () => {
      let x = b.endPoint("layer_1", l.conv(images, "Conv", thin(32), 3, { stride: 2 }));
      bottlenecks.forEach(([expansion, depth, stride], i) => {
        const layer = `layer_${i + 2}`;
        x = b.scope(i === 0 ? "expanded_conv" : `expanded_conv_${i}`, () =>
          b.endPoint(layer, expandedConv(b, l, x, layer, [expansion, thin(depth), stride])),
        );
      });
      const last = multiplier < 1 ? 1280 : thin(1280);
      x = b.endPoint(`layer_${bottlenecks.length + 2}`, l.conv(x, "Conv_1", last, 1));
      const pooled = { ...options, globalPool: true };
      const head = { pool: "global_pool", kernel: 7, stride: 1, shrink: true, logits: "Conv2d_1c_1x1" };
      return convHead(b, l, x, pooled, head);
    });
  };
