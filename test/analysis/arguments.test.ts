/** Wrong arguments of the library's functions on features: a sentence that names the argument, before any work. */
import { describe, expect, it } from "vitest";
import {
  classifyRows,
  convertFeatures,
  crossValidate,
  duplicates,
  findFormat,
  findLayer,
  fitClassifier,
  kmeans,
  kmeansAuto,
  layout,
  nearest,
  nearGroups,
  nearThreshold,
  openDevice,
  outliers,
  pairsWithin,
  UsageError,
} from "../../src/index.ts";

const rows = { count: 4, width: 2, data: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8) };
const labels = ["a", "a", "b", "b"];
const metric = "cosine";

/** As programs without types call. */
type Loose = (...given: unknown[]) => Promise<unknown>;
const loose = (call: unknown) => call as Loose;

const ofRows: Readonly<Record<string, (given: unknown) => Promise<unknown>>> = {
  nearest: (given) => loose(nearest)(given, 1, { metric }),
  pairsWithin: (given) => loose(pairsWithin)(given, 1, () => {}, { metric }),
  nearGroups: (given) => loose(nearGroups)(given, 1, { metric }),
  nearThreshold: (given) => loose(nearThreshold)(given, metric),
  duplicates: (given) => loose(duplicates)(given, { metric }),
  outliers: (given) => loose(outliers)(given, { metric }),
  kmeans: (given) => loose(kmeans)(given, { k: 2 }),
  kmeansAuto: (given) => loose(kmeansAuto)(given),
  layout: (given) => loose(layout)(given, { method: "pca" }),
  crossValidate: (given) => loose(crossValidate)(given, labels),
  fitClassifier: (given) => loose(fitClassifier)(given, labels, 1),
  classifyRows: async (given) => loose(classifyRows)(await fitClassifier(rows, labels, 1), given),
};

describe.each(Object.entries(ofRows))("%s", (name, call) => {
  it.each([
    ["nothing", undefined, "`rows` must be rows"],
    ["a list of lists", [[1, 2]], "`rows` must be rows"],
    ["rows of no width", { ...rows, width: 0 }, "`rows` must be rows"],
    ["fewer numbers", { ...rows, count: 5 }, "`rows.data` must be a Float32Array of 10 numbers, 5 rows of 2"],
    ["plain numbers", { ...rows, data: [...rows.data] }, "`rows.data` must be a Float32Array of 8 numbers"],
  ])("says so of %s", async (_, given, said) => {
    const failed = call(given);
    await expect(failed).rejects.toThrow(UsageError);
    await expect(failed).rejects.toThrow(`${name}: ${said}`);
  });

  it("takes rows", async () => {
    await expect(call(rows)).resolves.not.toThrow();
  });
});

it.each<[string, () => Promise<unknown>]>([
  ["nearest: `metric` must be one of", () => loose(nearest)(rows, 1)],
  ["nearest: `metric` must be one of", () => loose(nearest)(rows, 1, { metric: "l1" })],
  ["nearest: `device` must be a device", () => loose(nearest)(rows, 1, { metric, device: "cpu" })],
  ["nearest: `queries` must be rows", () => loose(nearest)(rows, 1, { metric, queries: {} })],
  ["nearest: there is no argument `metrics`", () => loose(nearest)(rows, 1, { metrics: metric })],
  ["pairsWithin: `threshold` must be", () => loose(pairsWithin)(rows, -1, () => {}, { metric })],
  ["pairsWithin: `near` must be a function", () => loose(pairsWithin)(rows, 1, undefined, { metric })],
  ["duplicates: `metric` must be", () => loose(duplicates)(rows)],
  ["duplicates: `threshold` must be", () => loose(duplicates)(rows, { metric, threshold: Number.NaN })],
  ["duplicates: `facts` must be", () => loose(duplicates)(rows, { metric, facts: Array(5).fill({}) })],
  ["outliers: `k` must be", () => loose(outliers)(rows, { metric, k: 0 })],
  ["kmeans: `k` must be", () => loose(kmeans)(rows)],
  ["kmeans: `restarts` must be", () => loose(kmeans)(rows, { k: 2, restarts: 0 })],
  ["kmeansAuto: there is no argument `k`", () => loose(kmeansAuto)(rows, { k: 2 })],
  ["layout: `method` must be one of", () => loose(layout)(rows, {})],
  ["crossValidate: `labels` must be an array of 4 texts", () => loose(crossValidate)(rows, ["a", "b"])],
  ["crossValidate: `labels` must be an array of 4 texts", () => loose(crossValidate)(rows, [0, 0, 1, 1])],
  ["crossValidate: `folds` must be", () => loose(crossValidate)(rows, labels, { folds: 1 })],
  ["fitClassifier: `strength` must be", () => loose(fitClassifier)(rows, labels)],
  ["convertFeatures: `from` must be", () => loose(convertFeatures)()],
  [
    // The command line's name of a type once was taken for int8.
    'convertFeatures: `dtype` must be one of "float32", "float16", "int8", not "f32"',
    () => loose(convertFeatures)({ from: ["a"], to: "b", format: findFormat("csv"), dtype: "f32" }),
  ],
  ["findLayer: `inputs` must be", () => loose(findLayer)()],
  ["openDevice: `name` must be", () => loose(openDevice)("gpu")],
])("%s", async (said, call) => {
  const failed = call();
  await expect(failed).rejects.toThrow(UsageError);
  await expect(failed).rejects.toThrow(said);
});
