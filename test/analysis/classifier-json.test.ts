/** Classifiers kept as JSON: the same answers, and no others. */
import { describe, expect, it } from "vitest";
import { classifyRows, fitClassifier } from "../../src/analysis/classifier.ts";
import { classifierFromJson, classifierToJson } from "../../src/analysis/classifier-json.ts";
import { UserError } from "../../src/errors.ts";
import { drawnGroups } from "../support/drawn.ts";

const drawn = drawnGroups("kept", { groups: 3, each: 10, width: 6, apart: 2 });
const labels = Array.from(drawn.labels, (label) => ["cat", "dog", "élan"][label]);
const features = { model: "mobilenet_v1", endPoint: "AvgPool_1a" };
const text = async () =>
  classifierToJson({
    classifier: await fitClassifier(drawn.rows, labels, 0.1),
    features,
    images: 30,
    accuracy: 0.9,
  });

describe("a classifier in a file", () => {
  it("answers as it did", async () => {
    const classifier = await fitClassifier(drawn.rows, labels, 0.1);
    const kept = classifierFromJson<typeof features>(await text(), "model.json");
    expect(kept).toMatchObject({ features, images: 30, accuracy: 0.9 });
    const before = await classifyRows(classifier, drawn.rows);
    for (const [i, { label, probability }] of (await classifyRows(kept.classifier, drawn.rows)).entries()) {
      expect(label).toBe(before[i].label);
      expect(probability).toBeCloseTo(before[i].probability, 7);
    }
  });

  it.each<[string, (found: Record<string, unknown>) => unknown]>([
    ["holds no classifier", () => ({})],
    ["holds no classifier", () => null],
    ["holds no classifier", () => [1]],
    ["version 2", (f) => ({ ...f, version: 2 })],
    ["does not say its classes", (f) => ({ ...f, classes: "cat" })],
    ["does not say its classes", (f) => ({ ...f, width: -1 })],
    ['"mean" is not 6 numbers', (f) => ({ ...f, mean: [1] })],
    ['"mean" is not 6 numbers', (f) => ({ ...f, mean: [1, 2, 3, 4, 5, null] })],
    ['"weights" is not', (f) => ({ ...f, weights: [[1]] })],
    ['"deviation" is not above 0', (f) => ({ ...f, deviation: [1, 1, 0, 1, 1, 1] })],
  ])("that %s is refused", async (said, change) => {
    const changed = JSON.stringify(change(JSON.parse(await text())));
    expect(() => classifierFromJson(changed, "model.json")).toThrow(UserError);
    expect(() => classifierFromJson(changed, "model.json")).toThrow(said);
  });

  it("that is cut off is refused", async () => {
    const whole = await text();
    expect(() => classifierFromJson(whole.slice(0, 100), "model.json")).toThrow("model.json cannot be read");
  });
});
