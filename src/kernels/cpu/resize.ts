/** resize_bilinear in float32, operation by operation as TensorFlow does it: a task is some lines of the output. */
import {
  add,
  count,
  divU,
  type Expr,
  float,
  floatOf,
  func,
  i32,
  increase,
  type Local,
  less,
  load,
  mul,
  remU,
  type Stmt,
  select,
  set,
  shiftLeft,
  store,
  sub,
  truncated,
} from "../../wasm/code.ts";
import type { Caps, CpuKernel } from "../op.ts";
import { after, fieldsOf, once, unitsOf } from "./params.ts";
import { unitsOfTask } from "./shares.ts";

/** Values of a task at most, and what is done for one, in multiply-adds of a convolution. */
const mostValues = 65_536;
const workOfValue = 16;

interface Size {
  readonly inH: number;
  readonly inW: number;
  readonly outH: number;
  readonly outW: number;
}

interface ResizeGeometry extends Size {
  readonly batch: number;
  readonly channels: number;
}

const numbers = ["units", "taskUnits", "inH", "inW", "outH", "outW", "channels"] as const;

/** The scales are baked: float32 constants. */
const resizeBy = once(({ scaleY, scaleX }: { readonly scaleY: number; readonly scaleX: number }) =>
  func("resize_bilinear", 3, ([params, task], scope) => {
    const fields = fieldsOf<"x" | (typeof numbers)[number]>(params, ["x"], numbers);
    const [line, lineEnd, column, channel, y, out, image] = scope.some("i32");
    const [low, high, above, below, left, right] = scope.some("i32");
    const [place, down, across, top, bottom] = scope.some("f32");
    /** The two neighbours of output `i` along an axis, and how far it lies from the first. */
    const between = (i: Local<"i32">, scale: number, size: Expr<"i32">, part: Local<"f32">): Stmt[] => [
      set(place, mul(floatOf("f32", i), float("f32", scale))),
      set(low, truncated(place)),
      set(part, sub(place, floatOf("f32", low))),
      set(low, select(less(low, sub(size, i32(1))), low, sub(size, i32(1)))),
      set(high, select(less(add(low, i32(1)), size), add(low, i32(1)), low)),
    ];
    const pixelBytes = shiftLeft(fields("channels"), i32(2));
    const rowAt = (row: Expr<"i32">) =>
      add(fields("x"), mul(mul(add(mul(image, fields("inH")), row), fields("inW")), pixelBytes));
    const value = (row: Local<"i32">, col: Local<"i32">): Expr<"f32"> => load("f32", add(row, col));
    const mixed = (a: Expr<"f32">, b: Expr<"f32">, part: Local<"f32">) => add(a, mul(sub(b, a), part));
    return [
      ...unitsOf(task, line, lineEnd, fields),
      set(out, after(fields("out"), mul(mul(line, fields("outW")), fields("channels")), 4)),
      count(line, line, lineEnd, i32(1), [
        set(image, divU(line, fields("outH"))),
        set(y, remU(line, fields("outH"))),
        ...between(y, scaleY, fields("inH"), down),
        set(above, rowAt(low)),
        set(below, rowAt(high)),
        count(column, i32(0), fields("outW"), i32(1), [
          ...between(column, scaleX, fields("inW"), across),
          set(left, mul(low, pixelBytes)),
          set(right, mul(high, pixelBytes)),
          count(channel, i32(0), fields("channels"), i32(1), [
            set(top, mixed(value(above, left), value(above, right), across)),
            set(bottom, mixed(value(below, left), value(below, right), across)),
            store(out, mixed(top, bottom, down)),
            increase(left, i32(4)),
            increase(right, i32(4)),
            increase(out, i32(4)),
          ]),
        ]),
      ]),
    ];
  }),
);

export function resizeBilinear(g: ResizeGeometry, { threads = 1 }: Caps): CpuKernel {
  const lines = g.batch * g.outH;
  const values = g.outW * g.channels;
  const taskLines = unitsOfTask(lines, workOfValue * values, mostValues / values, threads);
  const scale = (from: number, to: number) => Math.fround(from / to);
  return {
    code: resizeBy({ scaleY: scale(g.inH, g.outH), scaleX: scale(g.inW, g.outW) }),
    numbers: [lines, taskLines, g.inH, g.inW, g.outH, g.outW, g.channels],
    tasks: Math.ceil(lines / taskLines),
    scratchBytes: 0,
  };
}
