/** Depthwise convolution: float64 sums of eight channels at a time, which share what the walk over the window costs. */
import {
  add,
  convert,
  type Expr,
  equal,
  float,
  i32,
  increase,
  leaveWhen,
  load,
  mul,
  set,
} from "../../wasm/code.ts";
import type { WindowGeometry } from "../geometry.ts";
import type { Caps, CpuKernel, Epilogue } from "../op.ts";
import { channelExtras, storeFinished } from "./epilogue.ts";
import { after, type BakedEpilogue, bakedOf, epilogueFields, once } from "./params.ts";
import { walkWindows, windowTasks } from "./windows.ts";

const most = 8;
const half = most / 2;

const convolve = once((e: BakedEpilogue) =>
  walkWindows<"w" | "scale" | "bias" | "residual">(
    "depthwise",
    ["w", ...epilogueFields(e)],
    [most, 4, 1],
    (scope) => {
      const sums = scope.locals("f64", most);
      const bits = scope.local("i32");
      const extras = channelExtras(e, scope, most);
      const [weight, weightStep, channel, residual] = scope.some("i32");
      const value = (address: Expr<"i32">, i: number) => convert("f64", load("f32", address, 4 * i));
      return {
        start: (count, fields, at) => [
          ...sums.slice(0, count).map((sum) => set(sum, float("f64", 0))),
          set(channel, at.channel),
          set(weightStep, after(i32(0), fields("outC"), 4)),
          ...extras.load(fields, at.channel),
        ],
        row: (cell, fields) => [set(weight, after(fields("w"), add(mul(cell, fields("outC")), channel), 4))],
        take: (count, x) => [
          ...sums.slice(0, count).flatMap((sum, i) => [
            // An address of zero does not occur; the jump keeps the loads of the second half where they are.
            ...(i === half ? [leaveWhen(equal(x, i32(0)))] : []),
            set(sum, add(sum, mul(value(x, i), value(weight, i)))),
          ]),
          increase(weight, weightStep),
        ],
        finish: (count, out, at, fields) => [
          ...(e.residual
            ? [set(residual, after(fields("residual"), add(mul(at.pixel, fields("outC")), at.channel), 4))]
            : [set(residual, i32(0))]),
          ...sums
            .slice(0, count)
            .flatMap((sum, i) =>
              storeFinished(
                e.activation,
                { ...extras.of(i), residual: e.residual ? value(residual, i) : undefined },
                sum,
                bits,
                out,
                4 * i,
              ),
            ),
        ],
      };
    },
  ),
);

export const depthwise = (
  g: WindowGeometry & { readonly multiplier: number },
  e: Epilogue,
  caps: Caps,
): CpuKernel => ({
  code: convolve(bakedOf(e)),
  ...windowTasks(g, e, caps, g.multiplier),
});
