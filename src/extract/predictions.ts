/** The classes that an image is most like, from its logits. */
import { readFile } from "node:fs/promises";
import { UsageError } from "../errors.ts";
import { imagenetNames } from "../nets/imagenet.ts";
import { findModel } from "../nets/index.ts";
import type { Network } from "../network/network.ts";
import { ownFolders } from "../node/folder.ts";
import { asUtf8 } from "../text.ts";

export type LabelNames = readonly string[] | undefined;

const advice = "Name a text file in UTF-8 with a class on each line, the first for class 0.";

/**
 * The names in a file of labels: one a line, the first of class 0; or, as TF-Slim writes them (`0:daisy`), behind the number
 * of their class. However lines end, with a byte order mark or without, in UTF-8 or, where it says so, UTF-16.
 * @throws UsageError
 */
export async function readLabels(path: string | undefined): Promise<LabelNames> {
  if (path === undefined) return undefined;
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new UsageError(`The labels ${path} cannot be read.`, advice, { cause });
  });
  const lines = textOf(bytes, path)
    .trimEnd()
    .split(/\r\n|\n|\r/);
  return byNumbers(lines, path) ?? lines;
}

function textOf(bytes: Buffer, path: string): string {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(asUtf8(bytes) ?? bytes);
    if (!text.includes("\0")) return text;
  } catch {
    // It is told below.
  }
  throw new UsageError(`The labels ${path} are no text in UTF-8.`, advice);
}

/** A number and a name; a colon between them is TF-Slim's way, the others are usual too. */
const numbered = /^\s*(\d+)(?:\s*([:,;=\t])\s*|\s+)(.*)$/;

/**
 * The names by the numbers before them; undefined where there are none. Colons behind most numbers mean them for sure; behind
 * other signs they are numbers of classes only where they count these from 0 without a gap, since names may begin with a number.
 */
function byNumbers(lines: readonly string[], path: string): string[] | undefined {
  const there = lines.filter((line) => line.trim() !== "");
  const read = there.map((line) => numbered.exec(line));
  const sure = 2 * read.filter((match) => match?.[2] === ":").length > there.length;
  const names: string[] = [];
  for (const [i, match] of read.entries()) {
    if (!match) {
      if (!sure) return undefined;
      throw new UsageError(
        `The labels ${path} have numbers on their lines, but not on this: ${there[i]}`,
        advice,
      );
    }
    const index = Number(match[1]);
    if (names[index] !== undefined || index >= there.length) {
      if (!sure) return undefined;
      const what =
        names[index] !== undefined
          ? `name class ${index} twice`
          : `number ${there.length} classes, and one of them ${index}`;
      throw new UsageError(`The labels ${path} ${what}.`, "Number the classes from 0 on, without a gap.");
    }
    names[index] = match[3].trimEnd();
  }
  return names;
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
  return network.weights.kind === "seeded"
    ? undefined
    : imagenetNames(findModel(network.model), classes, ownFolders.names);
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
