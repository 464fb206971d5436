/** How well rows tell classes apart, and classifiers that do: fitted, tried on rows they have not seen, and kept. */
import type { Device } from "../engine/device.ts";
import { UserError } from "../errors.ts";
import * as rule from "./arguments.ts";
import { type Encoded, encodeLabels, foldsOf, usualFolds } from "./folds.ts";
import { fitLinear, type Linear, probabilities } from "./logistic.ts";
import { checkFinite, type Rows } from "./matrix.ts";
import { nearest } from "./neighbours.ts";
import { takeRows } from "./sample.ts";

/** The inverse penalties that are tried, the strictest first: scikit-learn's C for standardised numbers. */
export const strengths = [1e-4, 1e-3, 1e-2, 1e-1, 1, 10] as const;

/** How `crossValidate` parts the rows, and is watched. */
export interface ValidateOptions {
  /** Parts of which each is tried by what the others teach; 5 when left out. */
  readonly folds?: number;
  /** Which rows go together into a fold; 0 when left out. */
  readonly seed?: number;
  /** What computes the products of the nearest neighbours. */
  readonly device?: Device;
  /** Is told how many of the fits are done. */
  readonly onProgress?: (done: number, total: number) => void;
}

const validateRules: rule.Rules<ValidateOptions> = {
  folds: rule.atLeast(2),
  seed: rule.atLeast(0),
  device: rule.device,
  onProgress: rule.callback,
};

/** One class as it was told apart. */
export interface ClassReport {
  readonly name: string;
  /** Rows of this class. */
  readonly count: number;
  /** Of the rows that were taken for this class, the share that are of it; undefined where none was. */
  readonly precision: number | undefined;
  /** Of the rows of this class, the share that were taken for it. */
  readonly recall: number;
}

/** A row whose label the others speak against. */
export interface Doubt {
  readonly row: number;
  readonly label: string;
  /** The probability of its own label, by a classifier that has not seen it. */
  readonly probability: number;
  /** The class that it was taken for, and the probability of that one. */
  readonly likelier: string;
  readonly likelierProbability: number;
}

/** How well rows were told by classifiers that had not seen them. */
export interface Validation {
  /** By their number, in the natural order of their names. */
  readonly classes: readonly ClassReport[];
  /** Rows that were tried: those of classes with two rows or more. */
  readonly tried: number;
  /** Classes of one row, which were left out. */
  readonly single: readonly string[];
  /** The share of rows that were told right by a classifier that had not seen them. */
  readonly accuracy: number;
  /** The same of each fold. */
  readonly foldAccuracies: readonly number[];
  /** The share of rows whose nearest other row (by cosine) is of their class. */
  readonly nearestAccuracy: number;
  /** The inverse penalty whose probabilities were best (by log loss), and what each gave. */
  readonly strength: number;
  readonly tries: readonly { readonly strength: number; readonly accuracy: number; readonly loss: number }[];
  /** `confusion[k][l]`: rows of class k that were taken for class l. */
  readonly confusion: readonly (readonly number[])[];
  /** Rows that were taken for another class, the least probable label first. */
  readonly doubts: readonly Doubt[];
}

/** A probability below it says the same as it. */
const leastProbability = 1e-15;

/**
 * Tries by cross-validation how well a linear classifier tells classes apart: multinomial logistic regression of
 * standardised numbers, fitted to all folds but one and tried on that one, for each fold and each strength.
 * @param labels of each row; rows without one count for nothing
 * @throws UsageError for wrong arguments, by their names; UserError where fewer than two classes have two rows
 */
export async function crossValidate(
  rows: Rows,
  labels: readonly (string | undefined)[],
  options: ValidateOptions = {},
): Promise<Validation> {
  rule.checkRows("crossValidate", rows);
  rule.checkLabels("crossValidate", labels, rows.count);
  rule.checkArguments("crossValidate", options, validateRules);
  const { folds: wanted = usualFolds, seed = 0, device, onProgress = () => {} } = options;
  checkFinite(rows.data, rows.width, 0);
  const encoded = encodeLabels(labels);
  const { classes, members, labels: numbers, single } = encoded;
  const { folds, foldOf } = foldsOf(encoded, wanted, seed);
  const width = classes.length;
  /** For each strength the probabilities of every member. */
  const found = strengths.map(() => new Float32Array(members.length * width));
  let done = 0;
  for (let fold = 0; fold < folds; fold++) {
    const taught = members.filter((row) => foldOf[row] !== fold);
    const tried = members.filter((row) => foldOf[row] === fold);
    const at = [...members.keys()].filter((i) => foldOf[members[i]] === fold);
    let linear: Linear | undefined;
    for (const [s, strength] of strengths.entries()) {
      linear = await fitLinear({
        rows,
        labels: numbers,
        classes: width,
        members: taught,
        strength,
        from: linear,
      });
      const p = await probabilities(linear, rows, tried);
      for (const [i, place] of at.entries()) {
        found[s].set(p.subarray(i * width, (i + 1) * width), place * width);
      }
      onProgress(++done, folds * strengths.length);
    }
  }
  const tries = strengths.map((strength, s) => ({ strength, ...score(encoded, found[s]) }));
  const best = tries.reduce((least, t, s) => (t.loss < tries[least].loss ? s : least), 0);
  const predicted = likeliest(found[best], width);
  const right = Int32Array.from(members, (row, i) => Number(predicted[i] === numbers[row]));
  const confusion = classes.map(() => classes.map(() => 0));
  for (const [i, row] of members.entries()) confusion[numbers[row]][predicted[i]]++;
  return {
    classes: reportsOf(classes, confusion),
    tried: members.length,
    single,
    accuracy: mean(right),
    foldAccuracies: Array.from({ length: folds }, (_, fold) =>
      mean(right.filter((_, i) => foldOf[members[i]] === fold)),
    ),
    nearestAccuracy: await nearestShare(rows, encoded, device),
    strength: strengths[best],
    tries,
    confusion,
    doubts: doubtsOf(encoded, found[best], predicted),
  };
}

