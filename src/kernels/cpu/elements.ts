/** Operations that give one output for each input value: what they do is an epilogue, and some arithmetic before it. */
import {
  add,
  convert,
  count,
  type Expr,
  func,
  i32,
  increase,
  type Local,
  lessSigned,
  load,
  mul,
  type Stmt,
  select,
  set,
  shiftLeft,
  store,
} from "../../wasm/code.ts";
import type { Caps, CpuKernel, Epilogue } from "../op.ts";
import { storeFinished } from "./epilogue.ts";
import { after, type BakedEpilogue, bakedOf, epilogueFields, fieldsOf, once, placeOf } from "./params.ts";
import { unitsOfTask, workOfTask } from "./shares.ts";

const numbers = ["rows", "taskRows", "outC", "outStride", "outOffset"] as const;

/** Operands of the operation itself: tensors of the input's shape, and vectors of its channels. */
export interface ElementOperands {
  readonly tensors: number;
  readonly vectors: number;
}

interface Baked extends ElementOperands {
  readonly name: string;
  readonly epilogue: BakedEpilogue;
}

type F64 = Expr<"f64">;

export interface ElementWork {
  /** What is worked out once for a channel, from the vectors: the vectors themselves when left out. */
  readonly prepare?: (vectors: readonly F64[]) => readonly F64[];
  /** The value of an output from those of the tensors at its place, and what was prepared for its channel. */
  readonly value: (tensors: readonly F64[], prepared: readonly F64[]) => F64;
}

const codeOf = (baked: Baked, { prepare = (v) => v, value }: ElementWork) => {
  const { tensors, vectors, epilogue: e } = baked;
  const own = [
    ...Array.from({ length: tensors }, (_, i) => `t${i}`),
    ...Array.from({ length: vectors }, (_, i) => `v${i}`),
  ];
  const extra = epilogueFields(e);
  return func(baked.name, 3, ([params, task, scratch], scope) => {
    const fields = fieldsOf<string>(params, [...own, ...extra], numbers);
    const [row, rowEnd, channel, out, bits] = scope.some("i32");
    const pointers = new Map<string, Local<"i32">>([...own, ...extra].map((n) => [n, scope.local("i32")]));
    const at = (name: string): F64 => convert("f64", load("f32", pointers.get(name) as Local<"i32">));
    const perPixel = (name: string) => name.startsWith("t") || name === "residual";
    const start = (name: string): Expr<"i32"> =>
      perPixel(name) ? after(fields(name), mul(row, fields("outC")), 4) : fields(name);
    const names = [...pointers.keys()];
    const point = (n: string): Stmt => set(pointers.get(n) as Local<"i32">, start(n));
    const vectorNames = own.slice(tensors);
    const prepared = prepare(vectorNames.map(at));
    const ready = scope.local("i32");
    const result = value(
      own.slice(0, tensors).map(at),
      prepared.map((_, i) => load("f64", ready, 8 * i)),
    );
    const extras = Object.fromEntries(extra.map((name) => [name, at(name)]));
    const readyStep = 8 * prepared.length;
    const walked = names.filter((n) => !vectorNames.includes(n));
    const move = (n: string): Stmt => increase(pointers.get(n) as Local<"i32">, i32(4));
    return [
      ...vectorNames.map(point),
      set(ready, scratch),
      count(channel, i32(0), prepared.length > 0 ? fields("outC") : i32(0), i32(1), [
        ...prepared.map((v, i) => store(ready, v, 8 * i)),
        ...vectorNames.map(move),
        increase(ready, i32(readyStep)),
      ]),
      set(row, mul(task, fields("taskRows"))),
      set(rowEnd, add(row, fields("taskRows"))),
      set(rowEnd, select(lessSigned(fields("rows"), rowEnd), fields("rows"), rowEnd)),
      count(row, row, rowEnd, i32(1), [
        set(
          out,
          add(fields("out"), shiftLeft(add(mul(row, fields("outStride")), fields("outOffset")), i32(2))),
        ),
        ...walked.map(point),
        set(ready, scratch),
        count(channel, i32(0), fields("outC"), i32(1), [
          ...storeFinished(e.activation, extras, result, bits, out),
          ...walked.map(move),
          increase(ready, i32(readyStep)),
          increase(out, i32(4)),
        ]),
      ]),
    ];
  });
};

/** Values of a task at most. */
const mostValues = 65_536;
/** What is done for a value, in multiply-adds of a convolution. */
const workOfValue = 8;

/**
 * A kernel for values of `count` in rows of `channels`. `work` depends on nothing but `name`, under which its code is kept.
 */
export function elementKernel(
  name: string,
  operands: ElementOperands,
  work: ElementWork,
): (g: { readonly count: number; readonly channels: number }, e: Epilogue, caps: Caps) => CpuKernel {
  const code = once((epilogue: BakedEpilogue) => codeOf({ name, ...operands, epilogue }, work));
  return (g, e, { threads = 1 }) => {
    const rows = g.count / g.channels;
    // What is prepared from the vectors is prepared in each task.
    const ofTask = workOfTask + workOfValue * operands.vectors * g.channels;
    const taskRows = unitsOfTask(rows, workOfValue * g.channels, mostValues / g.channels, threads, ofTask);
    const { outStride, outOffset } = placeOf(e, g.channels);
    return {
      code: code(bakedOf(e)),
      numbers: [rows, taskRows, g.channels, outStride, outOffset],
      tasks: Math.ceil(rows / taskRows),
      scratchBytes: 8 * operands.vectors * g.channels,
    };
  };
}
