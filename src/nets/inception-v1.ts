/**
 * Inception v1: "Going deeper with convolutions", Szegedy et al., 2014, table 1, as TF-Slim builds it
 * (research/slim/nets/inception_v1.py). Everything is SAME; the "5x5" branch is 3x3 there, as in the published weights.
 */
import { type Branch, conv, convHead, inceptionLayers, maxPool, mixed, stem } from "./inception.ts";
import type { BuildNet } from "./layers.ts";

/** The depths of a row of the paper's table: 1x1 | 3x3 reduce, 3x3 | "5x5" reduce, "5x5" | pool proj. */
type Depths = readonly [number, readonly [number, number], readonly [number, number], number];

const table: Readonly<Record<string, Depths>> = {
  Mixed_3b: [64, [96, 128], [16, 32], 32],
  Mixed_3c: [128, [128, 192], [32, 96], 64],
  Mixed_4b: [192, [96, 208], [16, 48], 64],
  Mixed_4c: [160, [112, 224], [24, 64], 64],
  Mixed_4d: [128, [128, 256], [24, 64], 64],
  Mixed_4e: [112, [144, 288], [32, 64], 64],
  Mixed_4f: [256, [160, 320], [32, 128], 128],
  Mixed_5b: [256, [160, 320], [32, 128], 128],
  Mixed_5c: [384, [192, 384], [48, 128], 128],
};

/** Published under this name: the second layer of one branch says 0a where all others say 0b. */
const oddScopes: Readonly<Record<string, string>> = { Mixed_5b: "Conv2d_0a_3x3" };

function rows(name: string): readonly Branch[] {
  const [direct, [reduce3, depth3], [reduce5, depth5], project] = table[name];
  return [
    [conv("Conv2d_0a_1x1", direct, 1)],
    [conv("Conv2d_0a_1x1", reduce3, 1), conv("Conv2d_0b_3x3", depth3, 3)],
    [conv("Conv2d_0a_1x1", reduce5, 1), conv(oddScopes[name] ?? "Conv2d_0b_3x3", depth5, 3)],
    [maxPool(3, 1), conv("Conv2d_0b_1x1", project, 1)],
  ];
}

export const inceptionV1: BuildNet = (b, images, options) => {
  const l = inceptionLayers(b);
  return b.scope("InceptionV1", () => {
    let x = stem(b, l, images, [
      ["Conv2d_1a_7x7", conv("Conv2d_1a_7x7", 64, 7, { stride: 2 })],
      ["MaxPool_2a_3x3", maxPool(3, 2)],
      ["Conv2d_2b_1x1", conv("Conv2d_2b_1x1", 64, 1)],
      ["Conv2d_2c_3x3", conv("Conv2d_2c_3x3", 192, 3)],
      ["MaxPool_3a_3x3", maxPool(3, 2)],
    ]);
    for (const name of Object.keys(table)) {
      if (name === "Mixed_4b") x = b.endPoint("MaxPool_4a_3x3", l.maxPool(x, 3, 2));
      if (name === "Mixed_5b") x = b.endPoint("MaxPool_5a_2x2", l.maxPool(x, 2, 2));
      x = mixed(b, l, x, name, rows(name));
    }
    const head = { pool: "AvgPool_0a_7x7", kernel: 7, stride: 1, shrink: false, logits: "Conv2d_0c_1x1" };
    return convHead(b, l, x, options, head);
  });
};