const mean = (values: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum / values.length;
};

/** The class of the largest probability of each row, of equal ones the first. */
function likeliest(p: Float32Array, width: number): Int32Array {
  return Int32Array.from({ length: p.length / width }, (_, i) => {
    const own = p.subarray(i * width, (i + 1) * width);
    return own.indexOf(own.reduce((a, b) => Math.max(a, b)));
  });
}

function score({ classes, labels, members }: Encoded, p: Float32Array) {
  const predicted = likeliest(p, classes.length);
  let right = 0;
  let loss = 0;
  for (const [i, row] of members.entries()) {
    right += Number(predicted[i] === labels[row]);
    loss -= Math.log(Math.max(leastProbability, p[i * classes.length + labels[row]]));
  }
  return { accuracy: right / members.length, loss: loss / members.length };
}

function reportsOf(classes: readonly string[], confusion: readonly (readonly number[])[]): ClassReport[] {
  return classes.map((name, k) => {
    const count = confusion[k].reduce((a, b) => a + b, 0);
    const taken = confusion.reduce((sum, line) => sum + line[k], 0);
    return {
      name,
      count,
      precision: taken > 0 ? confusion[k][k] / taken : undefined,
      recall: confusion[k][k] / count,
    };
  });
}

function doubtsOf({ classes, labels, members }: Encoded, p: Float32Array, predicted: Int32Array): Doubt[] {
  return [...members.entries()]
    .filter(([i, row]) => predicted[i] !== labels[row])
    .map(([i, row]) => ({
      row,
      label: classes[labels[row]],
      probability: p[i * classes.length + labels[row]],
      likelier: classes[predicted[i]],
      likelierProbability: p[i * classes.length + predicted[i]],
    }))
    .sort((a, b) => a.probability - b.probability || a.row - b.row);
}

/** The share of the labelled rows whose nearest other labelled row has their label. */
async function nearestShare(rows: Rows, { labels, members }: Encoded, device?: Device): Promise<number> {
  const own = members.length === rows.count ? rows : await takeRows(rows, [...members]);
  const { indices } = await nearest(own, 1, { metric: "cosine", device });
  return mean(Array.from(members, (row, i) => Number(labels[members[indices[i]]] === labels[row])));
}

/** A linear classifier of rows by name. */
export interface Classifier {
  /** The names of its classes, by their number. */
  readonly classes: readonly string[];
  /** The inverse penalty that it was fitted by. */
  readonly strength: number;
  /** The scores of classes, as a function of a row. */
  readonly linear: Linear;
}

/**
 * Fits a classifier to all labelled rows. @param strength the inverse penalty, as `crossValidate` found it
 * @throws UsageError for wrong arguments, by their names; UserError where fewer than two classes have two rows
 */
export async function fitClassifier(
  rows: Rows,
  labels: readonly (string | undefined)[],
  strength: number,
): Promise<Classifier> {
  rule.checkRows("fitClassifier", rows);
  rule.checkLabels("fitClassifier", labels, rows.count);
  if (!rule.positive.fits(strength))
    throw rule.wrongArgument("fitClassifier", "strength", rule.positive.must, strength);
  checkFinite(rows.data, rows.width, 0);
  const { classes, labels: numbers, members } = encodeLabels(labels);
  const request = { rows, labels: numbers, classes: classes.length, members };
  // By the same steps as in cross-validation.
  let linear: Linear | undefined;
  for (const milder of [...strengths.filter((s) => s < strength), strength]) {
    linear = await fitLinear({ ...request, strength: milder, from: linear });
  }
  return { classes, strength, linear: linear as Linear };
}

/** What a row was told to be: its likeliest class, and how likely that is. */
export interface Classified {
  readonly label: string;
  readonly probability: number;
  /** The probability of every class, by its place among the classes. */
  readonly probabilities: Float64Array;
}

/** The likeliest class of each row. @throws UserError for rows of another length than those it was fitted to */
export async function classifyRows({ classes, linear }: Classifier, rows: Rows): Promise<Classified[]> {
  rule.checkRows("classifyRows", rows);
  if (rows.width !== linear.width) {
    throw new UserError(
      `The classifier is for features of ${linear.width} numbers, and these have ${rows.width}.`,
      "Extract them by the network and layer that it was made from.",
    );
  }
  const p = await probabilities(
    linear,
    rows,
    Int32Array.from({ length: rows.count }, (_, i) => i),
  );
  return Array.from({ length: rows.count }, (_, i) => {
    const own = p.subarray(i * classes.length, (i + 1) * classes.length);
    const best = own.indexOf(own.reduce((a, b) => Math.max(a, b)));
    return { label: classes[best], probability: own[best], probabilities: own };
  });
}
