/** Which network a checkpoint holds, told from the names and shapes of its variables and never from its file name. */
import { models } from "../nets/index.ts";
import { bodyOf, holds, type Place, placeByHand, placesIn, type Shapes } from "./scopes.ts";

/** The network that fits best, with how many of the variables that its feature needs are there. */
export interface Recognition extends Place {
  /** Others of which all is there, too, in variables of their own. */
  readonly rivals: readonly Place[];
}

/** Whether everything that the network's feature needs was found. */
export const complete = ({ found, needed }: Place): boolean => found === needed;

const share = ({ found, needed }: Place): number => found / needed;

/** All networks of which something is there, best first: whole ones, those without a scope, larger shares, larger ones. */
export function ranked(shapes: Shapes, scope?: string): Place[] {
  const places =
    scope === undefined ? placesIn(shapes) : models.map((model) => placeByHand(model, shapes, scope));
  const bare = (p: Place) => Number(complete(p) && p.scope.name === "");
  const order = (p: Place) => models.indexOf(p.model);
  return places
    .filter((p) => p.found > 0)
    .sort((a, b) => bare(b) - bare(a) || share(b) - share(a) || b.found - a.found || order(a) - order(b));
}

/**
 * The network that fits `shapes` (every tensor of a checkpoint, by name) best, or undefined where less than half of any
 * network is there. Networks of one name and several sizes differ in shapes. `scope` is one given by hand.
 */
export function recognise(shapes: Shapes, scope?: string): Recognition | undefined {
  const places = ranked(shapes, scope);
  const best = places.at(0);
  if (!best || share(best) < 0.5) return undefined;
  const isRival = (p: Place) =>
    complete(best) &&
    complete(p) &&
    (best.scope.name !== "" || p.scope.name === "") &&
    !shares(shapes, best, p);
  return { ...best, rivals: places.slice(1).filter(isRival) };
}

/** Whether the second's variables are all among the first's: a small network may be a part of a large one. */
function shares(shapes: Shapes, first: Place, second: Place): boolean {
  const own = new Set(
    bodyOf(first.model)
      .variables.filter((v) => holds(shapes, first.scope, v))
      .map((v) => first.scope.inFile(v.name)),
  );
  return bodyOf(second.model).variables.every((v) => own.has(second.scope.inFile(v.name)));
}
