/**
 * A static graph with shapes. A network is written by calling a builder under TF-Slim's variable scopes; nothing here
 * knows of devices, weights or which end points will be asked for.
 */

import { ShapeError } from "../errors.ts";
import { type AttrsOf, type OpName, opOf } from "../kernels/index.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../tensor.ts";

/** A value in a graph: the index of the node that makes it. */
export type Value = number;

export type GraphNode =
  | { readonly kind: "input"; readonly shape: Shape; readonly name: string }
  | { readonly kind: "variable"; readonly shape: Shape; readonly name: string }
  | { readonly kind: "reshape"; readonly shape: Shape; readonly input: Value }
  | {
      readonly kind: "op";
      readonly shape: Shape;
      readonly op: OpName;
      readonly attrs: unknown;
      readonly inputs: readonly Value[];
      /** The variable scope that it was made under, such as InceptionV1/Mixed_3b/Branch_1/Conv2d_0a_1x1. */
      readonly scope: string;
    };

export interface Graph {
  /** In an order where every node follows its inputs. */
  readonly nodes: readonly GraphNode[];
  /** End points by TF-Slim's name, in the order they were made. Two names may share a value. */
  readonly endPoints: ReadonlyMap<string, Value>;
  /** End points that this input size does not allow, and why. */
  readonly unavailable: ReadonlyMap<string, ShapeError>;
}

export interface GraphBuilder {
  input(name: string, shape: Shape): Value;
  /** The variable `<scope>/<name>`; asking twice for one name gives one variable. */
  variable(name: string, shape: Shape): Value;
  op<N extends OpName>(op: N, attrs: AttrsOf<N>, inputs: readonly Value[]): Value;
  /** The same values under another shape; costs nothing. */
  reshape(input: Value, shape: Shape): Value;
  /** Runs `body` with `name` (one or more path parts) added to the variable scope. */
  scope<T>(name: string, body: () => T): T;
  /** The scope now, such as InceptionV1/Mixed_3b. */
  readonly scopeName: string;
  /** Names a value that can be asked for; returns it. */
  endPoint(name: string, value: Value): Value;
  /**
   * Runs `body`, a part that not every input size allows. Where a shape does not fit, the end points `names`, which it
   * would have made, are told to be unavailable, and the rest of the network stands.
   */
  attempt<T>(names: readonly string[], body: () => T): T | undefined;
  shapeOf(value: Value): Shape;
  finish(): Graph;
}

export function createGraph(): GraphBuilder {
  const nodes: GraphNode[] = [];
  const endPoints = new Map<string, Value>();
  const unavailable = new Map<string, ShapeError>();
  const variables = new Map<string, Value>();
  const scopes: string[] = [];
  const push = (node: GraphNode): Value => nodes.push(node) - 1;

  return {
    input: (name, shape) => push({ kind: "input", name, shape }),

    variable(name, shape) {
      const full = [...scopes, name].join("/");
      const known = variables.get(full);
      if (known === undefined) {
        const value = push({ kind: "variable", name: full, shape });
        variables.set(full, value);
        return value;
      }
      if (!sameShape(nodes[known].shape, shape))
        throw new Error(`variable ${full} was declared with two shapes`);
      return known;
    },

    op(op, attrs, inputs) {
      const scope = scopes.join("/");
      let shape: Shape;
      try {
        shape = opOf(op).infer(
          inputs.map((v) => nodes[v].shape),
          attrs,
        ).out;
      } catch (error) {
        if (error instanceof ShapeError && scope !== "") {
          throw new ShapeError(`In ${scope}: ${error.message}`, error.hint, { cause: error });
        }
        throw error;
      }
      return push({ kind: "op", op, attrs, inputs, shape, scope });
    },

    reshape(input, shape) {
      const from = nodes[input].shape;
      if (sizeOf(from) !== sizeOf(shape)) {
        throw new ShapeError(`${formatShape(from)} cannot be reshaped to ${formatShape(shape)}.`);
      }
      return push({ kind: "reshape", input, shape });
    },

    scope(name, body) {
      scopes.push(name);
      try {
        return body();
      } finally {
        scopes.pop();
      }
    },

    get scopeName() {
      return scopes.join("/");
    },

    endPoint(name, value) {
      endPoints.set(name, value);
      return value;
    },

    attempt(names, body) {
      const depth = scopes.length;
      try {
        return body();
      } catch (error) {
        if (!(error instanceof ShapeError)) throw error;
        scopes.length = depth;
        for (const name of names) if (!endPoints.has(name)) unavailable.set(name, error);
        return undefined;
      }
    },

    shapeOf: (value) => nodes[value].shape,

    finish: () => ({ nodes, endPoints, unavailable }),
  };
}

/** Every variable of a graph, in the order the network made them. */
export function variablesOf(graph: Graph): { name: string; shape: Shape }[] {
  return graph.nodes.flatMap((n) => (n.kind === "variable" ? [{ name: n.name, shape: n.shape }] : []));
}
