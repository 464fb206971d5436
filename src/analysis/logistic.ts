/**
 * Multinomial logistic regression with an L2 penalty on the weights: the class of a row by a linear function of its
 * standardised numbers. The same problem that scikit-learn's LogisticRegression solves behind a StandardScaler.
 *
 * Rows are never copied: standardising is folded into the weights, and a fold is a list of rows.
 */
import { breathing } from "./breathe.ts";
import { minimise } from "./lbfgs.ts";
import type { Rows } from "./matrix.ts";

/** A linear function of rows for each of `classes` classes. */
export interface Linear {
  readonly classes: number;
  readonly width: number;
  /** Mean and standard deviation of each number of a row, where it was fitted; a number that never changes has deviation 1. */
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
  /** `classes * width` weights of standardised numbers, class by class. */
  readonly weights: Float64Array;
  readonly intercepts: Float64Array;
}

export interface FitRequest {
  readonly rows: Rows;
  /** The class of every row, from 0 to `classes` - 1. */
  readonly labels: Int32Array;
  readonly classes: number;
  /** The rows to fit to. */
  readonly members: Int32Array;
  /** The inverse of the penalty: scikit-learn's C. */
  readonly strength: number;
  /** Where to begin: of another strength, and the same rows. */
  readonly from?: Linear;
}

/** As scikit-learn ends; more steps than it, which complains and leaves it at a hundred. */
const ending = { tolerance: 1e-4, mostSteps: 500 };

/** Fits to the members. Of one class only, that class is certain. */
export async function fitLinear(request: FitRequest): Promise<Linear> {
  const { rows, labels, classes, members, strength, from } = request;
  const { mean, deviation } = from ?? statistics(rows, members);
  const { width } = rows;
  const size = classes * width;
  const start = new Float64Array(size + classes);
  if (from) {
    start.set(from.weights);
    start.set(from.intercepts, size);
  }
  const penalty = 1 / (strength * members.length);
  const breathe = breathing();
  const parts = (x: Float64Array): Linear => ({
    classes,
    width,
    mean,
    deviation,
    weights: x.subarray(0, size),
    intercepts: x.subarray(size),
  });
  const { x } = await minimise(
    start,
    async (at, gradient) => {
      gradient.fill(0);
      const inputs = onRaw(parts(at));
      let loss = 0;
      for (let first = 0; first < members.length; first += blockRows) {
        await breathe();
        const block = members.subarray(first, first + blockRows);
        const scores = scoresOf(rows, block, inputs);
        loss += residuals(scores, classes, (i) => labels[block[i]]);
        addProducts(rows, block, scores, gradient, classes);
      }
      // From the gradient by raw weights to that by weights of standardised numbers, in the mean over the rows.
      for (let k = 0; k < classes; k++) {
        const sum = gradient[size + k];
        gradient[size + k] = sum / members.length;
        for (let j = 0; j < width; j++) {
          const w = k * width + j;
          gradient[w] = (gradient[w] - mean[j] * sum) / (deviation[j] * members.length) + penalty * at[w];
          loss += 0.5 * penalty * members.length * at[w] * at[w];
        }
      }
      return loss / members.length;
    },
    ending,
  );
  return parts(x);
}

/** The probability of each class for each of the members: `members.length * classes` numbers. */
export async function probabilities(linear: Linear, rows: Rows, members: Int32Array): Promise<Float64Array> {
  const breathe = breathing();
  const inputs = onRaw(linear);
  const all = new Float64Array(members.length * linear.classes);
  for (let first = 0; first < members.length; first += blockRows) {
    await breathe();
    const scores = scoresOf(rows, members.subarray(first, first + blockRows), inputs);
    for (let at = 0; at < scores.length; at += linear.classes)
      softmax(scores.subarray(at, at + linear.classes));
    all.set(scores, first * linear.classes);
  }
  return all;
}

/** Rows whose scores are worked out together; a multiple of the four that share a pass over the weights. */
const blockRows = 64;

