/**
 * Scopes in front of TF-Slim's names: `FeatureExtractor/MobilenetV1/Conv2d_0/weights`, or `MobilenetV1_1/Conv2d_0/weights`
 * where a graph made a network twice. A scope is told from the variables that a network needs, never guessed from a name.
 */
import { needs } from "../engine/needs.ts";
import { CheckpointError } from "../errors.ts";
import { buildNetwork, type Model, models } from "../nets/index.ts";
import { type Shape, sameShape } from "../tensor.ts";
import { shadowSuffix } from "./shadows.ts";

/** Every tensor of a checkpoint by name. */
export type Shapes = ReadonlyMap<string, Shape>;

/** Where the variables of a network stand in a file. */
export interface Scope {
  /** As `--scope` takes it: "FeatureExtractor/", or "MobilenetV1_1/" in the place of the network's own; "" for none. */
  readonly name: string;
  /** A variable's name in the file by its name in TF-Slim. */
  readonly inFile: (name: string) => string;
  /** The other way; a name that is not under the scope as it is. */
  readonly bare: (inFile: string) => string;
}

export const noScope: Scope = { name: "", inFile: (name) => name, bare: (name) => name };

const replaced = (name: string, start: string, by: string) =>
  name.startsWith(start) ? by + name.slice(start.length) : name;

const inFront = (name: string): Scope => ({
  name,
  inFile: (variable) => name + variable,
  bare: (variable) => replaced(variable, name, ""),
});

/** A scope in the place of the one that all of a network's names begin with. */
const instead = (name: string, root: string): Scope => ({
  name,
  inFile: (variable) => replaced(variable, root, name),
  bare: (variable) => replaced(variable, name, root),
});

interface Body {
  readonly variables: readonly { readonly name: string; readonly shape: Shape }[];
  /** What all of a network's names begin with, such as "MobilenetV1/"; "" where there is no such thing. */
  readonly root: string;
}

const bodies = new Map<string, Body>();

/** A network's variables up to its pooled feature: what every checkpoint of it holds, whatever its classes are. */
export function bodyOf(model: Model): Body {
  const known = bodies.get(model.name);
  if (known) return known;
  const { variables } = needs(buildNetwork(model, 1), [model.featureEndPoint]);
  const root = variables[0].name.slice(0, variables[0].name.indexOf("/") + 1);
  const body = { variables, root: variables.every((v) => v.name.startsWith(root)) ? root : "" };
  bodies.set(model.name, body);
  return body;
}

/** The shape of a variable or, where only that is there, of its moving average. */
export const shapeIn = (shapes: Shapes, name: string): Shape | undefined =>
  shapes.get(name) ?? shapes.get(name + shadowSuffix);

export const holds = (
  shapes: Shapes,
  scope: Scope,
  { name, shape }: { name: string; shape: Shape },
): boolean => {
  const found = shapeIn(shapes, scope.inFile(name));
  return found !== undefined && sameShape(found, shape);
};

/** A network under a scope, and how many of its body's variables are there. */
export interface Place {
  readonly model: Model;
  readonly scope: Scope;
  readonly found: number;
  readonly needed: number;
}

/** Where each name of TF-Slim's belongs. */
let homes: ReadonlyMap<string, readonly { readonly model: Model; readonly shape: Shape }[]> | undefined;

function homesOf(name: string) {
  if (!homes) {
    const made = new Map<string, { model: Model; shape: Shape }[]>();
    for (const model of models) {
      for (const { name: variable, shape } of bodyOf(model).variables) {
        const there = made.get(variable);
        if (there) there.push({ model, shape });
        else made.set(variable, [{ model, shape }]);
      }
    }
    homes = made;
  }
  return homes.get(name) ?? [];
}

/** Names of TF-Slim have no more parts than these. */
const mostParts = 12;

/** The most places of which each is held against what the layers need: those where most is there. */
export const mostTried = 100;

/** A scope that TensorFlow numbered, since there was one of its name. */
const numbered = /^(.+)_\d+$/;

