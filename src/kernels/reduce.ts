/** Operations that sum over axes: mean, softmax, lrn. */

import { ShapeError } from "../errors.ts";
import { formatShape, type Shape, sizeOf } from "../tensor.ts";
import { lrn as cpuLrn, mean as cpuMean, softmax as cpuSoftmax, fitsLrn } from "./cpu/sums.ts";
import type { NoAttrs } from "./elementwise.ts";
import { type Caps, float32Bytes, type Geometry, type GpuKernel, type Op } from "./op.ts";
import { encodeParams, flatDispatch, flatIndex, flatWorkgroup, foldGrid, wgslModule } from "./wgsl.ts";

export interface MeanAttrs {
  /** Negative axes count from the last. */
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

/** Up to four kept and four reduced axes, each with its length and its step in the input. */
export interface MeanGeometry extends Geometry {
  readonly kept: readonly Axis[];
  readonly reduced: readonly Axis[];
}

interface Axis {
  readonly length: number;
  readonly step: number;
}

const lengthOf = (axes: readonly Axis[]) => sizeOf(axes.map((a) => a.length));

/** The input offset of the i-th combination of `axes`, the last one running fastest. */
function offsetOf(axes: readonly Axis[], i: number): number {
  let rest = i;
  let offset = 0;
  for (const { length, step } of axes.toReversed()) {
    offset += (rest % length) * step;
    rest = Math.floor(rest / length);
  }
  return offset;
}

function meanKernel(g: MeanGeometry, caps: Caps): GpuKernel {
  const fields = (name: string, axes: readonly Axis[]) =>
    Object.fromEntries(
      axes.flatMap((a, k) => [
        [`${name}${k}`, a.length],
        [`${name}Step${k}`, a.step],
      ]),
    );
  const walk = (name: string, axes: readonly Axis[], index: string) =>
    `  var ${name}Rest = ${index}; var ${name}At = 0u;
${axes
  .map(
    (_, k) =>
      `  ${name}At += (${name}Rest % p.${name}${k}) * p.${name}Step${k}; ${name}Rest /= p.${name}${k};`,
  )
  .toReversed()
  .join("\n")}`;
  const params = {
    count: lengthOf(g.kept),
    cells: lengthOf(g.reduced),
    ...fields("kept", g.kept),
    ...fields("cell", g.reduced),
  };
  const code = wgslModule({
    params,
    inputs: [{ name: "x", type: "f32" }],
    output: "f32",
    workgroup: [flatWorkgroup, 1, 1],
    body: `${flatIndex}
${walk("kept", g.kept, "i")}
  // Blocks of eight, then their sum: more exact than one long sum.
  var sum = 0.0; var part = 0.0;
  for (var k = 0u; k < p.cells; k++) {
${walk("cell", g.reduced, "k")}
    part += x[keptAt + cellAt];
    if (k % 8u == 7u) { sum += part; part = 0.0; }
  }
  sum += part;
  y[i] = sum / f32(p.cells);`,
  });
  return { label: "mean/flat", stages: [{ code, dispatches: [flatDispatch(params, caps)] }] };
}

/** The average over some axes (tf.reduce_mean). */
export const mean: Op<MeanAttrs, MeanGeometry> = {
  name: "mean",
  weightsFrom: 1,
  fusesEpilogue: false,
  infer([x], { axes: named, keepDims }) {
    const axes = named.map((a) => (a < 0 ? a + x.length : a));
    if (
      axes.some((a) => !Number.isInteger(a) || a < 0 || a >= x.length) ||
      new Set(axes).size !== axes.length
    ) {
      throw new ShapeError(`mean: axes [${axes}] do not fit the input ${formatShape(x)}.`);
    }
    const axisOf = (i: number): Axis => ({ length: x[i], step: sizeOf(x.slice(i + 1)) });
    const all = x.map((_, i) => i);
    return {
      out: keepDims ? x.map((d, i) => (axes.includes(i) ? 1 : d)) : x.filter((_, i) => !axes.includes(i)),
      kept: all.filter((i) => !axes.includes(i)).map(axisOf),
      reduced: all.filter((i) => axes.includes(i)).map(axisOf),
    };
  },
  cost: (g) => ({ macs: 0, bytes: float32Bytes(lengthOf(g.kept) * lengthOf(g.reduced), sizeOf(g.out)) }),
  reference(g, [x], out) {
    const cells = lengthOf(g.reduced);
    const offsets = Array.from({ length: cells }, (_, k) => offsetOf(g.reduced, k));
    for (let i = 0; i < out.length; i++) {
      const start = offsetOf(g.kept, i);
      let sum = 0;
      for (const offset of offsets) sum += x[start + offset];
      out[i] = sum / cells;
    }
  },
  cpu: [
    {
      name: "cells",
      idea: "An output after the other, a walk over its cells.",
      fits: () => true,
      build: (g, _epilogue, caps) => cpuMean(g, caps),
    },
  ],
  gpu: [
    {
      name: "flat",
      idea: "A lane an output, a walk over the cells.",
      fits: () => true,
      build: (g, _epilogue, caps) => meanKernel(g, caps),
    },
  ],
};

export interface RowGeometry extends Geometry {
  readonly rows: number;
  readonly columns: number;
}

const rowsOf = (x: Shape): RowGeometry => {
  const columns = x.at(-1) ?? 1;
  return { out: x, rows: sizeOf(x) / columns, columns };
};

function softmaxKernel(g: RowGeometry, caps: Caps): GpuKernel {
  const size = 64;
  const params = { rows: g.rows, columns: g.columns };
  const reduce = (combine: string) => `  part[lid.x] = value;
  workgroupBarrier();
  for (var half = ${size / 2}u; half > 0u; half /= 2u) {
    if (lid.x < half) { let a = part[lid.x]; let b = part[lid.x + half]; part[lid.x] = ${combine}; }
    workgroupBarrier();
  }`;
  const code = wgslModule({
    params,
    inputs: [{ name: "x", type: "f32" }],
    output: "f32",
    workgroup: [size, 1, 1],
    head: `var<workgroup> part: array<f32, ${size}>;`,
    // A row past the end repeats the last one, so that every lane meets every barrier.
    body: `  let row = min(wid.y * groups.x + wid.x, p.rows - 1u);
  let start = row * p.columns;
  var value = x[start];
  for (var c = lid.x; c < p.columns; c += ${size}u) { value = max(value, x[start + c]); }
${reduce("max(a, b)")}
  let peak = part[0];
  workgroupBarrier();
  value = 0.0;
  for (var c = lid.x; c < p.columns; c += ${size}u) { value += exp(x[start + c] - peak); }
${reduce("a + b")}
  let total = part[0];
  for (var c = lid.x; c < p.columns; c += ${size}u) { y[start + c] = exp(x[start + c] - peak) / total; }`,
  });
  const dispatch = { params: encodeParams(params), grid: foldGrid(g.rows, caps) };
  return { label: "softmax/rows", stages: [{ code, dispatches: [dispatch] }] };
}

/** exp(x - max) / sum over the last axis. */
export const softmax: Op<NoAttrs, RowGeometry> = {
  name: "softmax",
  weightsFrom: 1,
  fusesEpilogue: false,
  infer: ([x]) => rowsOf(x),
  cost: (g) => ({ macs: 0, bytes: float32Bytes(2 * g.rows * g.columns) }),
  reference(g, [x], out) {
    for (let start = 0; start < out.length; start += g.columns) {
      let peak = Number.NEGATIVE_INFINITY;
      for (let c = 0; c < g.columns; c++) peak = Math.max(peak, x[start + c]);
      let total = 0;
      for (let c = 0; c < g.columns; c++) total += Math.exp(x[start + c] - peak);
      for (let c = 0; c < g.columns; c++) out[start + c] = Math.exp(x[start + c] - peak) / total;
    }
  },
  cpu: [
    {
      name: "rows",
      idea: "A row after the other; powers of e by a series.",
      fits: () => true,
      build: (g, _epilogue, caps) => cpuSoftmax(g, caps),
    },
  ],
  gpu: [
    {
      name: "rows",
      idea: "A workgroup a row, maximum and sum by halving.",
      fits: () => true,
      build: (g, _epilogue, caps) => softmaxKernel(g, caps),
    },
  ],
};

export interface LrnAttrs {
  readonly depthRadius: number;
  readonly bias: number;
  readonly alpha: number;
  readonly beta: number;
}

export interface LrnGeometry extends RowGeometry, LrnAttrs {}

function lrnKernel(g: LrnGeometry, caps: Caps): GpuKernel {
  const params = {
    count: g.rows * g.columns,
    channels: g.columns,
    radius: g.depthRadius,
    bias: { f32: g.bias },
    alpha: { f32: g.alpha },
    beta: { f32: g.beta },
  };
  const code = wgslModule({
    params,
    inputs: [{ name: "x", type: "f32" }],
    output: "f32",
    workgroup: [flatWorkgroup, 1, 1],
    body: `${flatIndex}
  let channel = i % p.channels;
  let start = i - min(channel, p.radius);
  let end = i + min(p.channels - 1u - channel, p.radius);
  var sum = 0.0;
  for (var k = start; k <= end; k++) { sum = fma(x[k], x[k], sum); }
  y[i] = x[i] * pow(p.bias + p.alpha * sum, -p.beta);`,
  });
  return { label: "lrn/flat", stages: [{ code, dispatches: [flatDispatch(params, caps)] }] };
}

/** Local response normalisation over channels: x / (bias + alpha * sum of squares of the neighbours) ^ beta. */
export const lrn: Op<LrnAttrs, LrnGeometry> = {
  name: "lrn",
  weightsFrom: 1,
  fusesEpilogue: false,
  infer: ([x], attrs) => ({ ...rowsOf(x), ...attrs }),
  cost: (g) => ({ macs: 0, bytes: float32Bytes(2 * g.rows * g.columns) }),
  reference(g, [x], out) {
    for (let i = 0; i < out.length; i++) {
      const channel = i % g.columns;
      const start = i - Math.min(channel, g.depthRadius);
      const end = i + Math.min(g.columns - 1 - channel, g.depthRadius);
      let sum = 0;
      for (let k = start; k <= end; k++) sum += x[k] * x[k];
      out[i] = x[i] / (g.bias + g.alpha * sum) ** g.beta;
    }
  },
  cpu: [
    {
      name: "rows",
      idea: "A walk over the neighbours; the power is made of square roots.",
      fits: fitsLrn,
      build: (g, _epilogue, caps) => cpuLrn(g, caps),
    },
  ],
  gpu: [
    {
      name: "flat",
      idea: "A lane a value, a walk over its neighbours.",
      fits: () => true,
      build: (g, _epilogue, caps) => lrnKernel(g, caps),
    },
  ],
};
