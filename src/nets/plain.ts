/**
 * Networks that are one row of layers: VGG ("Very deep convolutional networks", Simonyan and Zisserman, 2014), AlexNet
 * v2 ("One weird trick", Krizhevsky, 2014), OverFeat (Sermanet et al., 2013), and the small CifarNet and LeNet, as
 * TF-Slim builds them (research/slim/nets/{vgg,alexnet,overfeat,cifarnet,lenet}.py).
 */
import type { GraphBuilder, Value } from "../engine/graph.ts";
import type { Padding } from "../kernels/geometry.ts";
import { type BuildNet, type Layers, type NetOptions, slimLayers } from "./layers.ts";

const layersOf = (b: GraphBuilder): Layers => slimLayers(b, { activation: "relu", padding: "SAME" });

/** A convolution [scope, depth, kernel, stride, padding] or a max pool [scope, kernel, stride]. */
type Row =
  | readonly [string, number, number, number?, Padding?]
  | readonly [string, { readonly pool: number; readonly stride: number }];

/** Rows under the network's scope; end points carry their full scope, as TF-Slim's collections do. */
function row(b: GraphBuilder, l: Layers, x: Value, layer: Row): Value {
  if (typeof layer[1] === "object") {
    const [scope, { pool, stride }] = layer;
    return b.endPoint(`${b.scopeName}/${scope}`, l.maxPool(x, pool, stride, "VALID"));
  }
  const [scope, depth, kernel, stride, padding] = layer as readonly [
    string,
    number,
    number,
    number?,
    Padding?,
  ];
  return b.endPoint(`${b.scopeName}/${scope}`, l.conv(x, scope, depth, kernel, { stride, padding }));
}

/** fc8 and what stands around it: shared by all networks whose fully connected layers are convolutions. */
function fc8(b: GraphBuilder, l: Layers, x: Value, { classes, globalPool }: NetOptions): Value | undefined {
  const name = `${b.scopeName}/fc8`;
  return b.attempt([...(globalPool ? ["global_pool"] : []), name], () => {
    const pooled = globalPool ? b.endPoint("global_pool", l.globalMean(x)) : x;
    return b.endPoint(name, l.squeeze(l.conv(pooled, "fc8", classes, 1, { activation: "none" })));
  });
}

const convolutional =
  (scope: string, features: readonly Row[], classifier: readonly Row[]): BuildNet =>
  (b, images, options) => {
    const l = layersOf(b);
    return b.scope(scope, () => {
      const map = features.reduce((x, layer) => row(b, l, x, layer), images);
      const names = [...classifier.map(([name]) => name), "fc8"].map((name) => `${scope}/${name}`);
      return b.attempt(names, () =>
        fc8(
          b,
          l,
          classifier.reduce((x, layer) => row(b, l, x, layer), map),
          options,
        ),
      );
    });
  };

const pool = (scope: string, kernel: number, stride: number): Row => [scope, { pool: kernel, stride }];

/** VGG's column: how many 3x3 convolutions stand before each pool. */
const vgg = (scope: string, repeats: readonly number[]): BuildNet => {
  const depths = [64, 128, 256, 512, 512];
  const features = repeats.flatMap((times, i): Row[] => [
    ...Array.from({ length: times }, (_, k): Row => [`conv${i + 1}/conv${i + 1}_${k + 1}`, depths[i], 3]),
    pool(`pool${i + 1}`, 2, 2),
  ]);
  return convolutional(scope, features, [
    ["fc6", 4096, 7, 1, "VALID"],
    ["fc7", 4096, 1],
  ]);
};

export const vggA = vgg("vgg_a", [1, 1, 2, 2, 2]);
export const vgg16 = vgg("vgg_16", [2, 2, 3, 3, 3]);
export const vgg19 = vgg("vgg_19", [2, 2, 4, 4, 4]);

export const alexnetV2 = convolutional(
  "alexnet_v2",
  [
    ["conv1", 64, 11, 4, "VALID"],
    pool("pool1", 3, 2),
    ["conv2", 192, 5],
    pool("pool2", 3, 2),
    ["conv3", 384, 3],
    ["conv4", 384, 3],
    ["conv5", 256, 3],
    pool("pool5", 3, 2),
  ],
  [
    ["fc6", 4096, 5, 1, "VALID"],
    ["fc7", 4096, 1],
  ],
);

export const overfeat = convolutional(
  "overfeat",
  [
    ["conv1", 64, 11, 4, "VALID"],
    pool("pool1", 2, 2),
    ["conv2", 256, 5, 1, "VALID"],
    pool("pool2", 2, 2),
    ["conv3", 512, 3],
    ["conv4", 1024, 3],
    ["conv5", 1024, 3],
    pool("pool5", 2, 2),
  ],
  [
    ["fc6", 3072, 6, 1, "VALID"],
    ["fc7", 4096, 1],
  ],
);

/** Local response normalisation as cifarnet.py has it. */
const lrn = { depthRadius: 4, bias: 1, alpha: 0.001 / 9, beta: 0.75 };

export const cifarnet: BuildNet = (b, images, { classes }) => {
  const l = layersOf(b);
  return b.scope("CifarNet", () => {
    let x = b.endPoint("conv1", l.conv(images, "conv1", 64, 5));
    x = b.endPoint("pool1", l.maxPool(x, 2, 2, "VALID"));
    x = b.op("lrn", lrn, [x]);
    x = b.endPoint("conv2", l.conv(x, "conv2", 64, 5));
    x = b.op("lrn", lrn, [x]);
    x = b.endPoint("pool2", l.maxPool(x, 2, 2, "VALID"));
    x = b.endPoint("Flatten", l.flatten(x));
    x = b.endPoint("fc3", l.dense(x, "fc3", 384));
    x = b.endPoint("fc4", l.dense(x, "fc4", 192));
    const logits = b.endPoint("Logits", l.dense(x, "logits", classes, "none"));
    b.endPoint("Predictions", l.softmax(logits));
    return logits;
  });
};

export const lenet: BuildNet = (b, images, { classes }) => {
  const l = layersOf(b);
  return b.scope("LeNet", () => {
    let x = b.endPoint("conv1", l.conv(images, "conv1", 32, 5));
    x = b.endPoint("pool1", l.maxPool(x, 2, 2, "VALID"));
    x = b.endPoint("conv2", l.conv(x, "conv2", 64, 5));
    x = b.endPoint("pool2", l.maxPool(x, 2, 2, "VALID"));
    x = b.endPoint("Flatten", l.flatten(x));
    x = b.endPoint("fc3", l.dense(x, "fc3", 1024));
    b.endPoint("dropout3", x); // Nothing is dropped at inference.
    const logits = b.endPoint("Logits", l.dense(x, "fc4", classes, "none"));
    b.endPoint("Predictions", l.softmax(logits));
    return logits;
  });
};
