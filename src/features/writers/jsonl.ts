/**
 * JSON lines: one object an image, `{"path": ..., "feature": [...]}`, with a `shape` when the feature is not a vector.
 * Each number is the shortest decimal that gives back the same float32 (-0.0 with its point, or Python reads an
 * integer, which has no negative zero). JSON has no word for infinity and NaN:
 * infinities are written as ±1e999, which every reader rounds back to infinity, and NaN as null.
 */
import type { FeatureFormat } from "./format.ts";

export const jsonl: FeatureFormat = {
  name: "jsonl",
  description: "one JSON object a line",
  head: () => new Uint8Array(0),
  row(path, feature, shape) {
    const dimensions = shape.length === 1 ? "" : `"shape":[${shape.join(",")}],`;
    const values = Array.from(feature, shortestFloat32).join(",");
    return Buffer.from(`{"path":${JSON.stringify(path)},${dimensions}"feature":[${values}]}\n`);
  },
  tail: new Uint8Array(0),
  headTellsRows: false,
  pathsBeside: false,
};

/** The shortest decimal that reads back as the float32 `x`. */
export function shortestFloat32(x: number): string {
  if (Number.isNaN(x)) return "null";
  if (!Number.isFinite(x)) return x < 0 ? "-1e999" : "1e999";
  if (x === 0) return Object.is(x, -0) ? "-0.0" : "0";
  for (let digits = 6; digits < 9; digits++) {
    const rounded = Number(x.toPrecision(digits));
    if (Math.fround(rounded) === x) return String(rounded);
  }
  return String(Number(x.toPrecision(9)));
}
