/** Whether features were made in the same way: only then can one be compared with another. */
import type { MadeBy } from "./vectors.ts";

/** What decides a feature, in words. */
const decisive: readonly (readonly [what: string, value: (made: MadeBy) => unknown])[] = [
  ["network", (m) => m.model],
  ["end point", (m) => m.endPoint],
  ["weights", (m) => m.weights?.sha256 ?? m.weights?.kind],
  ["moving averages", (m) => m.weights?.ema],
  ["image size", (m) => m.imageSize],
  ["global pool", (m) => m.globalPool],
  ["pool", (m) => m.pool],
  ["unit length", (m) => m.l2],
  // What extract wrote without components says so by saying nothing of them.
  ["principal components", (m) => m.pca?.components ?? (m.model === undefined ? undefined : "none")],
  // Of as many components, those that were fitted to other features are others: they explain another share of the variance.
  ["variance explained by the principal components", (m) => m.pca?.explained?.reduce((a, b) => a + b, 0)],
  ["preprocessing", (m) => m.preprocess?.mode],
  ["EXIF rule", (m) => m.preprocess?.exif],
  ["JPEG method", (m) => m.preprocess?.jpeg],
  ["ICC profiles", (m) => (m.preprocess ? (m.preprocess.icc ?? false) : undefined)],
  ["background", (m) => (m.preprocess ? (m.preprocess.background?.join(" ") ?? "none") : undefined)],
];

/**
 * The first thing in which two sets of features were made differently, as "network inception_v1, not mobilenet_v1"; undefined
 * where there is none. What one of them does not say is not compared.
 */
export function madeOtherwise(these: MadeBy, those: MadeBy): string | undefined {
  for (const [what, value] of decisive) {
    const [a, b] = [value(these), value(those)];
    if (a !== undefined && b !== undefined && a !== b) return `${what} ${a}, not ${b}`;
  }
  return undefined;
}
