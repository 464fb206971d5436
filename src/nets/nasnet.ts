/**
 * NASNet-A, "Learning transferable architectures for scalable image recognition", Zoph et al., 2017, and PNASNet-5,
 * "Progressive neural architecture search", Liu et al., 2017, as TF-Slim builds them
 * (research/slim/nets/nasnet/{nasnet,nasnet_utils,pnasnet}.py). There is no scope around the whole.
 */
import type { GraphBuilder, Value } from "../engine/graph.ts";
import { type BuildNet, type ConvOptions, type Layers, slimLayers } from "./layers.ts";

/** A separable convolution done twice, a pool, or nothing but a change of depth. */
type Operation = "sep3" | "sep5" | "sep7" | "avg" | "max" | "none";

/** A cell: five sums, each of two operations on two earlier states; state 0 is the input, 1 the one before it. */
interface Cell {
  readonly sums: readonly (readonly [left: Operation, from: number, right: Operation, from: number])[];
  /** States that are part of the output, in their order. */
  readonly output: readonly number[];
}

const nasnetNormal: Cell = {
  sums: [
    ["sep5", 0, "sep3", 1],
    ["sep5", 1, "sep3", 1],
    ["avg", 0, "none", 1],
    ["avg", 1, "avg", 1],
    ["sep3", 0, "none", 0],
  ],
  output: [1, 2, 3, 4, 5, 6],
};

const nasnetReduction: Cell = {
  sums: [
    ["sep5", 0, "sep7", 1],
    ["max", 0, "sep7", 1],
    ["avg", 0, "sep5", 1],
    ["none", 3, "avg", 2],
    ["sep3", 2, "max", 0],
  ],
  output: [3, 4, 5, 6],
};

const pnasnetNormal: Cell = {
  sums: [
    ["sep5", 1, "max", 1],
    ["sep7", 0, "max", 0],
    ["sep5", 0, "sep3", 0],
    ["sep3", 4, "max", 0],
    ["sep3", 1, "none", 0],
  ],
  output: [2, 3, 4, 5, 6],
};

const bare: ConvOptions = { normalizer: "none", activation: "none" };

/** A convolution without bias, then batch norm under a scope of its own. */
const convNorm = (l: Layers, x: Value, scope: string, norm: string, depth: number, stride = 1): Value =>
  l.batchNorm(l.conv(x, scope, depth, 1, { ...bare, stride }), norm);

/**
 * Halves a map without losing cells: half of the channels see the even places, half the odd ones, which are had by
 * padding at the end and dropping the first row and column.
 */
function factorizedReduction(b: GraphBuilder, l: Layers, x: Value, depth: number): Value {
  const half = Math.trunc(depth / 2);
  const even = l.conv(l.avgPool(x, 1, 2, "VALID"), "path1_conv", half, 1, bare);
  const none = [0, 0] as const;
  const padded = b.op("pad", { paddings: [none, [0, 1], [0, 1], none] }, [x]);
  const dropFirst = [-1, 0] as const;
  const odd = l.conv(l.avgPool(padded, 1, 2, [dropFirst, dropFirst]), "path2_conv", depth - half, 1, bare);
  return l.batchNorm(l.concat([even, odd]), "final_path_bn");
}

function separableTwice(l: Layers, x: Value, kernel: number, depth: number, stride: number): Value {
  let y = x;
  for (const [i, s] of [stride, 1].entries()) {
    const name = `${kernel}x${kernel}_${i + 1}`;
    y = l.separable(l.relu(y), `separable_${name}`, depth, kernel, { ...bare, stride: s });
    y = l.batchNorm(y, `bn_sep_${name}`);
  }
  return y;
}

function apply(l: Layers, operation: Operation, x: Value, depth: number, stride: number): Value {
  const sameDepth = l.depth(x) === depth;
  switch (operation) {
    case "sep3":
    case "sep5":
    case "sep7":
      return separableTwice(l, x, Number(operation.slice(3)), depth, stride);
    case "none":
      return stride === 1 && sameDepth ? x : convNorm(l, l.relu(x), "1x1", "bn_1", depth, stride);
    default: {
      const pooled = operation === "avg" ? l.avgPool(x, 3, stride) : l.maxPool(x, 3, stride);
      return sameDepth ? pooled : convNorm(l, pooled, "1x1", "bn_1", depth);
    }
  }
}

/** The state before the input, brought to its area and the cell's depth. */
function reducePrevious(
  b: GraphBuilder,
  l: Layers,
  previous: Value | undefined,
  x: Value,
  depth: number,
): Value {
  if (previous === undefined) return x;
  if (l.area(previous)[1] !== l.area(x)[1]) return factorizedReduction(b, l, l.relu(previous), depth);
  return l.depth(previous) === depth ? previous : convNorm(l, l.relu(previous), "prev_1x1", "prev_bn", depth);
}

