/** Depthwise convolution: float64 sums of four channels at a time. */
import { add, convert, type Expr, float, i32, load, mul, set } from "../../wasm/code.ts";
import type { WindowGeometry } from "../geometry.ts";
import type { CpuKernel, Epilogue } from "../op.ts";
import { channelExtras, storeFinished } from "./epilogue.ts";
import { after, type BakedEpilogue, bakedOf, epilogueFields, once } from "./params.ts";
import { walkWindows, windowTasks } from "./windows.ts";

const convolve = once((e: BakedEpilogue) =>
  walkWindows<"w" | "scale" | "bias" | "residual">("depthwise", ["w", ...epilogueFields(e)], (scope) => {
    const sums = scope.locals("f64", 4);
    const bits = scope.local("i32");
    const extras = channelExtras(e, scope, 4);
    const [weight, channelOf, residual] = scope.some("i32");
    const value = (address: Expr<"i32">, i: number) => convert("f64", load("f32", address, 4 * i));
    return {
      start: (count, fields, at) => [
        ...sums.slice(0, count).map((sum) => set(sum, float("f64", 0))),
        set(channelOf, at.channel),
        ...extras.load(fields, at.channel),
      ],
      take: (count, x, cell, fields) => [
        set(weight, after(fields("w"), add(mul(cell, fields("outC")), channelOf), 4)),
        ...sums.slice(0, count).map((sum, i) => set(sum, add(sum, mul(value(x, i), value(weight, i))))),
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
  }),
);

export const depthwise = (g: WindowGeometry & { readonly multiplier: number }, e: Epilogue): CpuKernel => ({
  code: convolve(bakedOf(e)),
  ...windowTasks(g, e, g.multiplier),
});
