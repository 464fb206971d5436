/** Classes told apart: as well as scikit-learn does, on rows that were not seen, and by the same numbers each time. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  classifyRows,
  crossValidate,
  fitClassifier,
  type Validation,
} from "../../src/analysis/classifier.ts";
import { encodeLabels, foldsOf } from "../../src/analysis/folds.ts";
import { fitLinear, probabilities } from "../../src/analysis/logistic.ts";
import type { Rows } from "../../src/analysis/matrix.ts";
import { UserError } from "../../src/errors.ts";
import { seededUnits } from "../../src/seeded.ts";
import { needsDigits, readDigits } from "../support/digits.ts";
import { type Drawn, drawnGroups } from "../support/drawn.ts";
import { itWithPython, runPython, temporaryFolder } from "../support/features.ts";

const drawn = drawnGroups("classes", { groups: 3, each: 40, width: 10, apart: 0.7 });
const wide = drawnGroups("wide classes", { groups: 4, each: 15, width: 120, apart: 0.35 });
const named = ({ labels }: Drawn) => Array.from(labels, (label) => `group ${label}`);

describe("folds", () => {
  it("hold every class in its share, and another draw with another seed", () => {
    const encoded = encodeLabels(named(drawn));
    const { folds, foldOf } = foldsOf(encoded, 5, 0);
    expect(folds).toBe(5);
    for (const fold of [0, 1, 2, 3, 4]) {
      for (const label of [0, 1, 2]) {
        const inside = [...foldOf.keys()].filter((i) => foldOf[i] === fold && encoded.labels[i] === label);
        expect(inside).toHaveLength(8);
      }
    }
    expect(foldsOf(encoded, 5, 0).foldOf).toEqual(foldOf);
    expect(foldsOf(encoded, 5, 1).foldOf).not.toEqual(foldOf);
  });

  it("are no more than the largest class has rows, and part each class", () => {
    const encoded = encodeLabels(["a", "a", "b", "b", "b", undefined]);
    const { folds, foldOf } = foldsOf(encoded, 5, 0);
    expect(folds).toBe(3);
    expect(foldOf[0]).not.toBe(foldOf[1]);
    expect(foldOf[5]).toBe(-1);
  });

  it("keep rows without a label apart from those whose label is empty", () => {
    const { labels, members } = encodeLabels(["", undefined, "", "b", "b"]);
    expect([...labels]).toEqual([0, -1, 0, 1, 1]);
    expect([...members]).toEqual([0, 2, 3, 4]);
  });
});

describe("a validation", () => {
  let found: Validation;
  beforeAll(async () => {
    found = await crossValidate(drawn.rows, named(drawn));
  });

  it("adds up", () => {
    const { classes, confusion, accuracy, foldAccuracies, doubts, tried } = found;
    expect(tried).toBe(120);
    expect(classes.map(({ name, count }) => [name, count])).toEqual([
      ["group 0", 40],
      ["group 1", 40],
      ["group 2", 40],
    ]);
    const right = confusion[0][0] + confusion[1][1] + confusion[2][2];
    expect(accuracy).toBeCloseTo(right / 120, 12);
    expect(foldAccuracies.reduce((a, b) => a + b, 0) / 5).toBeCloseTo(accuracy, 12);
    expect(doubts).toHaveLength(120 - right);
    for (const [k, { precision, recall }] of classes.entries()) {
      expect(recall).toBeCloseTo(confusion[k][k] / 40, 12);
      expect(precision).toBeCloseTo(confusion[k][k] / confusion.reduce((sum, line) => sum + line[k], 0), 12);
    }
    expect(accuracy).toBeGreaterThan(0.7);
    expect(accuracy).toBeLessThan(1);
    expect(found.nearestAccuracy).toBeGreaterThan(0.5);
  });

  it("is the same each time", async () => {
    expect(await crossValidate(drawn.rows, named(drawn))).toEqual(found);
  });

  it("takes the strength whose probabilities are best", () => {
    const best = found.tries.reduce((a, b) => (b.loss < a.loss ? b : a));
    expect(found.strength).toBe(best.strength);
    expect(found.accuracy).toBe(best.accuracy);
  });

  it("has never seen the row that it tries", async () => {
    // Labels that say nothing can only be learnt by heart.
    const labels = Array.from(seededUnits("coins", wide.rows.count), (unit) =>
      unit < 0 ? "heads" : "tails",
    );
    const { accuracy } = await crossValidate(wide.rows, labels);
    expect(accuracy).toBeLessThan(0.7);
  });

  it("doubts labels that were swapped, first of all", async () => {
    const easy = drawnGroups("easy", { groups: 3, each: 30, width: 12, apart: 3 });
    const labels = named(easy);
    const swapped = [4, 31, 77];
    for (const row of swapped) labels[row] = labels[row] === "group 0" ? "group 1" : "group 0";
    const { doubts } = await crossValidate(easy.rows, labels);
    expect(
      doubts
        .slice(0, 3)
        .map(({ row }) => row)
        .sort((a, b) => a - b),
    ).toEqual(swapped);
    for (const { row, label, likelier, probability, likelierProbability } of doubts.slice(0, 3)) {
      expect(label).toBe(labels[row]);
      expect(likelier).toBe(`group ${easy.labels[row]}`);
      expect(probability).toBeLessThan(likelierProbability);
    }
  });

  it("leaves out rows without a label and classes of one, and says which", async () => {
    const labels: (string | undefined)[] = named(drawn);
    labels[0] = "alone";
    labels[1] = undefined;
    const { tried, single, classes } = await crossValidate(drawn.rows, labels);
    expect(tried).toBe(118);
    expect(single).toEqual(["alone"]);
    expect(classes.map(({ name }) => name)).not.toContain("alone");
  });

  it.each([
    [["a", "b"], "a with 1, b with 1"],
    [["a", "a"], "there is one: a with 2"],
    [[undefined, undefined], "no image has a label"],
    [["a", "a", "b"], "a with 2, b with 1"],
  ])("of %j is refused in a sentence", async (labels, said) => {
    const rows: Rows = { count: labels.length, width: 1, data: Float32Array.from(labels.keys()) };
    const refused = expect(crossValidate(rows, labels)).rejects;
    await refused.toThrow(UserError);
    await refused.toThrow(said);
  });

  it("of two classes of two rows comes out", async () => {
    const rows: Rows = { count: 4, width: 1, data: Float32Array.of(0, 0.1, 5, 5.1) };
    expect((await crossValidate(rows, ["a", "a", "b", "b"])).accuracy).toBe(1);
  });

  it("of rows that are all equal knows nothing, and ends", async () => {
    const rows: Rows = { count: 20, width: 3, data: new Float32Array(60).fill(2) };
    const labels = Array.from({ length: 20 }, (_, i) => (i < 15 ? "a" : "b"));
    const { accuracy, classes } = await crossValidate(rows, labels);
    expect(accuracy).toBe(0.75);
    expect(classes[1]).toMatchObject({ precision: undefined, recall: 0 });
  });

  it("names a row that is not all numbers", async () => {
    const rows: Rows = { count: 4, width: 1, data: Float32Array.of(0, 0.1, Number.NaN, 5.1) };
    await expect(crossValidate(rows, ["a", "a", "b", "b"])).rejects.toThrow("Row 2");
  });
});

describe("a classifier", () => {
  it("knows the classes of rows, with probabilities that add up", async () => {
    const classifier = await fitClassifier(drawn.rows, named(drawn), 0.1);
    const classified = await classifyRows(classifier, drawn.rows);
    const right = classified.filter(({ label }, i) => label === `group ${drawn.labels[i]}`);
    expect(right.length).toBeGreaterThan(100);
    for (const { probabilities: p, probability } of classified) {
      expect(p.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
      expect(Math.max(...p)).toBe(probability);
    }
  });

  it("refuses rows of another length", async () => {
    const classifier = await fitClassifier(drawn.rows, named(drawn), 0.1);
    await expect(classifyRows(classifier, wide.rows)).rejects.toThrow("10 numbers, and these have 120");
  });

  it("is not moved by the unit of a number, nor by one that never changes", async () => {
    const scaled = Float32Array.from(drawn.rows.data, (v, i) => (i % 10 === 3 ? 1000 * v + 5e4 : v));
    const constant = Float32Array.from({ length: 120 * 11 }, (_, at) =>
      at % 11 === 10 ? 0.1 : drawn.rows.data[Math.floor(at / 11) * 10 + (at % 11)],
    );
    const labels = named(drawn);
    const probabilitiesBy = async (rows: Rows) =>
      (await classifyRows(await fitClassifier(rows, labels, 0.01), rows)).map(
        ({ probability }) => probability,
      );
    const plain = await probabilitiesBy(drawn.rows);
    for (const rows of [
      { ...drawn.rows, data: scaled },
      { count: 120, width: 11, data: constant },
    ]) {
      const other = await probabilitiesBy(rows);
      for (const [i, p] of plain.entries()) expect(other[i]).toBeCloseTo(p, 2);
    }
  });
});

/** What scikit-learn makes of the same rows and folds. */
function byScikit({ rows, labels }: Drawn, folds: Int32Array, strength: number) {
  const file = join(temporaryFolder(), "set.json");
  writeFileSync(file, JSON.stringify({ x: [...rows.data], y: [...labels], folds: [...folds], C: strength }));
  return runPython(
    `
import sys, json, numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.pipeline import make_pipeline
d = json.load(open(sys.argv[1]))
x = np.array(d["x"]).reshape(len(d["y"]), -1); y = np.array(d["y"]); f = np.array(d["folds"])
model = make_pipeline(StandardScaler(), LogisticRegression(C=d["C"], max_iter=5000, tol=1e-8))
p = model.fit(x, y).predict_proba(x)
right = 0
for k in range(f.max() + 1):
    right += (model.fit(x[f != k], y[f != k]).predict(x[f == k]) == y[f == k]).sum()
print(json.dumps({"p": p.tolist(), "accuracy": right / len(y)}))`,
    file,
  ) as { p: number[][]; accuracy: number };
}

