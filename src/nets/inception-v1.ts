/**
 * Inception v1: "Going deeper with convolutions", Szegedy et al., 2014, table 1, as TF-Slim builds it
 * (research/slim/nets/inception_v1.py). Everything is SAME; the "5x5" branch is 3x3 there, as in the published weights.
 */
import type { GraphBuilder, Value } from "../engine/graph.ts";
import { slimLayers } from "./layers.ts";

/** The depths of a row of the paper's table: 1x1 | 3x3 reduce, 3x3 | "5x5" reduce, "5x5" | pool proj. */
type Depths = readonly [number, readonly [number, number], readonly [number, number], number];

const mixed: Readonly<Record<string, Depths>> = {
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

/** The network on `images` [N, 224, 224, 3]; returns the logits [N, classes]. */
export function inceptionV1(b: GraphBuilder, images: Value, classes: number): Value {
  const l = slimLayers(b, {
    batchNorm: { epsilon: 0.001, scale: false },
    activation: "relu",
    padding: "SAME",
  });

  const block = (x: Value, name: string): Value => {
    const [direct, [reduce3, depth3], [reduce5, depth5], project] = mixed[name];
    const last = oddScopes[name] ?? "Conv2d_0b_3x3";
    const out = b.scope(name, () =>
      l.concat([
        b.scope("Branch_0", () => l.conv(x, "Conv2d_0a_1x1", direct, 1)),
        b.scope("Branch_1", () => l.conv(l.conv(x, "Conv2d_0a_1x1", reduce3, 1), "Conv2d_0b_3x3", depth3, 3)),
        b.scope("Branch_2", () => l.conv(l.conv(x, "Conv2d_0a_1x1", reduce5, 1), last, depth5, 3)),
        b.scope("Branch_3", () => l.conv(l.maxPool(x, 3, 1), "Conv2d_0b_1x1", project, 1)),
      ]),
    );
    return b.endPoint(name, out);
  };

  return b.scope("InceptionV1", () => {
    let x = b.endPoint("Conv2d_1a_7x7", l.conv(images, "Conv2d_1a_7x7", 64, 7, { stride: 2 }));
    x = b.endPoint("MaxPool_2a_3x3", l.maxPool(x, 3, 2));
    x = b.endPoint("Conv2d_2b_1x1", l.conv(x, "Conv2d_2b_1x1", 64, 1));
    x = b.endPoint("Conv2d_2c_3x3", l.conv(x, "Conv2d_2c_3x3", 192, 3));
    x = b.endPoint("MaxPool_3a_3x3", l.maxPool(x, 3, 2));
    x = block(block(x, "Mixed_3b"), "Mixed_3c");
    x = b.endPoint("MaxPool_4a_3x3", l.maxPool(x, 3, 2));
    for (const name of ["Mixed_4b", "Mixed_4c", "Mixed_4d", "Mixed_4e", "Mixed_4f"]) x = block(x, name);
    x = b.endPoint("MaxPool_5a_2x2", l.maxPool(x, 2, 2));
    x = block(block(x, "Mixed_5b"), "Mixed_5c");
    return b.scope("Logits", () => {
      x = b.endPoint("AvgPool_0a_7x7", l.avgPool(x, 7, 1, "VALID"));
      x = l.conv(x, "Conv2d_0c_1x1", classes, 1, { normalizer: "biases", activation: "none" });
      const logits = b.endPoint("Logits", l.squeeze(x));
      b.endPoint("Predictions", l.softmax(logits));
      return logits;
    });
  });
}
