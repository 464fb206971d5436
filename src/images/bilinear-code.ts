/** TensorFlow 1's bilinear resize along a row and between two, in WebAssembly: it rounds to float32 in each step by itself. */
import {
  add,
  again,
  func,
  i32,
  increase,
  type Local,
  less,
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
 * (image, places, end, levels, out): each value of a row with so many channels, by the bytes of its two neighbours from `image`
 * on. `levels` says what a byte counts as.
 */
export const resizeRow = (channels: number) =>
  func(`resize_row_${channels}`, 5, ([image, places, end, levels, out], scope) => {
    const [left, right] = scope.some("i32");
    const [low, along] = scope.some("f32");
    const level = (at: Local<"i32">, c: number) =>
      load("f32", add(levels, shiftLeft(loadByte(at, c), i32(2))));
    const channel = (c: number) => [
      set(low, level(left, c)),
      store(out, add(low, mul(sub(level(right, c), low), along)), 4 * c),
    ];
    return [
      again(unequal(places, end), [
        set(left, add(image, load("i32", places))),
        set(right, add(image, load("i32", places, 4))),
        set(along, load("f32", places, 8)),
        ...Array.from({ length: channels }, (_, c) => channel(c)).flat(),
        increase(out, i32(4 * channels)),
        increase(places, i32(placeBytes)),
      ]),
    ];
  });

/** Bytes that a turn of `blendRows` writes. */
export const turnBytes = 16;

/**
 * (above, below, scale, means, out, end): between two rows of floats, by the share of the lower one at `scale`; then minus
 * the mean of the channel, times the factor behind that share. Whole turns are written, the last of them beyond `end`.
 */
export const blendRows = func("blend_rows", 6, ([above, below, scale, means, out, end], scope) => {
  const [down, factor, value] = scope.some("f32");
  const one = (at: number) => [
    set(value, load("f32", above, at)),
    set(value, add(value, mul(sub(load("f32", below, at), value), down))),
    store(out, mul(sub(value, load("f32", means, at)), factor), at),
  ];
  return [
    set(down, load("f32", scale)),
    set(factor, load("f32", scale, 4)),
    again(less(out, end), [
      ...[0, 4, 8, 12].flatMap(one),
      ...[above, below, means, out].map((at) => increase(at, i32(turnBytes))),
    ]),
  ];
});
