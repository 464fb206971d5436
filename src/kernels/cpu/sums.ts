/** Operations that sum over axes, in float64 and in the order of their reference loops: mean, softmax, lrn. */
import {
  add,
  again,
  convert,
  count,
  div,
  divU,
  type Expr,
  float,
  floatOf,
  func,
  i32,
  increase,
  type Local,
  larger,
  less,
  load,
  mul,
  nearest,
  remU,
  type Stmt,
  select,
  set,
  shiftLeft,
  squareRoot,
  store,
  sub,
  truncated,
  unequal,
} from "../../wasm/code.ts";
import type { Caps, CpuKernel } from "../op.ts";
import { after, fieldsOf, once, unitsOf } from "./params.ts";
import { unitsOfTask } from "./shares.ts";

/** Values of a task at most. */
const mostValues = 16_384;
/** What is done for a value that is summed, and for one that is put through a function, in multiply-adds of a convolution. */
const workOf = { summed: 8, raised: 60 } as const;

const valueAt = (address: Expr<"i32">): Expr<"f64"> => convert("f64", load("f32", address));

interface Axis {
  readonly length: number;
  readonly step: number;
}

const fourth = [0, 1, 2, 3] as const;
const axisNames = (name: string) => fourth.flatMap((k) => [`${name}${k}`, `${name}Step${k}`]);

/** Brings axes to four by leading ones of length 1. */
const fourOf = (axes: readonly Axis[]): number[] =>
  [...Array<Axis>(4 - axes.length).fill({ length: 1, step: 0 }), ...axes].flatMap((a) => [a.length, a.step]);

const average = func("mean", 3, ([params, task], scope) => {
  const fields = fieldsOf<string>(
    params,
    ["x"],
    ["units", "taskUnits", "cells", ...axisNames("kept"), ...axisNames("cell")],
  );
  const [unit, end, rest, out] = scope.some("i32");
  const counters = scope.locals("i32", 4);
  const starts = scope.locals("i32", 5);
  const sum = scope.local("f64");
  const walk = (k: number): Stmt[] =>
    k === 4
      ? [set(sum, add(sum, valueAt(starts[4])))]
      : [
          set(starts[k + 1], starts[k]),
          count(counters[k], i32(0), fields(`cell${k}`), i32(1), [
            ...walk(k + 1),
            increase(starts[k + 1], shiftLeft(fields(`cellStep${k}`), i32(2))),
          ]),
        ];
  return [
    ...unitsOf(task, unit, end, fields),
    set(out, after(fields("out"), unit, 4)),
    count(unit, unit, end, i32(1), [
      set(rest, unit),
      set(starts[0], fields("x")),
      ...fourth
        .toReversed()
        .flatMap((k) => [
          increase(starts[0], shiftLeft(mul(remU(rest, fields(`kept${k}`)), fields(`keptStep${k}`)), i32(2))),
          set(rest, divU(rest, fields(`kept${k}`))),
        ]),
      set(sum, float("f64", 0)),
      ...walk(0),
      store(out, convert("f32", div(sum, floatOf("f64", fields("cells"))))),
      increase(out, i32(4)),
    ]),
  ];
});

/** The average over some axes. */
export function mean(
  { kept, reduced }: { readonly kept: readonly Axis[]; readonly reduced: readonly Axis[] },
  { threads = 1 }: Caps,
): CpuKernel {
  const lengthOf = (axes: readonly Axis[]) => axes.reduce((n, a) => n * a.length, 1);
  const [units, cells] = [lengthOf(kept), lengthOf(reduced)];
  // Whole lines of the cache, where there are that many.
  const lines = Math.ceil(units / 16);
  const taskUnits = 16 * unitsOfTask(lines, 16 * workOf.summed * cells, mostValues / (16 * cells), threads);
  return {
    code: average,
    numbers: [units, taskUnits, cells, ...fourOf(kept), ...fourOf(reduced)],
    tasks: Math.ceil(units / taskUnits),
    scratchBytes: 0,
  };
}

/** ln 2 in two parts, the first of so few bits that its products with exponents are exact. */
const ln2 = { high: 0.6931471803691238, low: 1.9082149292705877e-10 } as const;
/** Below it e^x is less than the least float32, and 2^n still an ordinary float64. */
const lowest = -700;
/** Terms of the series of e^x: those left out are below 2^-53 for |x| up to ln 2 / 2. */
const terms = 14;

/** Statements that put e^x into `x`, for `x` up to 0; `scratch` is 8 bytes of memory. Not a number becomes 0. */
const raise = (x: Local<"f64">, n: Local<"f64">, scratch: Expr<"i32">): Stmt[] => [
  set(x, select(less(float("f64", lowest), x), x, float("f64", lowest))),
  set(n, nearest(mul(x, float("f64", Math.LOG2E)))),
  set(x, sub(sub(x, mul(n, float("f64", ln2.high))), mul(n, float("f64", ln2.low)))),
  // 2^n by its bits: the exponent in the upper word.
  store(scratch, i32(0)),
  store(scratch, shiftLeft(add(truncated(n), i32(1023)), i32(20)), 4),
  set(n, load("f64", scratch)),
  set(
    x,
    Array.from({ length: terms - 1 }, (_, i) => terms - 1 - i).reduce<Expr<"f64">>(
      (sum, k) => add(float("f64", 1), mul(div(x, float("f64", k)), sum)),
      float("f64", 1),
    ),
  ),
  set(x, mul(x, n)),
];

