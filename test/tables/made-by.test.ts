/** Features are compared with features that were made in the same way only. */
import { expect, it } from "vitest";
import { madeOtherwise } from "../../src/tables/made-by.ts";
import type { MadeBy } from "../../src/tables/vectors.ts";

const made: MadeBy = {
  model: "mobilenet_v1",
  endPoint: "AvgPool_1a",
  imageSize: 224,
  globalPool: false,
  pool: "none",
  l2: false,
  weights: { kind: "checkpoint", trained: true, sha256: "ab", path: "/here", ema: true },
  preprocess: { mode: "slim", exif: "auto", jpeg: "fast" },
};

it.each<[string, MadeBy]>([
  ["network inception_v1, not mobilenet_v1", { ...made, model: "inception_v1" }],
  ["end point Logits, not AvgPool_1a", { ...made, endPoint: "Logits" }],
  ["weights cd, not ab", { ...made, weights: { ...made.weights, sha256: "cd" } }],
  ["weights seeded, not ab", { ...made, weights: { kind: "seeded" } }],
  ["image size 192, not 224", { ...made, imageSize: 192 }],
  ["pool avg, not none", { ...made, pool: "avg" }],
  ["unit length true, not false", { ...made, l2: true }],
  ["preprocessing vgg, not slim", { ...made, preprocess: { ...made.preprocess, mode: "vgg" } }],
  ["ICC profiles true, not false", { ...made, preprocess: { ...made.preprocess, icc: true } }],
  ["background 1 2 3, not none", { ...made, preprocess: { ...made.preprocess, background: [1, 2, 3] } }],
])("another is told: %s", (said, other) => {
  expect(madeOtherwise(other, made)).toBe(said);
});

it("what makes no difference, or is not said, is none", () => {
  const moved = { ...made, weights: { ...made.weights, path: "/there" }, dataDir: "elsewhere" };
  expect(madeOtherwise(moved, made)).toBeUndefined();
  expect(madeOtherwise({}, made)).toBeUndefined();
  expect(madeOtherwise({ model: "mobilenet_v1" }, made)).toBeUndefined();
});

it("principal components on one side only are another way", () => {
  expect(madeOtherwise({ ...made, pca: { components: 8, file: "x" } }, made)).toBe(
    "principal components 8, not none",
  );
});

it("as many principal components that were fitted to other features are another way", () => {
  const reduced = (...explained: number[]): MadeBy => ({
    ...made,
    pca: { components: explained.length, file: "x", explained },
  });
  expect(madeOtherwise(reduced(0.5, 0.125), reduced(0.5, 0.25))).toBe(
    "variance explained by the principal components 0.625, not 0.75",
  );
  expect(madeOtherwise(reduced(0.5, 0.25), reduced(0.5, 0.25))).toBeUndefined();
});
