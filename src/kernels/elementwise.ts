/** Operations that give one output for each input value: relu, relu6, bias_add, add, batch_norm. */

import { ShapeError } from "../errors.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../tensor.ts";
import { div, float, mul, add as plus, squareRoot, sub } from "../wasm/code.ts";
import { elementKernel } from "./cpu/elements.ts";
import { once } from "./cpu/params.ts";
import { epilogueInputs, epilogueWgsl, rowOf } from "./epilogue.ts";
import {
  type Caps,
  type CpuKernel,
  type Epilogue,
  float32Bytes,
  type Geometry,
  type GpuKernel,
  type Op,
  type Variant,
} from "./op.ts";
import { flatDispatch, flatIndex, flatWorkgroup, type Params, wgslModule } from "./wgsl.ts";

export interface ElementGeometry extends Geometry {
  readonly count: number;
  /** The length of the last axis; 1 for a scalar. */
  readonly channels: number;
}

const elements = (x: Shape): ElementGeometry => ({ out: x, count: sizeOf(x), channels: x.at(-1) ?? 1 });

function perChannel(op: string, x: Shape, vectors: readonly Shape[]): ElementGeometry {
  const g = elements(x);
  for (const v of vectors) {
    if (v.length !== 1 || v[0] !== g.channels) {
      throw new ShapeError(
        `${op}: ${formatShape(x)} has ${g.channels} channels, a vector of ${formatShape(v)} does not fit.`,
      );
    }
  }
  return g;
}

/** A lane a value. `value` is WGSL that may use `i`, `channel` and the inputs by name. */
function flatKernel(
  label: string,
  g: ElementGeometry,
  epilogue: Epilogue,
  caps: Caps,
  inputs: readonly string[],
  value: string,
  extra: Params = {},
): GpuKernel {
  const params = { count: g.count, channels: g.channels, ...rowOf(epilogue, g.channels, 1), ...extra };
  const code = wgslModule({
    params,
    inputs: [...inputs.map((name) => ({ name, type: "f32" as const })), ...epilogueInputs(epilogue, "f32")],
    output: "f32",
    workgroup: [flatWorkgroup, 1, 1],
    head: epilogueWgsl(epilogue, "f32"),
    body: `${flatIndex}
  let channel = i % p.channels;
  y[(i / p.channels) * p.row + p.first + channel] = finish(${value}, channel, i);`,
  });
  return { label, stages: [{ code, dispatches: [flatDispatch(params, caps)] }] };
}

const flat = <G extends ElementGeometry>(
  label: string,
  inputs: (g: G) => readonly string[],
  value: (g: G) => string,
  extra?: (g: G) => Params,
): Variant<G, GpuKernel>[] => [
  {
    name: "flat",
    idea: "A lane a value.",
    fits: () => true,
    build: (g, epilogue, caps) =>
      flatKernel(`${label}/flat`, g, epilogue, caps, inputs(g), value(g), extra?.(g)),
  },
];

/** The same on the CPU. */
const flatCpu = <G extends ElementGeometry>(
  kernel: (g: G) => (g: G, epilogue: Epilogue, caps: Caps) => CpuKernel,
): Variant<G, CpuKernel>[] => [
  {
    name: "flat",
    idea: "A value after the other.",
    fits: () => true,
    build: (g, epilogue, caps) => kernel(g)(g, epilogue, caps),
  },
];

const offset = elementKernel(
  "bias_add",
  { tensors: 1, vectors: 1 },
  { value: ([x], [bias]) => plus(x, bias) },
);

const sumOf = once((scale: number) =>
  elementKernel(
    "add",
    { tensors: 2, vectors: 0 },
    { value: ([a, b]) => plus(a, scale === 1 ? b : mul(float("f64", scale), b)) },
  ),
);

const normOf = once(({ scale, epsilon }: Pick<BatchNormAttrs, "scale" | "epsilon">) =>
  elementKernel(
    "batch_norm",
    { tensors: 1, vectors: scale ? 4 : 3 },
    {
      prepare([mean, variance, beta, gamma]) {
        const root = squareRoot(plus(variance, float("f64", epsilon)));
        return [mean, div(gamma ?? float("f64", 1), root), beta];
      },
      value: ([x], [mean, factor, beta]) => plus(mul(sub(x, mean), factor), beta),
    },
  ),
);

export type NoAttrs = Record<string, never>;

const activate = elementKernel("activate", { tensors: 1, vectors: 0 }, { value: ([x]) => x });

