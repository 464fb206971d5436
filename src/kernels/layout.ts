/** Operations that move values without arithmetic: concat and pad. */

import { ShapeError } from "../errors.ts";
import { formatShape, type Shape, sizeOf } from "../tensor.ts";
import { concat as cpuConcat, pad as cpuPad } from "./cpu/moves.ts";
import { type Caps, float32Bytes, type Geometry, type GpuKernel, type Op } from "./op.ts";
import { flatDispatch, flatIndex, flatWorkgroup, wgslModule } from "./wgsl.ts";

export interface ConcatAttrs {
  /** Negative axes count from the last. */
  readonly axis: number;
}

export interface ConcatGeometry extends Geometry {
  /** Product of the axes before the joined one. */
  readonly outer: number;
  /** For each input: how many neighbouring values it gives to one step of `outer`. */
  readonly runs: readonly number[];
}

/** Each input is one dispatch that copies its runs to their place. */
function concatKernel(g: ConcatGeometry, caps: Caps): GpuKernel {
  const stride = g.runs.reduce((a, b) => a + b, 0);
  let offset = 0;
  const dispatches = g.runs.map((run, input) => {
    const dispatch = flatDispatch({ count: g.outer * run, run, stride, offset }, caps);
    offset += run;
    return { ...dispatch, reads: [input] };
  });
  const code = wgslModule({
    params: { count: 0, run: 0, stride: 0, offset: 0 },
    inputs: [{ name: "x", type: "f32" }],
    output: "f32",
    workgroup: [flatWorkgroup, 1, 1],
    body: `${flatIndex}
  y[(i / p.run) * p.stride + p.offset + i % p.run] = x[i];`,
  });
  return { label: "concat/copy", stages: [{ code, dispatches }] };
}

export const concat: Op<ConcatAttrs, ConcatGeometry> = {
  name: "concat",
  weightsFrom: Number.POSITIVE_INFINITY,
  fusesEpilogue: false,
  infer(inputs: readonly Shape[], attrs) {
    const [first] = inputs;
    const axis = attrs.axis < 0 ? attrs.axis + first.length : attrs.axis;
    const fits = (s: Shape) => s.length === first.length && s.every((d, i) => i === axis || d === first[i]);
    if (!first || axis < 0 || axis >= first.length || !inputs.every(fits)) {
      throw new ShapeError(`concat: ${inputs.map(formatShape).join(", ")} do not join on axis ${axis}.`);
    }
    const inner = sizeOf(first.slice(axis + 1));
    return {
      out: first.map((d, i) => (i === axis ? inputs.reduce((sum, s) => sum + s[axis], 0) : d)),
      outer: sizeOf(first.slice(0, axis)),
      runs: inputs.map((s) => s[axis] * inner),
    };
  },
  cost: (g) => ({ macs: 0, bytes: float32Bytes(2 * sizeOf(g.out)) }),
  reference(g, inputs, out) {
    let at = 0;
    for (let o = 0; o < g.outer; o++) {
      g.runs.forEach((run, i) => {
        out.set(inputs[i].subarray(o * run, (o + 1) * run), at);
        at += run;
      });
    }
  },
  cpu: [
    {
      name: "lines",
      idea: "A stretch of neighbouring values after the other.",
      fits: () => true,
      build: (g, _epilogue, caps) => cpuConcat(g, caps),
    },
  ],
  gpu: [
    {
      name: "copy",
      idea: "A dispatch an input, a lane a value.",
      fits: () => true,
      build: (g, _epilogue, caps) => concatKernel(g, caps),
    },
  ],
};

export interface PadAttrs {
  /** Zeros before and after, for each axis. */
  readonly paddings: readonly (readonly [number, number])[];
}

/** Shapes brought to rank 4 by leading ones. */
export interface PadGeometry extends Geometry {
  readonly from: readonly number[];
  readonly to: readonly number[];
  readonly before: readonly number[];
}

const rank4 = (list: readonly number[], fill: number) => [
  ...Array<number>(4 - list.length).fill(fill),
  ...list,
];

function padKernel(g: PadGeometry, caps: Caps): GpuKernel {
  const params = {
    count: sizeOf(g.out),
    to1: g.to[1],
    to2: g.to[2],
    to3: g.to[3],
    from0: g.from[0],
    from1: g.from[1],
    from2: g.from[2],
    from3: g.from[3],
    before0: g.before[0],
    before1: g.before[1],
    before2: g.before[2],
    before3: g.before[3],
  };
  const code = wgslModule({
    params,
    inputs: [{ name: "x", type: "f32" }],
    output: "f32",
    workgroup: [flatWorkgroup, 1, 1],
    // A coordinate before the input wraps to a huge u32, so one comparison guards both ends.
    body: `${flatIndex}
  let i3 = i % p.to3 - p.before3;
  let i2 = (i / p.to3) % p.to2 - p.before2;
  let i1 = (i / p.to3 / p.to2) % p.to1 - p.before1;
  let i0 = i / p.to3 / p.to2 / p.to1 - p.before0;
  let inside = i0 < p.from0 && i1 < p.from1 && i2 < p.from2 && i3 < p.from3;
  y[i] = select(0.0, x[select(0u, ((i0 * p.from1 + i1) * p.from2 + i2) * p.from3 + i3, inside)], inside);`,
  });
  return { label: "pad/flat", stages: [{ code, dispatches: [flatDispatch(params, caps)] }] };
}

/** Zeros around a tensor of rank 4 or less (tf.pad, mode CONSTANT). */
export const pad: Op<PadAttrs, PadGeometry> = {
  name: "pad",
  weightsFrom: 1,
  fusesEpilogue: false,
  infer([x], { paddings }) {
    const whole = paddings.every(([a, b]) => Number.isInteger(a) && Number.isInteger(b) && a >= 0 && b >= 0);
    if (paddings.length !== x.length || x.length > 4 || !whole) {
      throw new ShapeError(
        `pad: paddings ${JSON.stringify(paddings)} do not fit the input ${formatShape(x)}.`,
      );
    }
    const out = x.map((d, i) => d + paddings[i][0] + paddings[i][1]);
    const before = paddings.map(([a]) => a);
    return { out, from: rank4(x, 1), to: rank4(out, 1), before: rank4(before, 0) };
  },
  cost: (g) => ({ macs: 0, bytes: float32Bytes(sizeOf(g.from), sizeOf(g.to)) }),
  reference(g, [x], out) {
    out.fill(0);
    const [, f1, f2, f3] = g.from;
    const [, t1, t2, t3] = g.to;
    const [b0, b1, b2, b3] = g.before;
    for (let i = 0; i < x.length; i++) {
      const i3 = i % f3;
      const i2 = Math.floor(i / f3) % f2;
      const i1 = Math.floor(i / f3 / f2) % f1;
      const i0 = Math.floor(i / f3 / f2 / f1);
      out[(((i0 + b0) * t1 + i1 + b1) * t2 + i2 + b2) * t3 + i3 + b3] = x[i];
    }
  },
  cpu: [
    {
      name: "lines",
      idea: "A line of neighbouring values after the other.",
      fits: () => true,
      build: (g, _epilogue, caps) => cpuPad(g, caps),
    },
  ],
  gpu: [
    {
      name: "flat",
      idea: "A lane a value of the output.",
      fits: () => true,
      build: (g, _epilogue, caps) => padKernel(g, caps),
    },
  ],
};
