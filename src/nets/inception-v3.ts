/**
 * Inception v3: "Rethinking the Inception architecture", Szegedy et al., 2015, as TF-Slim builds it
 * (research/slim/nets/inception_v3.py). Scopes are those of the published file: some break the pattern, and two
 * convolutions called 1x1 are 3x3.
 */
import {
  auxHead,
  avgPool,
  type Branch,
  conv,
  convHead,
  fork,
  inceptionLayers,
  maxPool,
  mixed,
  reduce,
  stem,
} from "./inception.ts";
import type { BuildNet } from "./layers.ts";

const pool = avgPool(3, 1);

const a = (project: number, [scope1, scope5] = ["Conv2d_0a_1x1", "Conv2d_0b_5x5"]): readonly Branch[] => [
  [conv("Conv2d_0a_1x1", 64, 1)],
  [conv(scope1, 48, 1), conv(scope5, 64, 5)],
  [conv("Conv2d_0a_1x1", 64, 1), conv("Conv2d_0b_3x3", 96, 3), conv("Conv2d_0c_3x3", 96, 3)],
  [pool, conv("Conv2d_0b_1x1", project, 1)],
];

const b7 = (c: number): readonly Branch[] => [
  [conv("Conv2d_0a_1x1", 192, 1)],
  [conv("Conv2d_0a_1x1", c, 1), conv("Conv2d_0b_1x7", c, [1, 7]), conv("Conv2d_0c_7x1", 192, [7, 1])],
  [
    conv("Conv2d_0a_1x1", c, 1),
    conv("Conv2d_0b_7x1", c, [7, 1]),
    conv("Conv2d_0c_1x7", c, [1, 7]),
    conv("Conv2d_0d_7x1", c, [7, 1]),
    conv("Conv2d_0e_1x7", 192, [1, 7]),
  ],
  [pool, conv("Conv2d_0b_1x1", 192, 1)],
];

const c = (scope31: string): readonly Branch[] => [
  [conv("Conv2d_0a_1x1", 320, 1)],
  [conv("Conv2d_0a_1x1", 384, 1), fork(conv("Conv2d_0b_1x3", 384, [1, 3]), conv(scope31, 384, [3, 1]))],
  [
    conv("Conv2d_0a_1x1", 448, 1),
    conv("Conv2d_0b_3x3", 384, 3),
    fork(conv("Conv2d_0c_1x3", 384, [1, 3]), conv("Conv2d_0d_3x1", 384, [3, 1])),
  ],
  [pool, conv("Conv2d_0b_1x1", 192, 1)],
];

const table: Readonly<Record<string, readonly Branch[]>> = {
  Mixed_5b: a(32),
  Mixed_5c: a(64, ["Conv2d_0b_1x1", "Conv_1_0c_5x5"]),
  Mixed_5d: a(64),
  Mixed_6a: [
    [conv("Conv2d_1a_1x1", 384, 3, reduce)],
    [conv("Conv2d_0a_1x1", 64, 1), conv("Conv2d_0b_3x3", 96, 3), conv("Conv2d_1a_1x1", 96, 3, reduce)],
    [maxPool(3, 2, "VALID")],
  ],
  Mixed_6b: b7(128),
  Mixed_6c: b7(160),
  Mixed_6d: b7(160),
  Mixed_6e: b7(192),
  Mixed_7a: [
    [conv("Conv2d_0a_1x1", 192, 1), conv("Conv2d_1a_3x3", 320, 3, reduce)],
    [
      conv("Conv2d_0a_1x1", 192, 1),
      conv("Conv2d_0b_1x7", 192, [1, 7]),
      conv("Conv2d_0c_7x1", 192, [7, 1]),
      conv("Conv2d_1a_3x3", 192, 3, reduce),
    ],
    [maxPool(3, 2, "VALID")],
  ],
  Mixed_7b: c("Conv2d_0b_3x1"),
  Mixed_7c: c("Conv2d_0c_3x1"),
};

export const inceptionV3: BuildNet = (b, images, options) => {
  const valid = inceptionLayers(b, "VALID");
  const l = inceptionLayers(b);
  return b.scope("InceptionV3", () => {
    let x = stem(b, valid, images, [
      ["Conv2d_1a_3x3", conv("Conv2d_1a_3x3", 32, 3, { stride: 2 })],
      ["Conv2d_2a_3x3", conv("Conv2d_2a_3x3", 32, 3)],
      ["Conv2d_2b_3x3", conv("Conv2d_2b_3x3", 64, 3, { padding: "SAME" })],
      ["MaxPool_3a_3x3", maxPool(3, 2)],
      ["Conv2d_3b_1x1", conv("Conv2d_3b_1x1", 80, 1)],
      ["Conv2d_4a_3x3", conv("Conv2d_4a_3x3", 192, 3)],
      ["MaxPool_5a_3x3", maxPool(3, 2)],
    ]);
    for (const [name, rows] of Object.entries(table)) {
      x = mixed(b, l, x, name, rows);
      if (name !== "Mixed_6e") continue;
      auxHead(b, l, x, {
        scope: ([h, w]) => `Conv2d_2a_${h}x${w}`,
        largest: 5,
        logits: (map) =>
          l.squeeze(
            l.conv(map, "Conv2d_2b_1x1", options.classes, 1, { normalizer: "biases", activation: "none" }),
          ),
      });
    }
    const head = {
      pool: "AvgPool_1a",
      kernel: 8,
      stride: 2,
      shrink: true,
      logits: "Conv2d_1c_1x1",
      preLogits: "PreLogits",
    };
    return convHead(b, l, x, options, head);
  });
};
