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

interface LegacyAxis {
  /** Where the two neighbours of each output lie, counted in values. */
  readonly low: Int32Array;
  readonly high: Int32Array;
  /** The share of the higher one. */
  readonly t: Float32Array;
}

/** The neighbours along an axis of `limit` places, `step` values apart. */
function legacyAxis(size: number, limit: number, step: number): LegacyAxis {
  const scale = f(limit / size);
  const axis = { low: new Int32Array(size), high: new Int32Array(size), t: new Float32Array(size) };
  for (let i = 0; i < size; i++) {
    const at = f(i * scale);
    const low = Math.floor(at);
    axis.low[i] = low * step;
    axis.high[i] = Math.min(Math.ceil(at), limit - 1) * step;
    axis.t[i] = f(at - low);
  }
  return axis;
}

/**
 * TensorFlow 1's resize_bilinear by default: no half-pixel centres, no antialiasing, every step rounded to float32, so
 * that the bits are the same (tensorflow/core/kernels/image/resize_bilinear_op.cc). `levels` says what a byte counts as.
 */
export function resizeLegacyBilinear(
  image: Plane<Uint8Array | Uint16Array>,
  height: number,
  width: number,
  levels: Float32Array,
): Plane<Float32Array> {
  const { channels, data } = image;
  if (height === image.height && width === image.width) return toLevels(image, levels);
  const rows = legacyAxis(height, image.height, image.width * channels);
  const cols = legacyAxis(width, image.width, channels);
  const out = new Float32Array(height * width * channels);
  let at = 0;
  for (let y = 0; y < height; y++) {
    const above = rows.low[y];
    const below = rows.high[y];
    const down = rows.t[y];
    for (let x = 0; x < width; x++) {
      const left = cols.low[x];
      const right = cols.high[x];
      const along = cols.t[x];
      for (let c = 0; c < channels; c++) {
        const tl = levels[data[above + left + c]];
        const tr = levels[data[above + right + c]];
        const bl = levels[data[below + left + c]];
        const br = levels[data[below + right + c]];
        const top = f(tl + f(f(tr - tl) * along));
        const bottom = f(bl + f(f(br - bl) * along));
        out[at++] = f(top + f(f(bottom - top) * down));
      }
    }
  }
  return { width, height, channels, data: out };
}

/** Every byte as what it counts as. */
export function toLevels(image: Plane<Uint8Array | Uint16Array>, levels: Float32Array): Plane<Float32Array> {
  const data = new Float32Array(image.data.length);
  for (let i = 0; i < data.length; i++) data[i] = levels[image.data[i]];
  return { ...image, data };
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
