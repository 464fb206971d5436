/** Pools: the largest or the average of a window's cells inside the image, four channels at a time. */
import {
  add,
  and,
  convert,
  div,
  type Expr,
  float,
  floatOf,
  i32,
  lessSigned,
  load,
  select,
  set,
  shiftRightSigned,
  store,
  sub,
  xor,
} from "../../wasm/code.ts";
import type { WindowGeometry } from "../geometry.ts";
import type { Caps, CpuKernel, Epilogue } from "../op.ts";
import { walkWindows, windowTasks } from "./windows.ts";

/**
 * A float32's bits as an integer of the same order, in which NaNs of either sign are above all numbers and minus infinity
 * is the least: integers can be compared without a jump, and whether a value is the largest cannot be predicted.
 */
const turned = (bits: Expr<"i32">) => xor(bits, and(shiftRightSigned(bits, i32(31)), i32(0x7fff_ffff)));
const shift = i32(0x7f_ffff);
const orderOf = (bits: Expr<"i32">) => sub(turned(bits), shift);
const least = i32(-0x8000_0000);

const widths = [4, 1];

const largest = walkWindows<never>("max_pool", [], widths, (scope) => {
  const peaks = scope.locals("i32", 4);
  const [value, found] = scope.some("i32");
  return {
    start: (count) => peaks.slice(0, count).map((peak) => set(peak, least)),
    take: (count, x) =>
      peaks
        .slice(0, count)
        .flatMap((peak, i) => [
          set(value, load("i32", x, 4 * i)),
          set(value, orderOf(value)),
          set(peak, select(lessSigned(peak, value), value, peak)),
        ]),
    finish: (count, out) =>
      peaks
        .slice(0, count)
        .flatMap((peak, i) => [set(found, add(peak, shift)), store(out, turned(found), 4 * i)]),
  };
});

const average = walkWindows<never>("avg_pool", [], widths, (scope) => {
  const sums = scope.locals("f64", 4);
  const cells = scope.local("f64");
  return {
    start: (count) => sums.slice(0, count).map((sum) => set(sum, float("f64", 0))),
    take: (count, x) =>
      sums.slice(0, count).map((sum, i) => set(sum, add(sum, convert("f64", load("f32", x, 4 * i))))),
    finish: (count, out, at) => [
      set(cells, floatOf("f64", at.cells)),
      ...sums.slice(0, count).map((sum, i) => store(out, convert("f32", div(sum, cells)), 4 * i)),
    ],
  };
});

export const pool = (
  kind: "max_pool" | "avg_pool",
  g: WindowGeometry,
  e: Epilogue,
  caps: Caps,
): CpuKernel => ({
  code: kind === "max_pool" ? largest : average,
  ...windowTasks(g, e, caps),
});
