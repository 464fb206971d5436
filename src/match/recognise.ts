/** Which network a checkpoint holds, told from the names and shapes of its variables and never from its file name. */
import { needs } from "../engine/needs.ts";
import { buildNetwork, type Model, models } from "../nets/index.ts";
import type { Shape } from "../tensor.ts";
import { sameShape } from "../tensor.ts";
import { shadowSuffix } from "./shadows.ts";

export interface Recognition {
  readonly model: Model;
  /** How many of the variables that the network's feature needs are there, with their shapes. */
  readonly found: number;
  readonly needed: number;
}

/** A network's variables up to its pooled feature: what every checkpoint of it holds, whatever its classes are. */
const bodies = new Map<string, readonly { name: string; shape: Shape }[]>();

function bodyOf(model: Model): readonly { name: string; shape: Shape }[] {
  const known = bodies.get(model.name);
  if (known) return known;
  const body = needs(buildNetwork(model, 1), [model.featureEndPoint]).variables;
  bodies.set(model.name, body);
  return body;
}

/**
 * The network that fits `shapes` (every tensor of a checkpoint, by name) best, or undefined where less than half of any
 * network is there. Networks of one name and several sizes differ in shapes.
 */
export function recognise(shapes: ReadonlyMap<string, Shape>): Recognition | undefined {
  const holds = (name: string, shape: Shape) => {
    const found = shapes.get(name) ?? shapes.get(name + shadowSuffix);
    return found !== undefined && sameShape(found, shape);
  };
  let best: Recognition | undefined;
  for (const model of models) {
    const body = bodyOf(model);
    const found = body.filter(({ name, shape }) => holds(name, shape)).length;
    const share = found / body.length;
    if (share >= 0.5 && share > (best ? best.found / best.needed : 0)) {
      best = { model, found, needed: body.length };
    }
  }
  return best;
}

/** Whether everything that the network's feature needs was found. */
export const complete = ({ found, needed }: Recognition): boolean => found === needed;
