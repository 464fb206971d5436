/**
 * The product of packed panels, which all convolutions come down to: sums of 2 rows x 4 columns in float64.
 *
 * Float64, because a scalar product costs the same in either width: sums of float32 products are then exact to the last
 * bit but a few, whatever their length, and Winograd's transforms lose nothing. Weights are kept as float32 and widened
 * into a buffer that stays in the first cache while it is used.
 *
 * Of 1x6 to 6x2, 2x4 was fastest by a tenth and more under V8 on x64: eight sums, two values and two weights are what
 * fits its fifteen registers. V8 moves all loads of a straight run of code to its beginning, so each step is cut in two
 * by a jump that is never taken; unrolling, with or without such cuts, made it slower.
 */
import {
  add,
  again,
  and,
  convert,
  count,
  equal,
  float,
  func,
  i32,
  increase,
  type Local,
  leavable,
  leaveWhen,
  load,
  mul,
  type Stmt,
  set,
  shiftLeft,
  store,
  sub,
  unequal,
  when,
} from "../../wasm/code.ts";

/** Rows and columns of a panel. */
export const rows = 2;
export const columns = 4;

/** Bytes of one step of a panel of rows, of a panel of columns, and of a block of sums. */
const rowStep = rows * 8;
const columnStep = columns * 8;
export const blockBytes = rows * columns * 8;

/**
 * (a, b, c, end, step, k): for each panel of rows, back to back at `a` as [k][2], adds its product with the panel of columns
 * at `b`, [k][4], to a block [2][4]; the blocks lie `step` bytes apart from `c` up to `end`. Sums go on from what is there,
 * so that the order of a sum does not depend on how it is cut.
 */
export const multiplyPanels = func("multiply_panels", 6, ([a, b, c, end, step, k], scope) => {
  const sums = scope.locals("f64", rows * columns);
  const [x0, x1, w0, w1] = scope.some("f64");
  const [w, left] = scope.some("i32");
  const take = (x: Local<"f64">, weight: Local<"f64">, sum: Local<"f64">): Stmt =>
    set(sum, add(sum, mul(x, weight)));
  const half = (column: number): Stmt[] => [
    set(w0, load("f64", w, 8 * column)),
    set(w1, load("f64", w, 8 * column + 8)),
    take(x0, w0, sums[column]),
    take(x1, w0, sums[columns + column]),
    take(x0, w1, sums[column + 1]),
    take(x1, w1, sums[columns + column + 1]),
  ];
  return [
    again(unequal(c, end), [
      ...sums.map((sum, i) => set(sum, load("f64", c, 8 * i))),
      set(w, b),
      set(left, k),
      leavable(
        again(left, [
          set(x0, load("f64", a)),
          set(x1, load("f64", a, 8)),
          ...half(0),
          // An address of zero does not occur.
          leaveWhen(equal(w, i32(0))),
          ...half(2),
          increase(a, i32(rowStep)),
          increase(w, i32(columnStep)),
          increase(left, i32(-1)),
        ]),
      ),
      ...sums.map((sum, i) => store(c, sum, 8 * i)),
      increase(c, step),
    ]),
  ];
});

/** (at, end): zeros in the sums from `at` to `end`. */
export const clearSums = func("clear_sums", 2, ([at, end]) => [
  again(unequal(at, end), [
    ...Array.from({ length: rows * columns }, (_, i) => store(at, float("f64", 0), 8 * i)),
    increase(at, i32(blockBytes)),
  ]),
]);

/** (from, to, n): `n` float32 at `from` become float64 at `to`; n is a multiple of 4. */
export const widen = func("widen", 3, ([from, to, n], scope) => {
  const end = scope.local("i32");
  return [
    set(end, add(from, shiftLeft(n, i32(2)))),
    again(unequal(from, end), [
      ...[0, 1, 2, 3].map((i) => store(to, convert("f64", load("f32", from, 4 * i)), 8 * i)),
      increase(from, i32(16)),
      increase(to, i32(32)),
    ]),
  ];
});

/** (from, to, n): widens `n` floats into one row of a panel of rows, whose values are two apart. */
export const widenRow = func("widen_row", 3, ([from, to, n], scope) => {
  const end = scope.local("i32");
  const step = (values: number): Stmt[] => [
    ...Array.from({ length: values }, (_, i) =>
      store(to, convert("f64", load("f32", from, 4 * i)), rowStep * i),
    ),
    increase(from, i32(4 * values)),
    increase(to, i32(rowStep * values)),
  ];
  const whole = and(n, i32(-4));
  return [
    set(end, add(from, shiftLeft(whole, i32(2)))),
    when(whole, [again(unequal(from, end), step(4))]),
    set(end, add(end, shiftLeft(sub(n, whole), i32(2)))),
    when(unequal(from, end), [again(unequal(from, end), step(1))]),
  ];
});

/** (to, n): zeros in one row of a panel of rows. */
export const clearRow = func("clear_row", 2, ([to, n], scope) => {
  const i = scope.local("i32");
  return [count(i, i32(0), n, i32(1), [store(to, float("f64", 0)), increase(to, i32(rowStep))])];
});
