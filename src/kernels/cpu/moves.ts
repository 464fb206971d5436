/** Operations that move values without arithmetic, concat and pad: a stretch of neighbouring values after the other. */
import {
  add,
  and,
  call,
  count,
  divU,
  func,
  i32,
  increase,
  less,
  load,
  mul,
  remU,
  set,
  store,
  sub,
  unequal,
  when,
  whilst,
} from "../../wasm/code.ts";
import type { Caps, CpuKernel } from "../op.ts";
import { after, fieldsOf, once, unitsOf } from "./params.ts";
import { unitsOfTask } from "./shares.ts";

/** Values of a task at most, and what is done for one, in multiply-adds of a convolution. */
const mostValues = 65_536;
const workOfValue = 4;

/** (from, to, n): copies `n` values, which may be anything of 32 bits. */
const copy = func("copy", 3, ([from, to, n], scope) => {
  const end = scope.local("i32");
  return [
    set(end, after(from, n, 4)),
    whilst(unequal(from, end), [store(to, load("i32", from)), increase(from, i32(4)), increase(to, i32(4))]),
  ];
});

/** (to, n): `n` zeros. */
const clear = func("clear", 2, ([to, n], scope) => {
  const end = scope.local("i32");
  return [set(end, after(to, n, 4)), whilst(unequal(to, end), [store(to, i32(0)), increase(to, i32(4))])];
});

const joinOf = once((inputs: number) => {
  const all = Array.from({ length: inputs }, (_, i) => i);
  return func("concat", 3, ([params, task], scope) => {
    const fields = fieldsOf<string>(
      params,
      all.map((i) => `x${i}`),
      ["units", "taskUnits", "stride", ...all.map((i) => `run${i}`)],
    );
    const [unit, end, out] = scope.some("i32");
    return [
      ...unitsOf(task, unit, end, fields),
      count(unit, unit, end, i32(1), [
        set(out, after(fields("out"), mul(unit, fields("stride")), 4)),
        ...all.flatMap((i) => [
          call(copy, after(fields(`x${i}`), mul(unit, fields(`run${i}`)), 4), out, fields(`run${i}`)),
          increase(out, mul(fields(`run${i}`), i32(4))),
        ]),
      ]),
    ];
  });
});

/** Joins `runs` of neighbouring values, one of each input, `outer` times. */
export function concat(
  { outer, runs }: { readonly outer: number; readonly runs: readonly number[] },
  { threads = 1 }: Caps,
): CpuKernel {
  const stride = runs.reduce((a, b) => a + b, 0);
  const taskUnits = unitsOfTask(outer, workOfValue * stride, mostValues / stride, threads);
  return {
    code: joinOf(runs.length),
    numbers: [outer, taskUnits, stride, ...runs],
    tasks: Math.ceil(outer / taskUnits),
    scratchBytes: 0,
  };
}

const padNumbers = [
  "units", "taskUnits", "to1", "to2", "to3", "from0", "from1", "from2", "from3", "before0", "before1", "before2",
  "before3",
] as const; // biome-ignore format: a list of names

/** A unit is a line of the output's last axis. */
const surround = func("pad", 3, ([params, task], scope) => {
  const fields = fieldsOf<"x" | (typeof padNumbers)[number]>(params, ["x"], padNumbers);
  const [unit, end, out, i0, i1, i2] = scope.some("i32");
  // A coordinate before the input wraps to a huge one, so that one comparison guards both ends.
  const inside = and(and(less(i0, fields("from0")), less(i1, fields("from1"))), less(i2, fields("from2")));
  const line = add(mul(add(mul(i0, fields("from1")), i1), fields("from2")), i2);
  return [
    ...unitsOf(task, unit, end, fields),
    count(unit, unit, end, i32(1), [
      set(out, after(fields("out"), mul(unit, fields("to3")), 4)),
      set(i2, sub(remU(unit, fields("to2")), fields("before2"))),
      set(i1, divU(unit, fields("to2"))),
      set(i0, sub(divU(i1, fields("to1")), fields("before0"))),
      set(i1, sub(remU(i1, fields("to1")), fields("before1"))),
      call(clear, out, fields("to3")),
      when(inside, [
        call(
          copy,
          after(fields("x"), mul(line, fields("from3")), 4),
          after(out, fields("before3"), 4),
          fields("from3"),
        ),
      ]),
    ]),
  ];
});

/** Zeros around a tensor; all shapes are of rank 4. */
export function pad(
  g: {
    readonly from: readonly number[];
    readonly to: readonly number[];
    readonly before: readonly number[];
  },
  { threads = 1 }: Caps,
): CpuKernel {
  const [t0, t1, t2, t3] = g.to;
  const units = t0 * t1 * t2;
  const taskUnits = unitsOfTask(units, workOfValue * t3, mostValues / t3, threads);
  return {
    code: surround,
    numbers: [units, taskUnits, t1, t2, t3, ...g.from, ...g.before],
    tasks: Math.ceil(units / taskUnits),
    scratchBytes: 0,
  };
}
