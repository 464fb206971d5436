/** TensorFlow 1's bilinear resize along a row and between two, in WebAssembly: it rounds to float32 in each step by itself. */
import {
  add,
  again,
  func,
  i32,
  increase,
  type Local,
  load,
  loadByte,
  mul,
  set,
  shiftLeft,
  store,
  sub,
  unequal,
} from "../wasm/code.ts";

/** Bytes of a place along a row: its two neighbours as i32, counted in bytes, and the share of the higher one as f32. */
export const placeBytes = 12;

/**
 * (image, places, end, levels, out, channels): each value of a row, by the bytes of its two neighbours from `image` on.
 * `levels` says what a byte counts as.
 */
export const resizeRow = func("resize_row", 6, ([image, places, end, levels, out, channels], scope) => {
  const [left, right, last] = scope.some("i32");
  const [low, along] = scope.some("f32");
  const level = (at: Local<"i32">) => load("f32", add(levels, shiftLeft(loadByte(at), i32(2))));
  return [
    again(unequal(places, end), [
      set(left, add(image, load("i32", places))),
      set(right, add(image, load("i32", places, 4))),
      set(along, load("f32", places, 8)),
      set(last, add(left, channels)),
      again(unequal(left, last), [
        set(low, level(left)),
        store(out, add(low, mul(sub(level(right), low), along))),
        increase(left, i32(1)),
        increase(right, i32(1)),
        increase(out, i32(4)),
      ]),
      increase(places, i32(placeBytes)),
    ]),
  ];
});

/**
 * (above, below, scale, means, out, end): between two rows of floats, by the share of the lower one at `scale`; then minus
 * the mean of the channel, times the factor behind that share.
 */
export const blendRows = func("blend_rows", 6, ([above, below, scale, means, out, end], scope) => {
  const [down, factor, value] = scope.some("f32");
  return [
    set(down, load("f32", scale)),
    set(factor, load("f32", scale, 4)),
    again(unequal(out, end), [
      set(value, load("f32", above)),
      set(value, add(value, mul(sub(load("f32", below), value), down))),
      store(out, mul(sub(value, load("f32", means)), factor)),
      increase(above, i32(4)),
      increase(below, i32(4)),
      increase(means, i32(4)),
      increase(out, i32(4)),
    ]),
  ];
});
