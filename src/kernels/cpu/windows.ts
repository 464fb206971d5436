/**
 * The walk that depthwise convolutions and pools share: for every output pixel, and a few of its channels at a time, over
 * the cells of its window that lie inside the image. A task is some lines of the output.
 */
import {
  add,
  count,
  divU,
  type Expr,
  type Fn,
  func,
  i32,
  increase,
  type Local,
  lessSigned,
  mul,
  remU,
  type Scope,
  type Stmt,
  select,
  set,
  shiftLeft,
  sub,
} from "../../wasm/code.ts";
import type { WindowGeometry } from "../geometry.ts";
import type { Caps, Epilogue } from "../op.ts";
import { after, type Fields, fieldsOf, placeOf } from "./params.ts";
import { unitsOfTask } from "./shares.ts";

const numbers = [
  "inH",
  "inW",
  "inC",
  "outH",
  "outW",
  "outC",
  "kernelH",
  "kernelW",
  "strideH",
  "strideW",
  "dilationH",
  "dilationW",
  "padTop",
  "padLeft",
  "outStride",
  "outOffset",
  "lines",
  "taskLines",
  "multiplier",
] as const;

type Numbers = Record<(typeof numbers)[number], number>;
export type WindowField<N extends string> = "out" | "x" | N | keyof Numbers;

/** What is done with the channels of an output; all addresses are those of the first of `count` channels. */
export interface WindowBody<N extends string> {
  /** Before the first cell. `channel` is the first output channel, `pixel` the output pixel. */
  start(count: number, fields: Fields<WindowField<N>>, at: Position): Stmt[];
  /** Before the cells of a row of the window, of which `cell` is the first inside, counted row by row. */
  row?(cell: Expr<"i32">, fields: Fields<WindowField<N>>): Stmt[];
  /** For each cell inside the image, one after the other: its values are at `x`. */
  take(count: number, x: Expr<"i32">): Stmt[];
  finish(count: number, out: Expr<"i32">, at: Position, fields: Fields<WindowField<N>>): Stmt[];
}

export interface Position {
  readonly channel: Expr<"i32">;
  readonly pixel: Expr<"i32">;
  /** Cells of the window that lie inside. */
  readonly cells: Expr<"i32">;
}

/**
 * The function `name` for operands called `operands` behind the input. So many channels are taken together as `widths`
 * say, the widest as long as there are enough; the last is 1.
 */
export function walkWindows<N extends string>(
  name: string,
  operands: readonly N[],
  widths: readonly number[],
  body: (scope: Scope) => WindowBody<N>,
): Fn {
  return func(name, 3, ([params, task], scope) => {
    const fields = fieldsOf<WindowField<N>>(params, ["x", ...operands], numbers);
    const [line, lineEnd, ox, top, left, image, ky, kx, kyStart, kxStart, kyEnd, kxEnd] = scope.some("i32");
    const [channel, together, x, row, cells, pixel, out, cellStep, rowStep, source] = scope.some("i32");
    const { start, row: startRow, take, finish } = body(scope);

    /** The range of window cells along one axis that lie inside. */
    const inside = (
      from: Local<"i32">,
      to: Local<"i32">,
      before: Local<"i32">,
      size: "inH" | "inW",
      kernel: "kernelH" | "kernelW",
      dilation: "dilationH" | "dilationW",
    ): Stmt[] => {
      const steps = (length: Expr<"i32">) =>
        divU(add(length, sub(fields(dilation), i32(1))), fields(dilation));
      const room = sub(fields(size), before);
      return [
        set(from, select(lessSigned(before, i32(0)), steps(sub(i32(0), before)), i32(0))),
        set(to, select(lessSigned(i32(0), room), steps(room), i32(0))),
        set(to, select(lessSigned(fields(kernel), to), fields(kernel), to)),
        set(from, select(lessSigned(to, from), to, from)),
      ];
    };

    const at: Position = { channel, pixel, cells };
    const channels = (count_: number): Stmt[] => [
      ...start(count_, fields, at),
      set(row, add(source, shiftLeft(divU(channel, fields("multiplier")), i32(2)))),
      count(ky, kyStart, kyEnd, i32(1), [
        set(x, row),
        ...(startRow?.(add(mul(ky, fields("kernelW")), kxStart), fields) ?? []),
        count(kx, kxStart, kxEnd, i32(1), [...take(count_, x), increase(x, cellStep)]),
        increase(row, rowStep),
      ]),
      ...finish(count_, add(out, shiftLeft(channel, i32(2))), at, fields),
    ];

    return [
      set(line, mul(task, fields("taskLines"))),
      set(lineEnd, add(line, fields("taskLines"))),
      set(lineEnd, select(lessSigned(fields("lines"), lineEnd), fields("lines"), lineEnd)),
      set(cellStep, shiftLeft(mul(fields("dilationW"), fields("inC")), i32(2))),
      set(rowStep, shiftLeft(mul(mul(fields("dilationH"), fields("inW")), fields("inC")), i32(2))),
      // Only where every output channel has an input channel of its own are neighbours taken together.
      set(together, select(lessSigned(i32(1), fields("multiplier")), i32(0), fields("outC"))),
      count(line, line, lineEnd, i32(1), [
        set(image, divU(line, fields("outH"))),
        set(top, sub(mul(remU(line, fields("outH")), fields("strideH")), fields("padTop"))),
        ...inside(kyStart, kyEnd, top, "inH", "kernelH", "dilationH"),
        count(ox, i32(0), fields("outW"), i32(1), [
          set(left, sub(mul(ox, fields("strideW")), fields("padLeft"))),
          ...inside(kxStart, kxEnd, left, "inW", "kernelW", "dilationW"),
          set(cells, mul(sub(kyEnd, kyStart), sub(kxEnd, kxStart))),
          set(pixel, add(mul(line, fields("outW")), ox)),
          set(out, after(fields("out"), add(mul(pixel, fields("outStride")), fields("outOffset")), 4)),
          set(source, add(mul(image, fields("inH")), add(top, mul(kyStart, fields("dilationH"))))),
          set(source, add(mul(source, fields("inW")), add(left, mul(kxStart, fields("dilationW"))))),
          set(source, add(fields("x"), shiftLeft(mul(source, fields("inC")), i32(2)))),
          set(channel, i32(0)),
          ...widths.map((width) =>
            count(channel, channel, width > 1 ? sub(together, i32(width - 1)) : fields("outC"), i32(width), [
              ...channels(width),
            ]),
          ),
        ]),
      ]),
    ];
  });
}

/** Outputs of a task at most. */
const mostOutputs = 65_536;
/** What is done for a cell of an output, in multiply-adds of a convolution. */
const workOfCell = 4;

/** The numbers and tasks of a kernel made by `walkWindows`, for so many threads. */
export function windowTasks(g: WindowGeometry, e: Epilogue, { threads = 1 }: Caps, multiplier = 1) {
  const lines = g.batch * g.outH;
  const outputs = g.outW * g.outC;
  const ofLine = workOfCell * outputs * g.kernelH * g.kernelW;
  const taskLines = unitsOfTask(lines, ofLine, mostOutputs / outputs, threads);
  const values: Numbers = { ...g, ...placeOf(e, g.outC), lines, taskLines, multiplier };
  return {
    numbers: numbers.map((name) => values[name]),
    tasks: Math.ceil(lines / taskLines),
    scratchBytes: 0,
  };
}
