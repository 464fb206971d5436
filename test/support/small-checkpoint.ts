/** Checkpoints of small networks on seeded weights, with what a test wants changed. */

import { variablesOf } from "../../src/engine/graph.ts";
import { buildNetwork, findModel, type GraphOptions } from "../../src/nets/index.ts";
import { writeCheckpoint } from "../../src/node/checkpoint.ts";
import type { Shape } from "../../src/tensor.ts";
import { seededWeights } from "./node.ts";

export interface Variable {
  readonly name: string;
  readonly shape: Shape;
  readonly data: Float32Array;
}

/** Every variable of a network with its seeded values. */
export async function seededVariables(name: string, options: GraphOptions = {}): Promise<Variable[]> {
  const variables = variablesOf(buildNetwork(findModel(name), 1, options));
  const source = await seededWeights(name, variables);
  const all: Variable[] = [];
  for (const { name: variable, shape } of variables)
    all.push({ name: variable, shape, data: await source.read(variable) });
  return all;
}

/** Writes `variables` as a V2 checkpoint; gives its prefix. */
export async function writeVariables(prefix: string, variables: readonly Variable[]): Promise<string> {
  await writeCheckpoint(
    prefix,
    variables.map(({ name, shape, data }) => ({ name, shape, data })),
  );
  return prefix;
}
