/** What end points need: their nodes, variables and multiply-adds. */
import { opOf } from "../kernels/index.ts";
import { type Shape, sizeOf } from "../tensor.ts";
import type { Graph, Value } from "./graph.ts";

/** The nodes that `wanted` need, themselves included. */
export function neededBy(graph: Graph, wanted: readonly Value[]): Set<Value> {
  const needed = new Set<Value>();
  const open = [...wanted];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (needed.has(value)) continue;
    needed.add(value);
    const node = graph.nodes[value];
    if (node.kind === "op") open.push(...node.inputs);
    else if (node.kind === "reshape") open.push(node.input);
  }
  return needed;
}

export interface Needs {
  readonly variables: readonly { readonly name: string; readonly shape: Shape }[];
  /** Floats of these variables. */
  readonly parameters: number;
  /** Multiply-adds of convolutions and products. */
  readonly macs: number;
}

/** What the end points called `names` need together. */
export function needs(graph: Graph, names: readonly string[]): Needs {
  const values = names.flatMap((name) => graph.endPoints.get(name) ?? []);
  const needed = neededBy(graph, values);
  const variables = graph.nodes.flatMap((node, value) =>
    node.kind === "variable" && needed.has(value) ? [{ name: node.name, shape: node.shape }] : [],
  );
  let macs = 0;
  for (const value of needed) {
    const node = graph.nodes[value];
    if (node.kind !== "op") continue;
    const op = opOf(node.op);
    const shapes = node.inputs.map((v) => graph.nodes[v].shape);
    macs += op.cost(op.infer(shapes, node.attrs)).macs;
  }
  return { variables, parameters: variables.reduce((sum, v) => sum + sizeOf(v.shape), 0), macs };
}