function statistics({ width, data }: Rows, members: Int32Array) {
  const mean = new Float64Array(width);
  const deviation = new Float64Array(width);
  for (const row of members) for (let j = 0; j < width; j++) mean[j] += data[row * width + j];
  for (let j = 0; j < width; j++) mean[j] /= members.length;
  for (const row of members) {
    for (let j = 0; j < width; j++) deviation[j] += (data[row * width + j] - mean[j]) ** 2;
  }
  for (let j = 0; j < width; j++) {
    const d = Math.sqrt(deviation[j] / members.length);
    // What rounding makes of equal numbers is no deviation.
    deviation[j] = d > 1e-7 * Math.abs(mean[j]) ? d : 1;
  }
  return { mean, deviation };
}

interface RawLinear {
  readonly classes: number;
  readonly weights: Float64Array;
  readonly intercepts: Float64Array;
}

/** The same function of the numbers as they are. */
function onRaw({ classes, width, mean, deviation, weights, intercepts }: Linear): RawLinear {
  const raw = { classes, weights: new Float64Array(weights.length), intercepts: intercepts.slice() };
  for (let k = 0; k < classes; k++) {
    for (let j = 0; j < width; j++) {
      const w = weights[k * width + j] / deviation[j];
      raw.weights[k * width + j] = w;
      raw.intercepts[k] -= mean[j] * w;
    }
  }
  return raw;
}

/** Scores of the members, row by row. Four rows share a pass over the weights. */
function scoresOf({ width, data }: Rows, members: Int32Array, { classes, weights, intercepts }: RawLinear) {
  const scores = new Float64Array(members.length * classes);
  for (let i = 0; i < members.length; i += 4) {
    // Past the last row, the last is worked out again.
    const at = (k: number) => Math.min(i + k, members.length - 1);
    const [r0, r1, r2, r3] = [0, 1, 2, 3].map((k) => members[at(k)] * width);
    for (let k = 0; k < classes; k++) {
      let [s0, s1, s2, s3] = [0, 0, 0, 0];
      for (let j = 0, w = k * width; j < width; j++, w++) {
        const weight = weights[w];
        s0 += weight * data[r0 + j];
        s1 += weight * data[r1 + j];
        s2 += weight * data[r2 + j];
        s3 += weight * data[r3 + j];
      }
      const b = intercepts[k];
      scores[at(0) * classes + k] = s0 + b;
      scores[at(1) * classes + k] = s1 + b;
      scores[at(2) * classes + k] = s2 + b;
      scores[at(3) * classes + k] = s3 + b;
    }
  }
  return scores;
}

/** Turns scores into probabilities, in place. Gives the logarithm of the sum that they were divided by. */
function softmax(scores: Float64Array): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const s of scores) most = Math.max(most, s);
  let sum = 0;
  for (let k = 0; k < scores.length; k++) sum += Math.exp(scores[k] - most);
  const log = most + Math.log(sum);
  for (let k = 0; k < scores.length; k++) scores[k] = Math.exp(scores[k] - log);
  return log;
}

/** Turns scores into what is wrong with their probabilities, in place. Gives the loss, summed over the rows. */
function residuals(scores: Float64Array, classes: number, labelOf: (row: number) => number): number {
  let loss = 0;
  for (let i = 0; i < scores.length / classes; i++) {
    const own = scores.subarray(i * classes, (i + 1) * classes);
    const right = own[labelOf(i)];
    loss += softmax(own) - right;
    own[labelOf(i)] -= 1;
  }
  return loss;
}

/** Adds the products of residuals and rows to the gradient, and the sums of the residuals behind them. */
function addProducts(
  { width, data }: Rows,
  members: Int32Array,
  residual: Float64Array,
  gradient: Float64Array,
  classes: number,
): void {
  for (let i = 0; i < members.length; i += 4) {
    const at = (k: number) => Math.min(i + k, members.length - 1);
    const [r0, r1, r2, r3] = [0, 1, 2, 3].map((k) => members[at(k)] * width);
    for (let k = 0; k < classes; k++) {
      const [e0, e1, e2, e3] = [0, 1, 2, 3].map((row) =>
        i + row < members.length ? residual[(i + row) * classes + k] : 0,
      );
      gradient[classes * width + k] += e0 + e1 + e2 + e3;
      for (let j = 0, w = k * width; j < width; j++, w++) {
        gradient[w] += e0 * data[r0 + j] + e1 * data[r1 + j] + e2 * data[r2 + j] + e3 * data[r3 + j];
      }
    }
  }
}
