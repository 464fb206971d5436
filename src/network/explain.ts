/** In words: what a checkpoint holds, and whether a network can use it. */
import type { Caveat } from "../checkpoint/index.ts";
import { needs } from "../engine/needs.ts";
import { listed } from "../engine/weights.ts";
import { buildNetwork, findModel, type Model, returnedLogits } from "../nets/index.ts";
import { classesIn, fitOf, withNearest } from "./fit.ts";
import { findScope } from "./identify.ts";
import { complete, recognise } from "./recognise.ts";
import { type Scope, type Shapes, underScope } from "./scopes.ts";
import { shadowSuffix } from "./shadows.ts";

export interface Explanation {
  readonly sentences: readonly string[];
  /** Whether the network's feature can be computed from the file. */
  readonly usable: boolean;
}

/** Tensors that training leaves in a file and no network needs, by the last part of their names. */
function leftovers(names: readonly string[]): string {
  const groups = new Map<string, number>();
  for (const name of names) {
    const last = name.split("/").at(-1) as string;
    groups.set(last, (groups.get(last) ?? 0) + 1);
  }
  const largest = [...groups].sort((a, b) => b[1] - a[1]).slice(0, 6);
  return largest.map(([last, count]) => (count === 1 ? last : `${count} x ${last}`)).join(", ");
}

/** What is asked of a file: a network, a scope, and what its reader says of it. */
export interface Question {
  readonly model?: string;
  readonly scope?: string;
  readonly caveat?: Caveat;
}

/**
 * Why a file fits or does not fit the network that is asked about, or the one that it is recognised as.
 * @throws CheckpointError where two scopes would fit.
 */
export function explain(path: string, shapes: Shapes, question: Question = {}): Explanation {
  const { model: wanted, caveat } = question;
  const sentences: string[] = caveat ? [caveat.sentence] : [];
  const recognised = recognise(shapes, question.scope);
  if (!recognised) {
    sentences.push(`${path} holds no network that is known here: none has half of its variables in it.`);
  } else if (complete(recognised)) {
    const places = [recognised, ...recognised.rivals].map(
      ({ model, scope }) => `${model.name}${underScope(scope)}`,
    );
    sentences.push(`${path} holds ${places.slice(0, 8).join(", ")}.`);
  } else {
    const { model, scope, found, needed } = recognised;
    sentences.push(
      `${path} is most like ${model.name}${underScope(scope)}: it holds ${found} of ${needed} variables of its feature.`,
    );
  }
  const model = wanted === undefined ? recognised?.model : findModel(wanted);
  if (!model) return { sentences, usable: false };

  const feature = [model.featureEndPoint];
  const scope = findScope(path, model, shapes, { scope: question.scope });
  const plain = fitOf(model, shapes, feature, {}, scope);
  const shadowed = shadowsOf(model, shapes, scope);
  const withAverages = new Map([...shapes].map(([name, shape]) => [name.replace(shadowSuffix, ""), shape]));
  const fits =
    plain.misfits.length === 0 || fitOf(model, withAverages, feature, {}, scope).misfits.length === 0;
  const usable = fits && !caveat?.always;
  if (fits) {
    sentences.push(
      `The feature ${model.featureEndPoint} of ${model.name} ${usable ? "can be extracted" : "cannot be extracted for all that"}: all ${plain.needed} variables are there.`,
    );
  } else {
    sentences.push(
      `The feature ${model.featureEndPoint} of ${model.name} cannot be extracted: ${plain.misfits.length} of ${plain.needed} variables do not fit.${listed(plain.misfits.slice(0, 12).map((m) => withNearest(m, shapes)))}${plain.misfits.length > 12 ? `\n  and ${plain.misfits.length - 12} more` : ""}`,
    );
  }
  if (fits) sentences.push(...aboutLogits(model, shapes, scope));
  if (shadowed.there > 0) {
    sentences.push(
      `Moving averages are there for ${shadowed.there} of ${shadowed.all} variables up to the feature (--ema).`,
    );
  }
  const all = needs(buildNetwork(model, 1), [returnedLogits]).variables.map((v) => v.name);
  const known = new Set(all.flatMap((name) => [scope.inFile(name), scope.inFile(name) + shadowSuffix]));
  const unused = [...shapes.keys()].filter((name) => !known.has(name));
  if (fits && unused.length > 0) {
    sentences.push(`Not needed for ${model.name}: ${unused.length} tensors (${leftovers(unused)}).`);
  }
  return { sentences, usable };
}

function aboutLogits(model: Model, shapes: Shapes, scope: Scope): string[] {
  const classes = classesIn(model, shapes, scope);
  if (classes === undefined) return ["There are no logits in it: features only."];
  const own = classes === model.classes ? "as published" : `the published file has ${model.classes}`;
  const { misfits } = fitOf(model, shapes, [returnedLogits], { classes }, scope);
  return [
    `Its logits have ${classes} classes (${own})${misfits.length === 0 ? "." : ", and some of their variables do not fit."}`,
  ];
}

function shadowsOf(model: Model, shapes: Shapes, scope: Scope): { there: number; all: number } {
  const trainable = needs(buildNetwork(model, 1), [model.featureEndPoint]).variables.filter(
    ({ name }) => !/\/moving_(mean|variance)$/.test(name),
  );
  const there = trainable.filter(({ name }) => shapes.has(scope.inFile(name) + shadowSuffix)).length;
  return { there, all: trainable.length };
}
