import { describe, expect, it } from "vitest";
import { didYouMean, nearest } from "../src/nearest.ts";

const names = ["inception_v1", "inception_v2", "inception_resnet_v2", "resnet_v1_50", "vgg_16", "vgg_19"];

describe("the nearest names", () => {
  it.each([
    ["vgg16", "vgg_16"],
    ["Inception_V1", "inception_v1"],
    ["incpetion_v1", "inception_v1"],
    ["resnet_50", "resnet_v1_50"],
    ["resnet_v1_5", "resnet_v1_50"],
  ])("of %s begin with %s", (wrong, right) => {
    expect(nearest(wrong, names)[0]).toBe(right);
  });

  it("are none where nothing is like it", () => {
    expect(nearest("squeezenet", names)).toEqual([]);
    expect(didYouMean("squeezenet", names)).toBeUndefined();
  });

  it("are a sentence", () => {
    expect(didYouMean("vgg_15", names)).toMatch(/^Did you mean vgg_1\d or vgg_1\d\?$/);
  });
});