function buildCell(
  b: GraphBuilder,
  l: Layers,
  x: Value,
  previous: Value | undefined,
  { scope, cell, depth, stride }: { scope: string; cell: Cell; depth: number; stride: number },
): Value {
  return b.scope(scope, () => {
    const before = reducePrevious(b, l, previous, x, depth);
    const states = [convNorm(l, l.relu(x), "1x1", "beginning_bn", depth), before];
    cell.sums.forEach(([left, leftFrom, right, rightFrom], i) => {
      // Only the two states from outside are of the larger area.
      const side = (name: string, operation: Operation, from: number) =>
        b.scope(`comb_iter_${i}/${name}`, () =>
          apply(l, operation, states[from], depth, from < 2 ? stride : 1),
        );
      const sum = [side("left", left, leftFrom), side("right", right, rightFrom)] as const;
      states.push(l.add(...sum));
    });
    return l.concat(cell.output.map((i) => toLast(b, l, states[i], i, states.at(-1) as Value)));
  });
}

/** State `i` of the output brought to the area and depth of the last one (_cell_output of nasnet_utils.py). */
function toLast(b: GraphBuilder, l: Layers, state: Value, i: number, last: Value): Value {
  const sameArea = l.area(state)[1] === l.area(last)[1];
  const depth = l.depth(last);
  if (sameArea && l.depth(state) === depth) return state;
  return b.scope(`cell_output/reduction_${i}`, () =>
    sameArea ? convNorm(l, state, "path_conv", "path_bn", depth) : factorizedReduction(b, l, state, depth),
  );
}

export interface NasnetConfig {
  readonly kind: "nasnet" | "pnasnet";
  /** Depth of the first cells; it doubles at each reduction. */
  readonly filters: number;
  readonly cells: number;
  readonly stem:
    | { readonly kind: "imagenet"; readonly filters: number }
    | { readonly kind: "cifar"; readonly filters: number };
  /** Whether a cell behind a reduction takes the state before the reduction's input. */
  readonly skipReductionInput: boolean;
  readonly epsilon: number;
}

export const nasnet =
  (config: NasnetConfig): BuildNet =>
  (b, images, { classes }) => {
    const l = slimLayers(b, {
      batchNorm: { epsilon: config.epsilon, scale: true },
      activation: "relu",
      padding: "SAME",
    });
    const progressive = config.kind === "pnasnet";
    const normal = progressive ? pnasnetNormal : nasnetNormal;
    const depthAt = (scale: number) => Math.trunc(config.filters * scale);

    const { stem } = config;
    let x =
      stem.kind === "imagenet"
        ? l.batchNorm(
            l.conv(images, "conv0", stem.filters, 3, { ...bare, stride: 2, padding: "VALID" }),
            "conv0_bn",
          )
        : l.batchNorm(l.conv(images, "l1_stem_3x3", stem.filters, 3, bare), "l1_stem_bn");
    /** Every cell's output, the newest last. */
    const outputs: (Value | undefined)[] = [undefined, x];
    const add = (next: Value): Value => {
      outputs.push(next);
      return next;
    };

    if (stem.kind === "imagenet") {
      const cell = progressive ? pnasnetNormal : nasnetReduction;
      for (const i of [0, 1]) {
        const depth = depthAt(2 ** (i - 2));
        x = add(buildCell(b, l, x, outputs.at(-2), { scope: `cell_stem_${i}`, cell, depth, stride: 2 }));
      }
    }
    b.endPoint("Stem", x);

    // Two reductions, at a third and two thirds of the cells (calc_reduction_layers).
    const reductions = [1, 2].map((k) => Math.trunc((k / 3) * config.cells));
    let scale = 1;
    for (let i = 0; i < config.cells; i++) {
      const reduction = reductions.indexOf(i);
      let previous = outputs.at(-2);
      if (reduction >= 0) {
        scale *= 2;
        if (!progressive) {
          const cell = nasnetReduction;
          const scope = `reduction_cell_${reduction}`;
          x = add(buildCell(b, l, x, previous, { scope, cell, depth: depthAt(scale), stride: 2 }));
          b.endPoint(`Reduction_Cell_${reduction}`, x);
          if (!config.skipReductionInput) previous = outputs.at(-2);
        }
      }
      const stride = progressive && reduction >= 0 ? 2 : 1;
      const cell = normal;
      x = add(buildCell(b, l, x, previous, { scope: `cell_${i}`, cell, depth: depthAt(scale), stride }));
      b.endPoint(`Cell_${i}`, x);
    }

    return b.scope("final_layer", () => {
      const features = l.relu(x);
      const pooled = b.endPoint("global_pool", b.op("mean", { axes: [1, 2], keepDims: false }, [features]));
      const logits = b.endPoint("Logits", l.dense(pooled, "FC", classes, "none"));
      b.endPoint("Predictions", l.softmax(logits));
      return logits;
    });
  };
