/**
 * From a graph to a program: keep what the wanted end points need, fold batch norm into the weights before it, fuse
 * bias, residual and activation into the step that makes the value, let parts of a concat be written in place.
 */

import { UsageError } from "../errors.ts";
import { opOf } from "../kernels/index.ts";
import { plainEpilogue } from "../kernels/op.ts";
import { sizeOf } from "../tensor.ts";
import type { Draft, Drafts } from "./drafts.ts";
import { foldBatchNorm } from "./fold-batch-norm.ts";
import { fuseEpilogues } from "./fuse-epilogues.ts";
import type { Graph, Value } from "./graph.ts";
import { neededBy } from "./needs.ts";
import { placeConcats } from "./place-concat.ts";
import type { Operand, Program, Weight } from "./program.ts";

/** A variable as it stands in the checkpoint. */
const plainWeight = (name: string): Weight => ({ key: name, variables: [name], make: ([v]) => v });

/** Reshapes move nothing: the value that really holds the numbers. */
function storageOf(graph: Graph, value: Value): Value {
  const node = graph.nodes[value];
  return node.kind === "reshape" ? storageOf(graph, node.input) : value;
}

function draft(graph: Graph, needed: ReadonlySet<Value>): Draft[] {
  return graph.nodes.flatMap((node, value): Draft[] => {
    if (node.kind !== "op" || !needed.has(value)) return [];
    const { op, attrs, scope, shape } = node;
    const operands = node.inputs.map((input, i): Operand => {
      const from = graph.nodes[input];
      if (from.kind === "variable") return { kind: "weight", weight: plainWeight(from.name) };
      if (i >= opOf(op).weightsFrom) throw new Error(`${op} in ${scope}: operand ${i} must be a variable`);
      return { kind: "value", value: storageOf(graph, input) };
    });
    const inputShapes = node.inputs.map((v) => graph.nodes[v].shape);
    return [{ op, attrs, scope, shape, operands, inputShapes, epilogue: plainEpilogue, output: value }];
  });
}

/** The passes, in order. Each takes and returns drafts and may be left out without changing what is computed. */
const passes: readonly ((drafts: Drafts) => Drafts)[] = [foldBatchNorm, fuseEpilogues, placeConcats];

/** The end points of `graph` by name. @throws UsageError that lists the names where one is unknown. */
function lookUp(graph: Graph, names: readonly string[]): Value[] {
  return names.map((name) => {
    const value = graph.endPoints.get(name);
    if (value !== undefined) return value;
    throw new UsageError(
      `There is no end point called "${name}".`,
      `The end points are: ${[...graph.endPoints.keys()].join(", ")}.`,
    );
  });
}

/**
 * The program that computes the end points called `wanted`, and nothing else.
 * @throws UsageError when an end point is unknown.
 */
export function compile(graph: Graph, wanted: readonly string[]): Program {
  const values = lookUp(graph, wanted);
  const needed = neededBy(graph, values);
  const sizes = new Map(graph.nodes.map((n, value) => [value, sizeOf(n.shape)]));
  const outputs = values.map((v, i) => ({
    name: wanted[i],
    value: storageOf(graph, v),
    shape: graph.nodes[v].shape,
  }));
  const start: Drafts = {
    steps: draft(graph, needed),
    wanted: new Set(outputs.map((o) => o.value)),
    sizes,
  };
  const { steps } = passes.reduce((drafts, pass) => pass(drafts), start);
  const used = new Set(
    steps.flatMap((s) => s.operands.flatMap((o) => (o.kind === "weight" ? o.weight.variables : []))),
  );
  return {
    inputs: graph.nodes.flatMap((n, value) =>
      n.kind === "input" && needed.has(value) ? [{ name: n.name, value, shape: n.shape }] : [],
    ),
    steps: steps.map(({ inputShapes, ...step }) => {
      const op = opOf(step.op);
      const geometry = op.infer(inputShapes, step.attrs);
      return { ...step, geometry, cost: op.cost(geometry) };
    }),
    outputs,
    variables: graph.nodes.flatMap((n) =>
      n.kind === "variable" && used.has(n.name) ? [{ name: n.name, shape: n.shape }] : [],
    ),
    sizes,
  };
}
