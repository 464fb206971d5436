/** A network's needs against what a checkpoint holds, and the words for where they differ. */
import { needs } from "../engine/needs.ts";
import { describeMisfit, listed, type Misfit, misfits } from "../engine/weights.ts";
import { CheckpointError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { buildNetwork, type GraphOptions, type Model, returnedLogits } from "../nets/index.ts";
import { formatShape, type Shape } from "../tensor.ts";
import { complete, recognise } from "./recognise.ts";

/** Every tensor of a checkpoint by name. */
export type Shapes = ReadonlyMap<string, Shape>;

const sourceOf = (shapes: Shapes) => ({ shapeOf: (name: string) => shapes.get(name) });

/**
 * The width of the logits in a checkpoint: fine-tuned files have classes of their own. Undefined where the file has no
 * logits.
 */
export function classesIn(model: Model, shapes: Shapes): number | undefined {
  const graph = buildNetwork(model, 1);
  const body = new Set(needs(graph, [model.featureEndPoint]).variables.map((v) => v.name));
  const head = needs(graph, [returnedLogits]).variables.find(
    ({ name }) => name.endsWith("/weights") && !body.has(name),
  );
  return head && shapes.get(head.name)?.at(-1);
}

export interface Fit {
  readonly model: Model;
  /** What the end points need, and how much of it does not fit. */
  readonly needed: number;
  readonly misfits: readonly Misfit[];
  /** Tensors of the file that the end points do not need. */
  readonly unused: readonly string[];
}

/** How a checkpoint fits a network up to the end points called `endPoints`. */
export function fitOf(
  model: Model,
  shapes: Shapes,
  endPoints: readonly string[],
  options: GraphOptions = {},
): Fit {
  const { variables } = needs(buildNetwork(model, 1, options), endPoints);
  const names = new Set(variables.map((v) => v.name));
  return {
    model,
    needed: variables.length,
    misfits: misfits(variables, sourceOf(shapes)),
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
  const { model } = fit;
  if (fit.misfits.length === 0) return undefined;
  const recognised = recognise(shapes);
  if (recognised && complete(recognised) && recognised.model !== model) {
    return new CheckpointError(
      `${path} holds ${recognised.model.name}, you asked for ${model.name}.`,
      `Use --model ${recognised.model.name}, or --model auto to have it recognised.`,
    );
  }
  const faults = listed(
    fit.misfits
      .slice(0, 13)
      .map((m) => withNearest(m, shapes))
      .concat(fit.misfits.slice(13).map((m) => m.name)),
  );
  const message = `${path} does not fit ${model.name}: ${fit.misfits.length} of the ${fit.needed} variables that ${endPoints.join(", ")} needs.${faults}`;
  return new CheckpointError(message, advise(fit, shapes, endPoints, options));
}

function advise(fit: Fit, shapes: Shapes, endPoints: readonly string[], options: GraphOptions): string {
  const { model } = fit;
  const { imageSize = model.inputSize } = options;
  if (fit.misfits.length === fit.needed) {
    return "Nothing of this network is there. See what the file holds with: npm run checkpoint -- ls FILE.";
  }
  const graph = buildNetwork(model, 1);
  const known = endPoints.filter((name) => graph.endPoints.has(name));
  if (imageSize !== model.inputSize && fitOf(model, shapes, known).misfits.length === 0) {
    return `The shapes depend on the input size: at ${model.inputSize} pixels, the network's own, the file fits.`;
  }
  const feature = fitOf(model, shapes, [model.featureEndPoint]);
  if (feature.misfits.length === 0 && !endPoints.includes(model.featureEndPoint)) {
    return `The file has all that the feature needs: leave --layer out, or name an end point before ${endPoints.at(-1)}.`;
  }
  return "Compare the file with the network: npm run checkpoint -- why FILE MODEL.";
}

/** A shape as a clause, for lists. */
export const nameAndShape = (name: string, shape: Shape): string => `${name} ${formatShape(shape)}`;
