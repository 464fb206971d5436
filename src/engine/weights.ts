/** Where weights come from, as the engine sees it, and the one check that they fit the network. */

import { CheckpointError } from "../errors.ts";
import { formatShape, type Shape, sameShape } from "../tensor.ts";
import type { Program } from "./program.ts";

export interface WeightSource {
  /** What the user calls it: a path, or "seeded weights". */
  readonly name: string;
  /** The shape of a variable; undefined when there is none of that name. */
  shapeOf(name: string): Shape | undefined;
  read(name: string): Promise<Float32Array>;
}

/** A variable that a source does not hold as the network wants it. */
export interface Misfit {
  readonly name: string;
  readonly wanted: Shape;
  /** Absent where there is no variable of that name. */
  readonly found?: Shape;
}

/** The variables of a network that `source` lacks or holds in another shape. */
export function misfits(
  variables: readonly { readonly name: string; readonly shape: Shape }[],
  source: Pick<WeightSource, "shapeOf">,
): Misfit[] {
  return variables.flatMap(({ name, shape: wanted }) => {
    const found = source.shapeOf(name);
    return found && sameShape(found, wanted) ? [] : [{ name, wanted, found }];
  });
}

/** A misfit as a clause. */
export const describeMisfit = ({ name, wanted, found }: Misfit): string =>
  found
    ? `${name} is ${formatShape(found)}, the network wants ${formatShape(wanted)}`
    : `${name} is missing (the network wants ${formatShape(wanted)})`;

/**
 * Checks every variable that the program needs before any is read.
 * @throws CheckpointError that lists all missing and mis-shaped variables at once.
 */
export function checkWeights(program: Program, source: WeightSource): void {
  const faults = misfits(program.variables, source);
  if (faults.length === 0) return;
  throw new CheckpointError(
    `${source.name} does not fit the network: ${faults.length} of ${program.variables.length} variables.${listed(faults.map(describeMisfit))}`,
    "Check that the checkpoint belongs to this network and that the end point is the one you mean.",
  );
}

/** Lines below a sentence, not more than one reads. */
export function listed(lines: readonly string[], most = 12): string {
  const more = lines.length > most ? [`and ${lines.length - most} more`] : [];
  return [...lines.slice(0, most), ...more].map((line) => `\n  ${line}`).join("");
}
