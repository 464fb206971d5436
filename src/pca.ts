/**
 * Principal components of features: fitted by subspace iteration over the rows as they lie on the disk, so that memory
 * stays flat. "Finding structure with randomness", Halko, Martinsson and Tropp, 2011, algorithm 4.4.
 */
import type { Matrix as MlMatrix } from "ml-matrix";
import { UserError } from "./errors.ts";
import { seededUnits } from "./seeded.ts";

export interface Pca {
  readonly mean: readonly number[];
  /** The components, the most telling first; each of unit length. */
  readonly components: readonly (readonly number[])[];
  /** The share of the variance that each explains. */
  readonly explained: readonly number[];
}

/** More directions than are asked for, and passes over the rows: what the paper advises. */
const spare = 8;
const passes = 4;

/** Fits `count` components to rows of `width` numbers. @throws UserError when there are too few rows. */
export async function fitPca(
  rows: () => AsyncIterable<Float32Array>,
  width: number,
  count: number,
): Promise<Pca> {
  // It is wanted here only, and every run of extract would load it.
  const { EigenvalueDecomposition, Matrix, QrDecomposition } = await import("ml-matrix");
  const mean = new Float64Array(width);
  let total = 0;
  for await (const row of rows()) {
    total++;
    for (let i = 0; i < width; i++) mean[i] += row[i];
  }
  if (count > Math.min(total - 1, width)) {
    throw new UserError(
      `${count} principal components cannot be fitted to ${total} features of ${width} numbers.`,
      `At most ${Math.max(0, Math.min(total - 1, width))} can be.`,
    );
  }
  for (let i = 0; i < width; i++) mean[i] /= total;
  const wide = Math.min(count + spare, width, total);
  let variance = 0;

  /** The covariance times `basis`, one row after the other. */
  async function apply(basis: MlMatrix): Promise<MlMatrix> {
    const flat = Float64Array.from(basis.to1DArray());
    const product = new Float64Array(width * wide);
    const centred = new Float64Array(width);
    const along = new Float64Array(wide);
    variance = 0;
    for await (const row of rows()) {
      along.fill(0);
      for (let i = 0; i < width; i++) {
        const v = row[i] - mean[i];
        centred[i] = v;
        variance += v * v;
        for (let k = 0; k < wide; k++) along[k] += v * flat[i * wide + k];
      }
      for (let i = 0; i < width; i++) {
        for (let k = 0; k < wide; k++) product[i * wide + k] += centred[i] * along[k];
      }
    }
    return Matrix.from1DArray(width, wide, product);
  }

  let basis = Matrix.from1DArray(width, wide, Array.from(seededUnits("principal components", width * wide)));
  for (let pass = 0; pass < passes; pass++) basis = new QrDecomposition(await apply(basis)).orthogonalMatrix;
  const small = basis.transpose().mmul(await apply(basis));
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(small, {
    assumeSymmetric: true,
  });
  const order = realEigenvalues
    .map((value, k) => ({ value, k }))
    .sort((a, b) => b.value - a.value)
    .slice(0, count);
  const vectors = basis.mmul(eigenvectorMatrix);
  return {
    mean: Array.from(mean),
    components: order.map(({ k }) => {
      const component = vectors.getColumn(k);
      // A direction and its opposite are one component; its largest number is made positive.
      const largest = component.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
      return largest < 0 ? component.map((v) => -v) : component;
    }),
    explained: order.map(({ value }) => (variance > 0 ? value / variance : 0)),
  };
}

/** A feature in the directions of the components. */
export function project({ mean, components }: Pca, feature: Float32Array): Float32Array {
  return Float32Array.from(components, (component) => {
    let sum = 0;
    for (let i = 0; i < component.length; i++) sum += component[i] * (feature[i] - mean[i]);
    return sum;
  });
}
