/**
 * Inception v2: "Batch Normalization", Ioffe and Szegedy, 2015, figure 5, as TF-Slim builds it
 * (research/slim/nets/inception_v2.py). Everything is SAME.
 */
import {
  avgPool,
  type Branch,
  conv,
  convHead,
  inceptionLayers,
  maxPool,
  mixed,
  type Part,
  stem,
} from "./inception.ts";
import type { BuildNet } from "./layers.ts";

/** 1x1 | 3x3 reduce, 3x3 | double 3x3 reduce, 3x3, 3x3 | pool and its projection. */
type Depths = readonly [
  number,
  readonly [number, number],
  readonly [number, number, number],
  readonly [Part, number],
];
/** 3x3 reduce, 3x3 stride 2 | double 3x3 reduce, 3x3, 3x3 stride 2 | max pool. */
type Reduction = readonly [readonly [number, number], readonly [number, number, number]];

const average = avgPool(3, 1);
const maximum = maxPool(3, 1);

const table: Readonly<Record<string, Depths | Reduction>> = {
  Mixed_3b: [64, [64, 64], [64, 96, 96], [average, 32]],
  Mixed_3c: [64, [64, 96], [64, 96, 96], [average, 64]],
  Mixed_4a: [
    [128, 160],
    [64, 96, 96],
  ],
  Mixed_4b: [224, [64, 96], [96, 128, 128], [average, 128]],
  Mixed_4c: [192, [96, 128], [96, 128, 128], [average, 128]],
  Mixed_4d: [160, [128, 160], [128, 160, 160], [average, 96]],
  Mixed_4e: [96, [128, 192], [160, 192, 192], [average, 96]],
  Mixed_5a: [
    [128, 192],
    [192, 256, 256],
  ],
  Mixed_5b: [352, [192, 320], [160, 224, 224], [average, 128]],
  Mixed_5c: [352, [192, 320], [192, 224, 224], [maximum, 128]],
};

const isReduction = (row: Depths | Reduction): row is Reduction => row.length === 2;

function rows(row: Depths | Reduction): readonly Branch[] {
  if (isReduction(row)) {
    const [[reduce3, depth3], [reduceD, firstD, secondD]] = row;
    return [
      [conv("Conv2d_0a_1x1", reduce3, 1), conv("Conv2d_1a_3x3", depth3, 3, { stride: 2 })],
      [
        conv("Conv2d_0a_1x1", reduceD, 1),
        conv("Conv2d_0b_3x3", firstD, 3),
        conv("Conv2d_1a_3x3", secondD, 3, { stride: 2 }),
      ],
      [maxPool(3, 2)],
    ];
  }
  const [direct, [reduce3, depth3], [reduceD, firstD, secondD], [pool, project]] = row;
  return [
    [conv("Conv2d_0a_1x1", direct, 1)],
    [conv("Conv2d_0a_1x1", reduce3, 1), conv("Conv2d_0b_3x3", depth3, 3)],
    [conv("Conv2d_0a_1x1", reduceD, 1), conv("Conv2d_0b_3x3", firstD, 3), conv("Conv2d_0c_3x3", secondD, 3)],
    [pool, conv("Conv2d_0b_1x1", project, 1)],
  ];
}

/** The arg scope does not reach this separable convolution: it has biases and no batch norm. Multiplier min(64 / 3, 8). */
const first: Part = (l, x) =>
  l.separable(x, "Conv2d_1a_7x7", 64, 7, { stride: 2, multiplier: 8, normalizer: "biases" });

export const inceptionV2: BuildNet = (b, images, options) => {
  const l = inceptionLayers(b);
  return b.scope("InceptionV2", () => {
    let x = stem(b, l, images, [
      ["Conv2d_1a_7x7", first],
      ["MaxPool_2a_3x3", maxPool(3, 2)],
      ["Conv2d_2b_1x1", conv("Conv2d_2b_1x1", 64, 1)],
      ["Conv2d_2c_3x3", conv("Conv2d_2c_3x3", 192, 3)],
      ["MaxPool_3a_3x3", maxPool(3, 2)],
    ]);
    for (const [name, row] of Object.entries(table)) x = mixed(b, l, x, name, rows(row));
    const head = { pool: "AvgPool_1a", kernel: 7, stride: 2, shrink: true, logits: "Conv2d_1c_1x1" };
    return convHead(b, l, x, options, head);
  });
};
