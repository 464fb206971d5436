/**
 * Inception-ResNet v2: "Inception-v4, Inception-ResNet and the impact of residual connections", Szegedy et al., 2016,
 * as TF-Slim builds it (research/slim/nets/inception_resnet_v2.py).
 */
import type { GraphBuilder, Value } from "../engine/graph.ts";
import {
  auxHead,
  avgPool,
  type Branch,
  branches,
  conv,
  denseHead,
  inceptionLayers,
  maxPool,
  mixed,
  reduce,
  stem,
} from "./inception.ts";
import type { BuildNet, Layers } from "./layers.ts";

const mixed5b: readonly Branch[] = [
  [conv("Conv2d_1x1", 96, 1)],
  [conv("Conv2d_0a_1x1", 48, 1), conv("Conv2d_0b_5x5", 64, 5)],
  [conv("Conv2d_0a_1x1", 64, 1), conv("Conv2d_0b_3x3", 96, 3), conv("Conv2d_0c_3x3", 96, 3)],
  [avgPool(3, 1), conv("Conv2d_0b_1x1", 64, 1)],
];

const mixed6a: readonly Branch[] = [
  [conv("Conv2d_1a_3x3", 384, 3, reduce)],
  [conv("Conv2d_0a_1x1", 256, 1), conv("Conv2d_0b_3x3", 256, 3), conv("Conv2d_1a_3x3", 384, 3, reduce)],
  [maxPool(3, 2, "VALID")],
];

const mixed7a: readonly Branch[] = [
  [conv("Conv2d_0a_1x1", 256, 1), conv("Conv2d_1a_3x3", 384, 3, reduce)],
  [conv("Conv2d_0a_1x1", 256, 1), conv("Conv2d_1a_3x3", 288, 3, reduce)],
  [conv("Conv2d_0a_1x1", 256, 1), conv("Conv2d_0b_3x3", 288, 3), conv("Conv2d_1a_3x3", 320, 3, reduce)],
  [maxPool(3, 2, "VALID")],
];

const block35: readonly Branch[] = [
  [conv("Conv2d_1x1", 32, 1)],
  [conv("Conv2d_0a_1x1", 32, 1), conv("Conv2d_0b_3x3", 32, 3)],
  [conv("Conv2d_0a_1x1", 32, 1), conv("Conv2d_0b_3x3", 48, 3), conv("Conv2d_0c_3x3", 64, 3)],
];

const block17: readonly Branch[] = [
  [conv("Conv2d_1x1", 192, 1)],
  [conv("Conv2d_0a_1x1", 128, 1), conv("Conv2d_0b_1x7", 160, [1, 7]), conv("Conv2d_0c_7x1", 192, [7, 1])],
];

const block8: readonly Branch[] = [
  [conv("Conv2d_1x1", 192, 1)],
  [conv("Conv2d_0a_1x1", 192, 1), conv("Conv2d_0b_1x3", 224, [1, 3]), conv("Conv2d_0c_3x1", 256, [3, 1])],
];

/** The joined branches, brought back to the input's depth without batch norm, are added to it in a small measure. */
function residual(
  b: GraphBuilder,
  l: Layers,
  x: Value,
  scope: string,
  rows: readonly Branch[],
  scale: number,
  last = false,
): Value {
  return b.scope(scope, () => {
    const joined = branches(b, l, x, rows);
    const up = l.conv(joined, "Conv2d_1x1", l.depth(x), 1, { normalizer: "biases", activation: "none" });
    const sum = l.add(x, up, scale);
    return last ? sum : l.relu(sum);
  });
}

function repeat(
  b: GraphBuilder,
  l: Layers,
  x: Value,
  scope: string,
  [name, rows, times, scale]: readonly [string, readonly Branch[], number, number],
): Value {
  return b.scope(scope, () => {
    let y = x;
    for (let i = 1; i <= times; i++) y = residual(b, l, y, `${name}_${i}`, rows, scale);
    return y;
  });
}

export const inceptionResnetV2: BuildNet = (b, images, options) => {
  const l = inceptionLayers(b);
  return b.scope("InceptionResnetV2", () => {
    let x = stem(b, inceptionLayers(b, "VALID"), images, [
      ["Conv2d_1a_3x3", conv("Conv2d_1a_3x3", 32, 3, { stride: 2 })],
      ["Conv2d_2a_3x3", conv("Conv2d_2a_3x3", 32, 3)],
      ["Conv2d_2b_3x3", conv("Conv2d_2b_3x3", 64, 3, { padding: "SAME" })],
      ["MaxPool_3a_3x3", maxPool(3, 2)],
      ["Conv2d_3b_1x1", conv("Conv2d_3b_1x1", 80, 1)],
      ["Conv2d_4a_3x3", conv("Conv2d_4a_3x3", 192, 3)],
      ["MaxPool_5a_3x3", maxPool(3, 2)],
    ]);
    x = mixed(b, l, x, "Mixed_5b", mixed5b);
    x = repeat(b, l, x, "Repeat", ["block35", block35, 10, 0.17]);
    x = mixed(b, l, x, "Mixed_6a", mixed6a);
    x = b.endPoint("PreAuxLogits", repeat(b, l, x, "Repeat_1", ["block17", block17, 20, 0.1]));
    auxHead(b, l, x, {
      scope: () => "Conv2d_2a_5x5",
      largest: Number.POSITIVE_INFINITY,
      logits: (map) => l.dense(l.flatten(map), "Logits", options.classes, "none"),
    });
    x = mixed(b, l, x, "Mixed_7a", mixed7a);
    x = repeat(b, l, x, "Repeat_2", ["block8", block8, 9, 0.2]);
    x = residual(b, l, x, "Block8", block8, 1, true);
    x = b.endPoint("Conv2d_7b_1x1", l.conv(x, "Conv2d_7b_1x1", 1536, 1));
    return denseHead(b, l, x, options);
  });
};
