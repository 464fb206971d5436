/** A network's needs against what a checkpoint holds, and the words for where they differ. */
import { needs } from "../engine/needs.ts";
import { describeMisfit, listed, type Misfit, misfits } from "../engine/weights.ts";
import { CheckpointError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { buildNetwork, type GraphOptions, type Model, returnedLogits } from "../nets/index.ts";
import { complete, recognise } from "./recognise.ts";
import { noScope, type Scope, type Shapes, shapeIn, underScope } from "./scopes.ts";

export type { Shapes } from "./scopes.ts";

/**
 * The width of the logits in a checkpoint: fine-tuned files have classes of their own. Undefined where the file has no
 * logits.
 */
export function classesIn(model: Model, shapes: Shapes, scope: Scope = noScope): number | undefined {
  const graph = buildNetwork(model, 1);
  const body = new Set(needs(graph, [model.featureEndPoint]).variables.map((v) => v.name));
  const head = needs(graph, [returnedLogits]).variables.find(
    ({ name }) => name.endsWith("/weights") && !body.has(name),
  );
  return head && shapeIn(shapes, scope.inFile(head.name))?.at(-1);
}

export interface Fit {
  readonly model: Model;
  readonly scope: Scope;
  /** What the end points need, and how much of it does not fit, under the names in the file. */
  readonly needed: number;
  readonly misfits: readonly Misfit[];
  /** Tensors of the file that the end points do not need. */
  readonly unused: readonly string[];
}

/** How a checkpoint fits a network, whose variables stand under `scope`, up to the end points called `endPoints`. */
export function fitOf(
  model: Model,
  shapes: Shapes,
  endPoints: readonly string[],
  options: GraphOptions = {},
  scope: Scope = noScope,
): Fit {
  const variables = needs(buildNetwork(model, 1, options), endPoints).variables.map(({ name, shape }) => ({
    name: scope.inFile(name),
    shape,
  }));
  const names = new Set(variables.map((v) => v.name));
  return {
    model,
    scope,
    needed: variables.length,
    misfits: misfits(variables, { shapeOf: (name) => shapes.get(name) }),
    unused: [...shapes.keys()].filter((name) => !names.has(name)),
  };
}

/** A misfit with the names that it may have in the file. */
export function withNearest(misfit: Misfit, shapes: Shapes): string {
  if (misfit.found) return describeMisfit(misfit);
  const last = misfit.name.split("/").at(-1);
  const candidates = [...shapes.keys()].filter((name) => name.split("/").at(-1) === last);
  const [near] = nearest(misfit.name, candidates, 1);
  return `${describeMisfit(misfit)}${near ? `; the nearest is ${near}` : ""}`;
}

/**
 * Why `shapes`, the content of the file called `path`, cannot serve the end points: another network, another input size,
 * another head, or variables that lack. Undefined where it fits.
 */
export function explainMisfit(
  path: string,
  fit: Fit,
  shapes: Shapes,
  endPoints: readonly string[],
  options: GraphOptions = {},
): CheckpointError | undefined {
  const { model, scope } = fit;
  if (fit.misfits.length === 0) return undefined;
  const recognised = recognise(shapes);
  if (recognised && complete(recognised) && recognised.model !== model) {
    return new CheckpointError(
      `${path} holds ${recognised.model.name}${underScope(recognised.scope)}, you asked for ${model.name}.`,
      `Use --model ${recognised.model.name}, or --model auto to have it recognised.`,
    );
  }
  const faults = listed(
    fit.misfits
      .slice(0, 13)
      .map((m) => withNearest(m, shapes))
      .concat(fit.misfits.slice(13).map((m) => m.name)),
  );
  const message = `${path} does not fit ${model.name}${underScope(scope)}: ${fit.misfits.length} of the ${fit.needed} variables that ${endPoints.join(", ")} needs.${faults}`;
  return new CheckpointError(message, advise(fit, shapes, endPoints, options));
}

function advise(fit: Fit, shapes: Shapes, endPoints: readonly string[], options: GraphOptions): string {
  const { model, scope } = fit;
  const { imageSize = model.inputSize } = options;
  if (fit.misfits.length === fit.needed) {
    return "Nothing of this network is there. See what the file holds with: npm run checkpoint -- ls FILE.";
  }
  const graph = buildNetwork(model, 1);
  const known = endPoints.filter((name) => graph.endPoints.has(name));
  if (imageSize !== model.inputSize && fitOf(model, shapes, known, {}, scope).misfits.length === 0) {
    return `The shapes depend on the input size: at ${model.inputSize} pixels, the network's own, the file fits.`;
  }
  const feature = fitOf(model, shapes, [model.featureEndPoint], {}, scope);
  if (feature.misfits.length === 0 && !endPoints.includes(model.featureEndPoint)) {
    return `The file has all that the feature needs: leave --layer out, or name an end point before ${endPoints.at(-1)}.`;
  }
  return "Compare the file with the network: npm run checkpoint -- why FILE MODEL.";
}
