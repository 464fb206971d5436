/** The classes that an image is most like, from its logits. */
import { readFile } from "node:fs/promises";
import { UsageError } from "../errors.ts";
import { imagenetNames } from "../nets/imagenet.ts";
import { findModel } from "../nets/index.ts";
import type { Network } from "./network.ts";

export type LabelNames = readonly string[] | undefined;

/** The name of a class on each line, the first of class 0. @throws UsageError */
export async function readLabels(path: string | undefined): Promise<LabelNames> {
  if (path === undefined) return undefined;
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new UsageError(
      `The labels ${path} cannot be read.`,
      "Name a text file with a class on each line.",
      { cause },
    );
  });
  return text.replace(/\n$/, "").split(/\r?\n/);
}

/** Names that are one too few would each stand at another class. @throws UsageError */
export function checkLabels(names: LabelNames, classes: number, path = "the file"): void {
  if (!names || names.length === classes) return;
  throw new UsageError(
    `The labels ${path} name ${names.length} classes, and this network has ${classes}.`,
    names.length === classes - 1
      ? "Its class 0 is probably the background: begin the file with a line for it."
      : "Name a file with a line for each class, the first for class 0.",
  );
}

/**
 * The names of a network's classes that need no file: ImageNet's, where its logits are theirs. What untrained weights say
 * has no name.
 */
export async function ownNames(network: Network, classes: number): Promise<LabelNames> {
  return network.weights.kind === "seeded" ? undefined : imagenetNames(findModel(network.model), classes);
}

export interface Prediction {
  readonly index: number;
  readonly probability: number;
  readonly name?: string;
}

/** The `count` likeliest classes, the likeliest first; probabilities are the softmax over all, in float64. */
export function topClasses(logits: Float32Array, count: number, names?: LabelNames): Prediction[] {
  const peak = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  let total = 0;
  for (const v of logits) total += Math.exp(v - peak);
  return Array.from(logits, (v, index) => ({ index, probability: Math.exp(v - peak) / total }))
    .sort((a, b) => b.probability - a.probability || a.index - b.index)
    .slice(0, count)
    .map((p) => named(p, names));
}

/** A prediction with the name of its class, where there are names. */
export const named = (prediction: Prediction, names: LabelNames): Prediction =>
  names ? { ...prediction, name: names[prediction.index] } : prediction;
