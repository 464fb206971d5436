/**
 * Pillow's resize, with which Compute-Features made its squares, and what images and their parts are called here.
 */

/** Interleaved values with their size. */
export interface Plane<T extends ArrayLike<number>> {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: T;
}

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
