/**
 * Inception v4: "Inception-v4, Inception-ResNet and the impact of residual connections", Szegedy et al., 2016,
 * figures 3 to 9, as TF-Slim builds it (research/slim/nets/inception_v4.py).
 */
import {
  auxHead,
  avgPool,
  type Branch,
  conv,
  denseHead,
  fork,
  inceptionLayers,
  maxPool,
  mixed,
  reduce,
  stem,
} from "./inception.ts";
import type { BuildNet } from "./layers.ts";

const pool = avgPool(3, 1);
const valid = { padding: "VALID" } as const;

/** Figure 4. */
const a: readonly Branch[] = [
  [conv("Conv2d_0a_1x1", 96, 1)],
  [conv("Conv2d_0a_1x1", 64, 1), conv("Conv2d_0b_3x3", 96, 3)],
  [conv("Conv2d_0a_1x1", 64, 1), conv("Conv2d_0b_3x3", 96, 3), conv("Conv2d_0c_3x3", 96, 3)],
  [pool, conv("Conv2d_0b_1x1", 96, 1)],
];

/** Figure 5. */
const b7: readonly Branch[] = [
  [conv("Conv2d_0a_1x1", 384, 1)],
  [conv("Conv2d_0a_1x1", 192, 1), conv("Conv2d_0b_1x7", 224, [1, 7]), conv("Conv2d_0c_7x1", 256, [7, 1])],
  [
    conv("Conv2d_0a_1x1", 192, 1),
    conv("Conv2d_0b_7x1", 192, [7, 1]),
    conv("Conv2d_0c_1x7", 224, [1, 7]),
    conv("Conv2d_0d_7x1", 224, [7, 1]),
    conv("Conv2d_0e_1x7", 256, [1, 7]),
  ],
  [pool, conv("Conv2d_0b_1x1", 128, 1)],
];

/** Figure 6. */
const c: readonly Branch[] = [
  [conv("Conv2d_0a_1x1", 256, 1)],
  [
    conv("Conv2d_0a_1x1", 384, 1),
    fork(conv("Conv2d_0b_1x3", 256, [1, 3]), conv("Conv2d_0c_3x1", 256, [3, 1])),
  ],
  [
    conv("Conv2d_0a_1x1", 384, 1),
    conv("Conv2d_0b_3x1", 448, [3, 1]),
    conv("Conv2d_0c_1x3", 512, [1, 3]),
    fork(conv("Conv2d_0d_1x3", 256, [1, 3]), conv("Conv2d_0e_3x1", 256, [3, 1])),
  ],
  [pool, conv("Conv2d_0b_1x1", 256, 1)],
];

const table: Readonly<Record<string, readonly Branch[]>> = {
  Mixed_3a: [[maxPool(3, 2, "VALID")], [conv("Conv2d_0a_3x3", 96, 3, reduce)]],
  Mixed_4a: [
    [conv("Conv2d_0a_1x1", 64, 1), conv("Conv2d_1a_3x3", 96, 3, valid)],
    [
      conv("Conv2d_0a_1x1", 64, 1),
      conv("Conv2d_0b_1x7", 64, [1, 7]),
      conv("Conv2d_0c_7x1", 64, [7, 1]),
      conv("Conv2d_1a_3x3", 96, 3, valid),
    ],
  ],
  Mixed_5a: [[conv("Conv2d_1a_3x3", 192, 3, reduce)], [maxPool(3, 2, "VALID")]],
  Mixed_5b: a,
  Mixed_5c: a,
  Mixed_5d: a,
  Mixed_5e: a,
  Mixed_6a: [
    [conv("Conv2d_1a_3x3", 384, 3, reduce)],
    [conv("Conv2d_0a_1x1", 192, 1), conv("Conv2d_0b_3x3", 224, 3), conv("Conv2d_1a_3x3", 256, 3, reduce)],
    [maxPool(3, 2, "VALID")],
  ],
  Mixed_6b: b7,
  Mixed_6c: b7,
  Mixed_6d: b7,
  Mixed_6e: b7,
  Mixed_6f: b7,
  Mixed_6g: b7,
  Mixed_6h: b7,
  Mixed_7a: [
    [conv("Conv2d_0a_1x1", 192, 1), conv("Conv2d_1a_3x3", 192, 3, reduce)],
    [
      conv("Conv2d_0a_1x1", 256, 1),
      conv("Conv2d_0b_1x7", 256, [1, 7]),
      conv("Conv2d_0c_7x1", 320, [7, 1]),
      conv("Conv2d_1a_3x3", 320, 3, reduce),
    ],
    [maxPool(3, 2, "VALID")],
  ],
  Mixed_7b: c,
  Mixed_7c: c,
  Mixed_7d: c,
};

export const inceptionV4: BuildNet = (b, images, options) => {
  const l = inceptionLayers(b);
  return b.scope("InceptionV4", () => {
    let x = stem(b, inceptionLayers(b, "VALID"), images, [
      ["Conv2d_1a_3x3", conv("Conv2d_1a_3x3", 32, 3, { stride: 2 })],
      ["Conv2d_2a_3x3", conv("Conv2d_2a_3x3", 32, 3)],
      ["Conv2d_2b_3x3", conv("Conv2d_2b_3x3", 64, 3, { padding: "SAME" })],
    ]);
    for (const [name, rows] of Object.entries(table)) {
      x = mixed(b, l, x, name, rows);
      if (name !== "Mixed_6h") continue;
      auxHead(b, l, x, {
        scope: () => "Conv2d_2a",
        largest: Number.POSITIVE_INFINITY,
        logits: (map) => l.dense(l.flatten(map), "Aux_logits", options.classes, "none"),
      });
    }
    return denseHead(b, l, x, options);
  });
};
