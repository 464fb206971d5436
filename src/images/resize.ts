/**
 * Resizing as the two tools did that this one succeeds. An image library's own resize is never the same.
 */

/** Interleaved values with their size. */
export interface Plane<T extends ArrayLike<number>> {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: T;
}

const f = Math.fround;

/** What becomes of a value at last: (value - mean of its channel) * factor, each step rounded to float32. */
export interface Scaling {
  readonly means: readonly number[];
  readonly factor: number;
}

export const unscaled: Scaling = { means: [0, 0, 0], factor: 1 };

/** A part of an image, in pixels. */
export interface Region {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

export const wholeOf = ({ height, width }: { readonly height: number; readonly width: number }): Region => ({
  top: 0,
  left: 0,
  height,
  width,
});

interface LegacyAxis {
  /** Where the two neighbours of each output lie, counted in values. */
  readonly low: Int32Array;
  readonly high: Int32Array;
  /** The share of the higher one. */
  readonly t: Float32Array;
}

/** `count` outputs from `first` on, of the `size` that `limit` places are resized to, these `step` values apart. */
function legacyAxis(size: number, limit: number, step: number, first: number, count: number): LegacyAxis {
  const scale = f(limit / size);
  const axis = { low: new Int32Array(count), high: new Int32Array(count), t: new Float32Array(count) };
  for (let i = 0; i < count; i++) {
    const at = f((first + i) * scale);
    const low = Math.floor(at);
    axis.low[i] = low * step;
    axis.high[i] = Math.min(Math.ceil(at), limit - 1) * step;
    axis.t[i] = f(at - low);
  }
  return axis;
}

/**
 * TensorFlow 1's resize_bilinear by default: no half-pixel centres, no antialiasing, every step rounded to float32, so
 * that the bits are the same (tensorflow/core/kernels/image/resize_bilinear_op.cc). `levels` says what a byte counts as;
 * the result is scaled as it is written, since another walk over it would cost as much as the resizing. The part `source`
 * of the image is resized to `size`, of which only the part `wanted` is computed and given.
 */
export function resizeLegacyBilinear(
  image: Plane<Uint8Array | Uint16Array>,
  size: { readonly height: number; readonly width: number },
  levels: Float32Array,
  { means, factor }: Scaling,
  source: Region = wholeOf(image),
  wanted: Region = wholeOf(size),
): Plane<Float32Array> {
  const { channels, data } = image;
  const { height, width } = wanted;
  const rowLength = image.width * channels;
  const start = source.top * rowLength + source.left * channels;
  const rows = legacyAxis(size.height, source.height, rowLength, wanted.top, height);
  const cols = legacyAxis(size.width, source.width, channels, wanted.left, width);
  const out = new Float32Array(height * width * channels);
  const rowMeans = Float32Array.from({ length: width * channels }, (_, i) => means[i % channels]);
  // Each row of the image that is needed is resized along its width once, and kept while the next outputs use it too.
  let above = { row: -1, values: new Float32Array(width * channels) };
  let below = { row: -1, values: new Float32Array(width * channels) };
  for (let y = 0; y < height; y++) {
    if (above.row !== rows.low[y]) [above, below] = [below, above];
    if (above.row !== rows.low[y]) {
      above.row = rows.low[y];
      legacyRow(data, start + above.row, cols, channels, levels, above.values);
    }
    if (below.row !== rows.high[y]) {
      below.row = rows.high[y];
      if (below.row === above.row) below.values.set(above.values);
      else legacyRow(data, start + below.row, cols, channels, levels, below.values);
    }
    const row = out.subarray(y * rowMeans.length, (y + 1) * rowMeans.length);
    blend(above.values, below.values, rows.t[y], rowMeans, factor, row);
  }
  return { width, height, channels, data: out };
}

/** One row along its width. */
function legacyRow(
  data: Uint8Array | Uint16Array,
  start: number,
  { low, high, t }: LegacyAxis,
  channels: number,
  levels: Float32Array,
  out: Float32Array,
): void {
  let at = 0;
  for (let x = 0; x < low.length; x++) {
    const left = start + low[x];
    const right = start + high[x];
    const along = t[x];
    for (let c = 0; c < channels; c++) {
      const l = levels[data[left + c]];
      out[at++] = l + f(f(levels[data[right + c]] - l) * along);
    }
  }
}

/** Between two rows, and scaled. */
function blend(
  above: Float32Array,
  below: Float32Array,
  down: number,
  means: Float32Array,
  factor: number,
  out: Float32Array,
): void {
  for (let i = 0; i < out.length; i++) {
    const value = f(above[i] + f(f(below[i] - above[i]) * down));
    out[i] = f(value - means[i]) * factor;
  }
}

/** Fraction bits of Pillow's fixed-point weights. */
const precision = 22;

interface Taps {
  readonly first: number;
  readonly weights: Int32Array;
}

/** Pillow's weights of a triangle filter that widens with the scale (precompute_coeffs in Resample.c). */
function pillowAxis(size: number, limit: number): Taps[] {
  const scale = limit / size;
  const support = Math.max(scale, 1);
  return Array.from({ length: size }, (_, i) => {
    const center = (i + 0.5) * scale;
    const first = Math.max(Math.trunc(center - support + 0.5), 0);
    const end = Math.min(Math.trunc(center + support + 0.5), limit);
    const shares = Array.from({ length: end - first }, (_, k) =>
      Math.max(0, 1 - Math.abs((k + first - center + 0.5) / support)),
    );
    const sum = shares.reduce((a, b) => a + b, 0);
    return { first, weights: Int32Array.from(shares, (s) => Math.trunc(0.5 + (s / sum) * 2 ** precision)) };
  });
}

/** One pass along an axis: `step` between neighbours on it, each of `lines` starting at `start(line)`. */
function pillowPass(
  data: Uint8Array,
  axis: readonly Taps[],
  lines: number,
  from: { start: (line: number) => number; step: number },
  to: { start: (line: number) => number; step: number },
  out: Uint8Array,
): Uint8Array {
  for (let line = 0; line < lines; line++) {
    const source = from.start(line);
    const target = to.start(line);
    axis.forEach(({ first, weights }, i) => {
      let sum = 2 ** (precision - 1);
      for (let k = 0; k < weights.length; k++) sum += data[source + (first + k) * from.step] * weights[k];
      out[target + i * to.step] = Math.min(Math.floor(sum / 2 ** precision), 255);
    });
  }
  return out;
}

/** The width of every row changed. A line is one channel of one row. */
function pillowColumns(image: Plane<Uint8Array>, width: number): Plane<Uint8Array> {
  const { channels, height } = image;
  if (width === image.width) return image;
  const start = (rowLength: number) => (line: number) =>
    Math.floor(line / channels) * rowLength * channels + (line % channels);
  const data = pillowPass(
    image.data,
    pillowAxis(width, image.width),
    height * channels,
    { start: start(image.width), step: channels },
    { start: start(width), step: channels },
    new Uint8Array(height * width * channels),
  );
  return { width, height, channels, data };
}

/** The height of every column changed. A line is one channel of one column. */
function pillowRows(image: Plane<Uint8Array>, height: number): Plane<Uint8Array> {
  const { channels, width } = image;
  if (height === image.height) return image;
  const along = { start: (line: number) => line, step: width * channels };
  const data = pillowPass(
    image.data,
    pillowAxis(height, image.height),
    width * channels,
    along,
    along,
    new Uint8Array(height * width * channels),
  );
  return { width, height, channels, data };
}

/**
 * Pillow's BILINEAR on bytes, as scipy's imresize called it: antialiased, fixed point, rounded to bytes between its two
 * passes (ImagingResample in Pillow's Resample.c). Pillow 13 begins with the rows where that leaves out more than twice
 * as many lines, a rule found by trying thousands of sizes; versions to 12 always began with the columns, which differs
 * by at most one level.
 */
export function resizePillowBilinear(
  image: Plane<Uint8Array>,
  height: number,
  width: number,
): Plane<Uint8Array> {
  const fewer = { rows: image.height - height, columns: image.width - width };
  const rowsFirst = fewer.rows > 0 && fewer.rows > 2 * fewer.columns;
  return rowsFirst
    ? pillowColumns(pillowRows(image, height), width)
    : pillowRows(pillowColumns(image, width), height);
}
