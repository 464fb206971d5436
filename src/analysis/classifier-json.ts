/** Classifiers as JSON: everything that is needed to use one, and where its features came from. */
import { UserError } from "../errors.ts";
import type { Classifier } from "./classifier.ts";

const kind = "slimfeatures classifier";
const version = 1;

/** A classifier as it is kept. `Origin` says how the features were made that it is for. */
export interface KeptClassifier<Origin> {
  /** What tells the classes of rows. */
  readonly classifier: Classifier;
  /** How the features were made. */
  readonly features: Origin;
  /** Images that it was fitted to, and the share that cross-validation told right. */
  readonly images: number;
  readonly accuracy: number;
}

/** As JSON, in numbers of nine digits: more than float32 features hold. */
export function classifierToJson<Origin>(kept: KeptClassifier<Origin>): string {
  const { classifier, features, images, accuracy } = kept;
  const { classes, strength, linear } = classifier;
  const plain = (values: Float64Array) => Array.from(values, (v) => Number(v.toPrecision(9)));
  return `${JSON.stringify({
    kind,
    version,
    features,
    images,
    accuracy,
    classes,
    strength,
    width: linear.width,
    mean: plain(linear.mean),
    deviation: plain(linear.deviation),
    intercepts: plain(linear.intercepts),
    weights: classes.map((_, k) => plain(linear.weights.subarray(k * linear.width, (k + 1) * linear.width))),
  })}\n`;
}

/**
 * Reads what `classifierToJson` wrote. @param name of the file, for sentences
 * @throws UserError where it is something else, or damaged
 */
export function classifierFromJson<Origin>(text: string, name: string): KeptClassifier<Origin> {
  const refuse = (what: string, cause?: unknown) =>
    new UserError(`${name} ${what}.`, "Name a file that classify --save wrote.", { cause });
  let found: Record<string, unknown>;
  try {
    found = JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw refuse(`cannot be read: ${(cause as Error).message}`, cause);
  }
  if (found?.kind !== kind) throw refuse("holds no classifier");
  if (found.version !== version)
    throw refuse(`is of version ${found.version}, and this program reads version ${version}`);
  const { classes, width } = found;
  const isList = (value: unknown, length: number): value is number[] =>
    Array.isArray(value) && value.length === length && value.every((v) => Number.isFinite(v));
  const named = Array.isArray(classes) && classes.length > 1 && classes.every((c) => typeof c === "string");
  const counted = typeof width === "number" && Number.isSafeInteger(width) && width > 0;
  if (!named || !counted) throw refuse("is damaged: it does not say its classes and its length");
  const column = (key: "mean" | "deviation" | "intercepts", length: number): Float64Array => {
    const value = found[key];
    if (!isList(value, length)) throw refuse(`is damaged: "${key}" is not ${length} numbers`);
    return Float64Array.from(value);
  };
  const weights = found.weights;
  if (
    !Array.isArray(weights) ||
    weights.length !== classes.length ||
    !weights.every((own) => isList(own, width))
  )
    throw refuse(`is damaged: "weights" is not ${width} numbers for each of ${classes.length} classes`);
  const deviation = column("deviation", width);
  if (deviation.some((d) => d <= 0)) throw refuse('is damaged: a "deviation" is not above 0');
  return {
    classifier: {
      classes: classes as string[],
      strength: Number(found.strength),
      linear: {
        classes: classes.length,
        width,
        mean: column("mean", width),
        deviation,
        intercepts: column("intercepts", classes.length),
        weights: Float64Array.from((weights as number[][]).flat()),
      },
    },
    features: (found.features ?? {}) as Origin,
    images: Number(found.images),
    accuracy: Number(found.accuracy),
  };
}
