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

/**
 * Checks every variable that the program needs before any is read.
 * @throws CheckpointError that lists all missing and mis-shaped variables at once.
 */
export function checkWeights(program: Program, source: WeightSource): void {
  const faults = program.variables.flatMap(({ name, shape }) => {
    const found = source.shapeOf(name);
    if (!found) return [`${name} is missing (the network wants ${formatShape(shape)})`];
    return sameShape(found, shape)
      ? []
      : [`${name} is ${formatShape(found)}, the network wants ${formatShape(shape)}`];
  });
  if (faults.length === 0) return;
  const shown = faults.slice(0, 12).map((f) => `\n  ${f}`);
  const more = faults.length > shown.length ? `\n  and ${faults.length - shown.length} more` : "";
  throw new CheckpointError(
    `${source.name} does not fit the network: ${faults.length} of ${program.variables.length} variables.${shown.join("")}${more}`,
    "Check that the checkpoint belongs to this network and that the end point is the one you mean.",
  );
}
