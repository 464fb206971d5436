/** The network that is meant by `--model auto`, and where a named one stands in a file. */
import { needs } from "../engine/needs.ts";
import { type Misfit, misfits } from "../engine/weights.ts";
import { CheckpointError, ShapeError, UsageError } from "../errors.ts";
import { resolveEndPoints } from "../nets/end-points.ts";
import { buildNetwork, type GraphOptions, type Model } from "../nets/index.ts";
import { shellWord } from "../text.ts";
import { classesIn, withNearest } from "./fit.ts";
import { complete, ranked, recognise } from "./recognise.ts";
import {
  ambiguous,
  mostTried,
  type Place,
  type Scope,
  type Shapes,
  scopeOf,
  shapeIn,
  underScope,
} from "./scopes.ts";

export interface Wishes {
  /** End points or aliases; the pooled feature when there are none. */
  readonly layers?: readonly string[];
  /** A scope that was given by hand. */
  readonly scope?: string;
  readonly options?: GraphOptions;
}

/** What lacks or differs of what the layers need, or undefined where the network has no such layers. */
function misfitsFor(
  model: Model,
  shapes: Shapes,
  scope: Scope,
  { layers = [], options = {} }: Wishes,
): Misfit[] | undefined {
  const known = { ...options, classes: classesIn(model, shapes, scope) };
  try {
    const graph = buildNetwork(model, 1, known);
    const { variables } = needs(graph, resolveEndPoints(model, graph, layers, known));
    const inFile = variables.map(({ name, shape }) => ({ name: scope.inFile(name), shape }));
    return misfits(inFile, { shapeOf: (name) => shapeIn(shapes, name) });
  } catch (error) {
    // The network has no such end point, or not at this size.
    if (error instanceof UsageError || error instanceof ShapeError) return undefined;
    throw error;
  }
}

/** The scope that `model` is under in the file called `path`. @throws CheckpointError where two would fit. */
export const findScope = (path: string, model: Model, shapes: Shapes, wishes: Wishes): Scope =>
  scopeOf(
    path,
    model,
    shapes,
    (scope) => misfitsFor(model, shapes, scope, wishes)?.length === 0,
    wishes.scope,
  );

/**
 * The network that the file called `path` holds: the one that is there up to its feature, or else the only one of which all
 * that the layers need is there.
 * @throws CheckpointError that says what it is most like, or which networks it may be.
 */
export function identify(path: string, shapes: Shapes, wishes: Wishes = {}): Place {
  const recognised = recognise(shapes, wishes.scope);
  if (recognised && complete(recognised)) return only(path, [recognised, ...recognised.rivals]);
  const places = ranked(shapes, wishes.scope);
  const fitting = places
    .slice(0, mostTried)
    .filter((p) => misfitsFor(p.model, shapes, p.scope, wishes)?.length === 0);
  const bare = fitting.filter((p) => p.scope.name === "");
  if (fitting.length > 0) return only(path, bare.length > 0 ? bare : fitting, wishes.layers);
  throw notRecognised(path, shapes, recognised ?? (wishes.layers ? places.at(0) : undefined), wishes);
}

function only(path: string, places: readonly Place[], layers: readonly string[] = []): Place {
  const [first, ...others] = places;
  if (others.length === 0) return first;
  if (others.every((p) => p.model === first.model))
    throw ambiguous(
      path,
      first.model.name,
      places.map((p) => p.scope),
    );
  const networks = places.map(({ model, scope }) => `${model.name}${underScope(scope)}`);
  const what = layers.length > 0 ? `all that ${layers.join(", ")} needs of` : "several networks:";
  throw new CheckpointError(
    `${path} holds ${what} ${networks.slice(0, 8).join(", ")}.`,
    `Say which is meant, as with --model ${first.model.name}.`,
  );
}

function notRecognised(
  path: string,
  shapes: Shapes,
  best: Place | undefined,
  wishes: Wishes,
): CheckpointError {
  const at = wishes.scope === undefined ? "" : ` under the scope ${wishes.scope}`;
  if (!best)
    return new CheckpointError(
      `The network in ${path} was not recognised${at}.`,
      `See what it holds with: npm run checkpoint -- ls ${shellWord(path)}.`,
    );
  const { model, scope, found, needed } = best;
  const lacking = wishes.layers ? (misfitsFor(model, shapes, scope, wishes) ?? []) : [];
  const layer =
    lacking.length > 0
      ? `; ${wishes.layers?.join(", ")} lacks ${lacking.length}, such as ${withNearest(lacking[0], shapes)}`
      : "";
  return new CheckpointError(
    `The network in ${path} was not recognised${at}: it is most like ${model.name}${underScope(scope)}, of which it holds ${found} of ${needed} variables${layer}.`,
    `See what lacks with: npm run checkpoint -- why ${shellWord(path)} ${model.name}.`,
  );
}
