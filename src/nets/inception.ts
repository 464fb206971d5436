/** What the inception networks share: defaults, modules written as rows of branches, and the heads. */
import type { GraphBuilder, Value } from "../engine/graph.ts";
import type { Padding } from "../kernels/geometry.ts";
import { type ConvOptions, type Layers, type NetOptions, slimLayers } from "./layers.ts";

/** research/slim/nets/inception_utils.py: batch norm without gamma, epsilon 0.001. */
export const inceptionLayers = (b: GraphBuilder, padding: Padding = "SAME"): Layers =>
  slimLayers(b, { batchNorm: { epsilon: 0.001, scale: false }, activation: "relu", padding });

/** One layer of a branch. */
export type Part = (l: Layers, x: Value) => Value;
export type Branch = readonly Part[];

export const conv =
  (scope: string, depth: number, kernel: number | readonly [number, number], options?: ConvOptions): Part =>
  (l, x) =>
    l.conv(x, scope, depth, kernel, options);

export const maxPool =
  (kernel: number, stride: number, padding?: Padding): Part =>
  (l, x) =>
    l.maxPool(x, kernel, stride, padding);

export const avgPool =
  (kernel: number, stride: number, padding?: Padding): Part =>
  (l, x) =>
    l.avgPool(x, kernel, stride, padding);

/** Several layers on one input, joined. */
export const fork =
  (...parts: readonly Part[]): Part =>
  (l, x) =>
    l.concat(parts.map((part) => part(l, x)));

/** Stride 2 without padding, as reductions have it. */
export const reduce: ConvOptions = { stride: 2, padding: "VALID" };

/** The branches of a module under Branch_0, Branch_1 ..., joined. */
export const branches = (b: GraphBuilder, l: Layers, x: Value, rows: readonly Branch[]): Value =>
  l.concat(
    rows.map((row, i) => b.scope(`Branch_${i}`, () => row.reduce((value, part) => part(l, value), x))),
  );

/** A module under its scope, which is also the name of its end point. */
export const mixed = (b: GraphBuilder, l: Layers, x: Value, name: string, rows: readonly Branch[]): Value =>
  b.endPoint(
    name,
    b.scope(name, () => branches(b, l, x, rows)),
  );

/** A stem: layers in a row, each an end point under its scope's name. */
export function stem(
  b: GraphBuilder,
  l: Layers,
  images: Value,
  rows: readonly (readonly [name: string, part: Part])[],
): Value {
  return rows.reduce((x, [name, part]) => b.endPoint(name, part(l, x)), images);
}

/** Logits by a 1x1 convolution behind a pool; `kernel` is that of the full-size network. */
export function convHead(
  b: GraphBuilder,
  l: Layers,
  x: Value,
  options: NetOptions,
  head: { pool: string; kernel: number; stride: number; shrink: boolean; logits: string; preLogits?: string },
): Value | undefined {
  const names = [
    options.globalPool ? "global_pool" : head.pool,
    ...(head.preLogits ? [head.preLogits] : []),
    "Logits",
    "Predictions",
  ];
  return b.attempt(names, () =>
    b.scope("Logits", () => {
      // _reduced_kernel_size_for_small_input: a map smaller than the kernel is pooled as a whole.
      const [h, w] = l.area(x);
      const kernel = head.shrink
        ? ([Math.min(h, head.kernel), Math.min(w, head.kernel)] as const)
        : head.kernel;
      const pooled = options.globalPool
        ? b.endPoint("global_pool", l.globalMean(x))
        : b.endPoint(head.pool, l.avgPool(x, kernel, head.stride, "VALID"));
      if (head.preLogits) b.endPoint(head.preLogits, pooled);
      const map = l.conv(pooled, head.logits, options.classes, 1, {
        normalizer: "biases",
        activation: "none",
      });
      const logits = b.endPoint("Logits", l.squeeze(map));
      b.endPoint("Predictions", l.softmax(logits));
      return logits;
    }),
  );
}

/** Logits by a product behind the average of the whole map (v4 and Inception-ResNet v2). */
export function denseHead(b: GraphBuilder, l: Layers, x: Value, { classes }: NetOptions): Value {
  return b.scope("Logits", () => {
    const pooled = b.endPoint("global_pool", l.avgPool(x, l.area(x), 1, "VALID"));
    const flat = b.endPoint("PreLogitsFlatten", l.flatten(pooled));
    const logits = b.endPoint("Logits", l.dense(flat, "Logits", classes, "none"));
    b.endPoint("Predictions", l.softmax(logits));
    return logits;
  });
}

/**
 * The auxiliary classifier of the later inceptions: its second convolution takes the whole map, so that its variable's
 * shape depends on the input size.
 */
export function auxHead(
  b: GraphBuilder,
  l: Layers,
  x: Value,
  head: { scope: (side: readonly [number, number]) => string; largest: number; logits: (x: Value) => Value },
): void {
  b.attempt(["AuxLogits"], () =>
    b.scope("AuxLogits", () => {
      const pooled = l.avgPool(x, 5, 3, "VALID");
      const small = l.conv(pooled, "Conv2d_1b_1x1", 128, 1);
      const [h, w] = l.area(small);
      const kernel = [Math.min(h, head.largest), Math.min(w, head.largest)] as const;
      b.endPoint(
        "AuxLogits",
        head.logits(l.conv(small, head.scope(kernel), 768, kernel, { padding: "VALID" })),
      );
    }),
  );
}