describe("beside scikit-learn", () => {
  itWithPython(
    "probabilities and accuracy are the same on drawn sets, narrow and wide",
    async () => {
      for (const set of [drawn, wide]) {
        const encoded = encodeLabels(named(set));
        const { foldOf } = foldsOf(encoded, 5, 0);
        const validation = await crossValidate(set.rows, named(set));
        for (const strength of [0.01, 1]) {
          const theirs = byScikit(set, foldOf, strength);
          const classes = encoded.classes.length;
          const linear = await fitLinear({ ...set, classes, members: encoded.members, strength });
          const ours = await probabilities(linear, set.rows, encoded.members);
          for (const [i, p] of theirs.p.flat().entries()) expect(Math.abs(ours[i] - p)).toBeLessThan(0.005);
          const mine = validation.tries.find((t) => t.strength === strength);
          expect(Math.abs((mine?.accuracy ?? 0) - theirs.accuracy)).toBeLessThanOrEqual(0.01 + 1e-9);
        }
      }
    },
    "sklearn",
  );

  it.skipIf(needsDigits)(
    `the digits are told apart as well${needsDigits}`,
    async () => {
      const { rows, labels, truth } = readDigits();
      const found = await crossValidate(rows, Array.from(labels, String));
      for (const strength of [0.01, 0.1, 1]) {
        const mine = found.tries.find((t) => t.strength === strength)?.accuracy ?? 0;
        expect(Math.abs(mine - truth[`logreg standardised C=${strength}`])).toBeLessThan(0.01);
      }
      expect(found.accuracy).toBeGreaterThan(0.968);
      expect(found.nearestAccuracy).toBeCloseTo(truth["nearest other has the label"], 3);
    },
    300_000,
  );
});