/** Every network of which something is in the file, with each scope that it is under. */
export function placesIn(shapes: Shapes): Place[] {
  const found = new Map<string, { model: Model; scope: Scope; count: number }>();
  const count = (variable: string, shape: Shape, prefix: string, root?: string) => {
    for (const { model, shape: wanted } of homesOf(variable)) {
      if (!sameShape(shape, wanted) || (root !== undefined && root !== bodyOf(model).root)) continue;
      const key = `${model.name} ${root ?? ""} ${prefix}`;
      const place = found.get(key);
      if (place) place.count++;
      else
        found.set(key, {
          model,
          scope: root !== undefined ? instead(prefix, root) : prefix === "" ? noScope : inFront(prefix),
          count: 1,
        });
    }
  };
  for (const [stored, shape] of shapes) {
    const isShadow = stored.endsWith(shadowSuffix);
    const name = isShadow ? stored.slice(0, -shadowSuffix.length) : stored;
    // A variable counts once, and its own shape decides.
    if (isShadow && shapes.has(name)) continue;
    let end = name.length;
    for (let parts = 0; parts < mostParts && end >= 0; parts++) {
      const slash = end === 0 ? -1 : name.lastIndexOf("/", end - 1);
      const [prefix, part, rest] = [name.slice(0, slash + 1), name.slice(slash + 1, end), name.slice(end)];
      count(part + rest, shape, prefix);
      const base = numbered.exec(part)?.[1];
      if (base !== undefined) count(base + rest, shape, `${prefix}${part}/`, `${base}/`);
      end = slash;
    }
  }
  return [...found.values()].map(({ model, scope, count: n }) => ({
    model,
    scope,
    found: n,
    needed: bodyOf(model).variables.length,
  }));
}

/** A scope as a user writes it, with or without the slash at its end. */
const written = (scope: string): string => (scope === "" || scope.endsWith("/") ? scope : `${scope}/`);

/** The two things that a scope given by hand may be: one in front of the network's names, or one for the first of these. */
function byHand(model: Model, shapes: Shapes, wanted: string): Scope {
  const { root, variables } = bodyOf(model);
  const name = written(wanted);
  if (name === "") return noScope;
  const ways = [inFront(name), ...(root === "" ? [] : [instead(name, root)])];
  const counts = ways.map((way) => variables.filter((v) => holds(shapes, way, v)).length);
  return counts.length > 1 && counts[1] > counts[0] ? ways[1] : ways[0];
}

/** The place of `model` under a scope that was given by hand. */
export function placeByHand(model: Model, shapes: Shapes, wanted: string): Place {
  const scope = byHand(model, shapes, wanted);
  const { variables } = bodyOf(model);
  return {
    model,
    scope,
    found: variables.filter((v) => holds(shapes, scope, v)).length,
    needed: variables.length,
  };
}

/** " under the scope FeatureExtractor/", or nothing where there is none. */
export const underScope = ({ name }: Scope): string => (name === "" ? "" : ` under the scope ${name}`);

export const ambiguous = (path: string, what: string, scopes: readonly Scope[]): CheckpointError =>
  new CheckpointError(
    `${path} holds ${what} ${scopes.length} times: under ${scopes
      .slice(0, 8)
      .map((s) => s.name)
      .join(", ")}${scopes.length > 8 ? " and more" : ""}.`,
    `Say which is meant with --scope ${scopes[0].name}.`,
  );

/**
 * Where `model` stands in the file called `path`: under the scope `wanted`, or else where all that is needed is there, as
 * `fits` tells, or most. Names without a scope are the network's own and go before others.
 * @throws CheckpointError where several scopes have all that is needed.
 */
export function scopeOf(
  path: string,
  model: Model,
  shapes: Shapes,
  fits: (scope: Scope) => boolean,
  wanted?: string,
): Scope {
  if (wanted !== undefined) return byHand(model, shapes, wanted);
  if (fits(noScope)) return noScope;
  const places = placesIn(shapes)
    .filter((p) => p.model === model)
    .sort((a, b) => b.found - a.found)
    .slice(0, mostTried);
  const whole = places.map((p) => p.scope).filter(fits);
  if (whole.length > 1) throw ambiguous(path, model.name, whole);
  if (whole.length === 1) return whole[0];
  const [best, second] = places;
  return best && best.found > (second?.found ?? 0) ? best.scope : noScope;
}
