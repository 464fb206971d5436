/** Two checkpoints tensor by tensor. */
import type { Checkpoint, TensorData } from "../checkpoint/index.ts";
import { formatShape, sameShape } from "../tensor.ts";
import { ranked } from "./recognise.ts";
import { noScope, type Place, type Scope, type Shapes } from "./scopes.ts";

export interface TensorDifference {
  readonly name: string;
  /** "-" only in the first, "+" only in the second, "~" in both and not the same. */
  readonly sign: "-" | "+" | "~";
  readonly what: string;
}

/** One of two checkpoints, and the scope that its names are compared without. */
export interface Side {
  readonly checkpoint: Checkpoint;
  readonly scope: Scope;
}

/** The one place of each network in a file where most of it is; none where two scopes have as much. */
function bestPlaces(shapes: Shapes, wanted?: string): Map<string, Place> {
  const best = new Map<string, Place>();
  const tied = new Set<string>();
  for (const place of ranked(shapes, wanted)) {
    const { name } = place.model;
    const before = best.get(name);
    if (!before) best.set(name, place);
    else if (place.found === before.found && before.scope.name !== "") tied.add(name);
  }
  for (const name of tied) best.delete(name);
  return best;
}

/** The scopes that two files are compared without: those of the network of which they have most in common, whole or not. */
export function commonScopes(first: Shapes, second: Shapes, wanted?: string): readonly [Scope, Scope] {
  const theirs = bestPlaces(second);
  let common = 0;
  let scopes: readonly [Scope, Scope] = [noScope, noScope];
  for (const [name, place] of bestPlaces(first, wanted)) {
    const other = theirs.get(name);
    const shared = Math.min(place.found, other?.found ?? 0);
    if (other && shared > common) {
      common = shared;
      scopes = [place.scope, other.scope];
    }
  }
  return scopes;
}

/** The variables of a side by the names that are compared. Where one would be called like another, it keeps its scope. */
function namesOf({ checkpoint, scope }: Side): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const name of checkpoint.variables) {
    const bare = scope.bare(name);
    names.set(bare !== name && checkpoint.entry(bare) ? name : bare, name);
  }
  return names;
}

/** The variables in which two checkpoints differ, values included, sorted by name. One tensor of each is held at a time. */
export async function compareCheckpoints(one: Side, other: Side): Promise<TensorDifference[]> {
  const [first, second] = [one.checkpoint, other.checkpoint];
  const [ours, theirs] = [namesOf(one), namesOf(other)];
  const names = [...new Set([...ours.keys(), ...theirs.keys()])].sort();
  const differences: TensorDifference[] = [];
  for (const name of names) {
    const [inFirst, inSecond] = [ours.get(name), theirs.get(name)];
    const a = inFirst === undefined ? undefined : first.entry(inFirst);
    const b = inSecond === undefined ? undefined : second.entry(inSecond);
    if (!a) differences.push({ name, sign: "+", what: `is only in ${second.path}` });
    else if (!b) differences.push({ name, sign: "-", what: `is only in ${first.path}` });
    else if (a.dtype !== b.dtype) differences.push({ name, sign: "~", what: `is ${a.dtype} and ${b.dtype}` });
    else if (!sameShape(a.shape, b.shape)) {
      differences.push({ name, sign: "~", what: `is ${formatShape(a.shape)} and ${formatShape(b.shape)}` });
    } else {
      const what = differenceOf((await first.read(a.name)).data, (await second.read(b.name)).data);
      if (what) differences.push({ name, sign: "~", what });
    }
  }
  return differences;
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);

function differenceOf(a: TensorData, b: TensorData): string | undefined {
  let [count, largest] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i], b[i]];
    const same = x instanceof Uint8Array ? sameBytes(x, y as Uint8Array) : Object.is(x, y);
    if (same) continue;
    count++;
    if (!(x instanceof Uint8Array)) largest = Math.max(largest, Math.abs(Number(x) - Number(y)));
  }
  if (count === 0) return undefined;
  return `differs in ${count} of ${a.length} values${largest > 0 ? `, at most by ${largest.toPrecision(3)}` : ""}`;
}