function activation(name: "relu" | "relu6"): Op<NoAttrs, ElementGeometry> {
  const limit = name === "relu6" ? 6 : Number.POSITIVE_INFINITY;
  return {
    name,
    weightsFrom: 1,
    fusesEpilogue: false,
    placesOutput: true,
    infer: ([x]) => elements(x),
    cost: (g) => ({ macs: 0, bytes: float32Bytes(2 * g.count) }),
    reference(_g, [x], out) {
      for (let i = 0; i < out.length; i++) out[i] = Math.min(Math.max(x[i], 0), limit);
    },
    cpu: [
      {
        name: "flat",
        idea: "A value after the other; the work is the epilogue's activation.",
        fits: () => true,
        build: (g, epilogue, caps) => activate(g, { ...epilogue, activation: name }, caps),
      },
    ],
    // The work is the epilogue's own activation, so that there is one text of it.
    gpu: [
      {
        name: "flat",
        idea: "A lane a value.",
        fits: () => true,
        build: (g, epilogue, caps) =>
          flatKernel(`${name}/flat`, g, { ...epilogue, activation: name }, caps, ["x"], "x[i]"),
      },
    ],
  };
}

export const relu = activation("relu");
export const relu6 = activation("relu6");

/** x + bias over the last axis. */
export const biasAdd: Op<NoAttrs, ElementGeometry> = {
  name: "bias_add",
  weightsFrom: 1,
  fusesEpilogue: true,
  placesOutput: true,
  infer: ([x, bias]) => perChannel("bias_add", x, [bias]),
  cost: (g) => ({ macs: 0, bytes: float32Bytes(2 * g.count) }),
  reference(g, [x, bias], out) {
    for (let i = 0; i < out.length; i++) out[i] = x[i] + bias[i % g.channels];
  },
  cpu: flatCpu(() => offset),
  gpu: flat(
    "bias_add",
    () => ["x", "b"],
    () => "x[i] + b[channel]",
  ),
};

export interface AddAttrs {
  /** What the second operand is multiplied by; 1 when left out. */
  readonly scale?: number;
}

export interface AddGeometry extends ElementGeometry {
  readonly scale: number;
}

/** a + scale * b of equal shapes. */
export const add: Op<AddAttrs, AddGeometry> = {
  name: "add",
  weightsFrom: 2,
  fusesEpilogue: true,
  placesOutput: true,
  infer([a, b], { scale = 1 }) {
    if (!sameShape(a, b))
      throw new ShapeError(`add: ${formatShape(a)} and ${formatShape(b)} are not of one shape.`);
    return { ...elements(a), scale };
  },
  cost: (g) => ({ macs: 0, bytes: float32Bytes(3 * g.count) }),
  reference(g, [a, b], out) {
    for (let i = 0; i < out.length; i++) out[i] = a[i] + g.scale * b[i];
  },
  cpu: flatCpu(({ scale }) => sumOf(scale)),
  gpu: flat(
    "add",
    () => ["a", "b"],
    (g) => (g.scale === 1 ? "a[i] + b[i]" : "fma(p.scale, b[i], a[i])"),
    (g): Params => (g.scale === 1 ? {} : { scale: { f32: g.scale } }),
  ),
};

export interface BatchNormAttrs {
  /** Added to the variance inside the root. */
  readonly epsilon: number;
  /** Whether there is a gamma; without it the scale is 1. */
  readonly scale: boolean;
}

export interface BatchNormGeometry extends ElementGeometry, BatchNormAttrs {}

/** (x - mean) * gamma / sqrt(variance + epsilon) + beta; operands x, mean, variance, beta and, with `scale`, gamma. */
export const batchNorm: Op<BatchNormAttrs, BatchNormGeometry> = {
  name: "batch_norm",
  weightsFrom: 1,
  fusesEpilogue: true,
  placesOutput: true,
  infer: ([x, ...vectors], attrs) => ({ ...perChannel("batch_norm", x, vectors), ...attrs }),
  cost: (g) => ({ macs: 0, bytes: float32Bytes(2 * g.count) }),
  reference(g, [x, mean, variance, beta, gamma], out) {
    for (let i = 0; i < out.length; i++) {
      const c = i % g.channels;
      out[i] = ((x[i] - mean[c]) * (g.scale ? gamma[c] : 1)) / Math.sqrt(variance[c] + g.epsilon) + beta[c];
    }
  },
  cpu: flatCpu(({ scale, epsilon }) => normOf({ scale, epsilon })),
  gpu: flat(
    "batch_norm",
    (g) => ["x", "mean", "variance", "beta", ...(g.scale ? ["gamma"] : [])],
    (g) =>
      `(x[i] - mean[channel]) * (${g.scale ? "gamma[channel]" : "1.0"} / sqrt(variance[channel] + p.epsilon)) + beta[channel]`,
    (g) => ({ epsilon: { f32: g.epsilon } }),
  ),
};