const shareOut = func("softmax", 3, ([params, task, scratch], scope) => {
  const fields = fieldsOf<"x" | "units" | "taskUnits" | "columns">(
    params,
    ["x"],
    ["units", "taskUnits", "columns"],
  );
  const [unit, unitEnd, at, end, out] = scope.some("i32");
  const [peak, total, value, power] = scope.some("f64");
  const ready = scope.local("i32");
  const start: Stmt[] = [set(at, after(fields("x"), mul(unit, fields("columns")), 4))];
  return [
    ...unitsOf(task, unit, unitEnd, fields),
    count(unit, unit, unitEnd, i32(1), [
      ...start,
      set(end, after(at, fields("columns"), 4)),
      set(peak, valueAt(at)),
      again(unequal(at, end), [set(peak, larger(peak, valueAt(at))), increase(at, i32(4))]),
      // What is not a number, and an infinite peak, make the whole row none.
      set(total, sub(peak, peak)),
      ...start,
      set(ready, add(scratch, i32(8))),
      again(unequal(at, end), [
        set(value, sub(valueAt(at), peak)),
        ...raise(value, power, scratch),
        store(ready, value),
        set(total, add(total, value)),
        increase(at, i32(4)),
        increase(ready, i32(8)),
      ]),
      ...start,
      set(out, add(sub(at, fields("x")), fields("out"))),
      set(ready, add(scratch, i32(8))),
      again(unequal(at, end), [
        store(out, convert("f32", div(load("f64", ready), total))),
        increase(at, i32(4)),
        increase(out, i32(4)),
        increase(ready, i32(8)),
      ]),
    ]),
  ];
});

interface Rows {
  readonly rows: number;
  readonly columns: number;
}

/** exp(x - max) / sum of each row. */
export function softmax({ rows, columns }: Rows, { threads = 1 }: Caps): CpuKernel {
  const taskUnits = unitsOfTask(rows, workOf.raised * columns, mostValues / columns, threads);
  return {
    code: shareOut,
    numbers: [rows, taskUnits, columns],
    tasks: Math.ceil(rows / taskUnits),
    scratchBytes: 8 + 8 * columns,
  };
}

/** What is baked into the code of a local response normalisation. */
interface Response {
  readonly bias: number;
  readonly alpha: number;
  /** The exponent in quarters: its power is made of square roots. */
  readonly quarters: number;
}

const normalise = once(({ bias, alpha, quarters }: Response) =>
  func("lrn", 3, ([params, task], scope) => {
    const fields = fieldsOf<"x" | "units" | "taskUnits" | "columns" | "radius">(
      params,
      ["x"],
      ["units", "taskUnits", "columns", "radius"],
    );
    const [unit, unitEnd, row, rowEnd, at, near, nearEnd, out, reach] = scope.some("i32");
    const [sum, root, power] = scope.some("f64");
    const first = sub(at, reach);
    const last = add(add(at, reach), i32(4));
    return [
      ...unitsOf(task, unit, unitEnd, fields),
      set(reach, shiftLeft(fields("radius"), i32(2))),
      count(unit, unit, unitEnd, i32(1), [
        set(row, after(fields("x"), mul(unit, fields("columns")), 4)),
        set(rowEnd, after(row, fields("columns"), 4)),
        set(out, add(sub(row, fields("x")), fields("out"))),
        set(at, row),
        again(unequal(at, rowEnd), [
          set(near, select(less(first, row), row, first)),
          set(nearEnd, select(less(rowEnd, last), rowEnd, last)),
          set(sum, float("f64", 0)),
          again(unequal(near, nearEnd), [
            set(sum, add(sum, mul(valueAt(near), valueAt(near)))),
            increase(near, i32(4)),
          ]),
          set(sum, add(float("f64", bias), mul(float("f64", alpha), sum))),
          set(root, squareRoot(squareRoot(sum))),
          set(power, float("f64", 1)),
          ...Array<Stmt>(quarters % 4).fill(set(power, mul(power, root))),
          ...Array<Stmt>(Math.floor(quarters / 4)).fill(set(power, mul(power, sum))),
          store(out, convert("f32", div(valueAt(at), power))),
          increase(at, i32(4)),
          increase(out, i32(4)),
        ]),
      ]),
    ];
  }),
);

interface LrnGeometry extends Rows {
  readonly depthRadius: number;
  readonly bias: number;
  readonly alpha: number;
  readonly beta: number;
}

/** Whether the exponent is made of square roots: TF-Slim's are 0.75. */
export const fitsLrn = ({ beta }: LrnGeometry): boolean =>
  Number.isInteger(4 * beta) && beta >= 0 && beta <= 4;

/** x / (bias + alpha * sum of squares of the neighbours) ^ beta. */
export function lrn(g: LrnGeometry, { threads = 1 }: Caps): CpuKernel {
  const { rows, columns, depthRadius, bias, alpha, beta } = g;
  // A reach past the row is one to its end, whatever the address.
  const radius = Math.min(depthRadius, columns);
  const work = columns * (workOf.raised + workOf.summed * (2 * radius + 1));
  const taskUnits = unitsOfTask(rows, work, mostValues / columns, threads);
  return {
    code: normalise({ bias, alpha, quarters: 4 * beta }),
    numbers: [rows, taskUnits, columns, radius],
    tasks: Math.ceil(rows / taskUnits),
    scratchBytes: 0,
  };
}
