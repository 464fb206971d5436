/**
 * JSON lines: one object an image, `{"path": ..., "feature": [...]}`, with a `shape` when the feature is not a vector.
 * Each number is the shortest decimal that gives back the same float32 (-0.0 with its point, or Python reads an
 * integer, which has no negative zero). JSON has no word for infinity and NaN:
 * infinities are written as ±1e999, which every reader rounds back to infinity, and NaN as null.
 */
import { numbersOf, shortestFloat32 } from "../numbers.ts";
import type { FeatureFormat } from "./table.ts";

export const jsonl: FeatureFormat = {
  name: "jsonl",
  description: "one JSON object a line",
  pathsBeside: false,
  inFolders: true,
  async write(table, file) {
    const { paths, shape } = table;
    const dimensions = shape.length === 1 ? "" : `"shape":[${shape.join(",")}],`;
    let i = 0;
    for await (const bytes of table.rows()) {
      const values = Array.from(numbersOf(table, bytes), shortestFloat32).join(",");
      await file.append(
        Buffer.from(`{"path":${JSON.stringify(paths[i++])},${dimensions}"feature":[${values}]}\n`),
      );
    }
  },
};
