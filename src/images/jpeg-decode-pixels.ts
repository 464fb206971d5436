/**
 * Coefficients of a JPEG to pixels, as libjpeg-turbo does it where speed is asked for: the transform of jidctfst.c, the smooth
 * upsampling of jdsample.c, the colours of jdcolor.c. Numbers have the 16 bits of its vector code, which matters in damaged files.
 */

/** What the transform multiplies the coefficients of each row and column by: 16384 cos(k pi / 16) sqrt(2), 16384 for k = 0. */
const scales = Array.from({ length: 8 }, (_, k) => (k === 0 ? 1 : Math.SQRT2 * Math.cos((k * Math.PI) / 16)));

/** A table of quantisation, in places and not in a file's order, for `transform`. */
export const factorsOf = (table: Uint16Array): Int16Array =>
  Int16Array.from(table, (value, i) => {
    const scale = Math.round(scales[i >> 3] * scales[i & 7] * 16384);
    return (value * scale + 2048) / 4096;
  });

/** Factors of 8 bits behind the point, in front of a multiplication of which the upper 16 bits are kept. */
const [f1_414, f1_847, f1_082, f1_613] = [362 << 6, 473 << 6, 277 << 6, 413 << 6];

const half = new Int16Array(64);

/** A sample of the transform's sum, to be stored where bytes are clamped. */
const sampleOf = (sum: number) => ((sum << 16) >> 21) + 128;

/** One block: its samples into `to` from `at`, in rows of `stride`. `last` is the last coefficient that may not be 0. */
export function transform(
  block: Int16Array,
  factors: Int16Array,
  to: Uint8ClampedArray,
  at: number,
  stride: number,
  last: number,
): void {
  if (last === 0) {
    const sample = sampleOf(Math.imul(block[0], factors[0]));
    for (let y = 0; y < 8; y++) to.fill(sample, at + y * stride, at + y * stride + 8);
    return;
  }
  for (let x = 0; x < 8; x++) {
    const d0 = (Math.imul(block[x], factors[x]) << 16) >> 16;
    const d1 = (Math.imul(block[x + 8], factors[x + 8]) << 16) >> 16;
    const d2 = (Math.imul(block[x + 16], factors[x + 16]) << 16) >> 16;
    const d3 = (Math.imul(block[x + 24], factors[x + 24]) << 16) >> 16;
    const d4 = (Math.imul(block[x + 32], factors[x + 32]) << 16) >> 16;
    const d5 = (Math.imul(block[x + 40], factors[x + 40]) << 16) >> 16;
    const d6 = (Math.imul(block[x + 48], factors[x + 48]) << 16) >> 16;
    const d7 = (Math.imul(block[x + 56], factors[x + 56]) << 16) >> 16;
    const sum = d2 + d6;
    const e12 = (((((d2 - d6) << 18) >> 16) * f1_414) >> 16) - sum;
    const e0 = d0 + d4 + sum;
    const e3 = d0 + d4 - sum;
    const e1 = d0 - d4 + e12;
    const e2 = d0 - d4 - e12;
    const z10 = d5 - d3;
    const z12 = d1 - d7;
    const z11 = d1 + d7;
    const z13 = d5 + d3;
    const z5 = ((((z10 + z12) << 18) >> 16) * f1_847) >> 16;
    const o7 = z11 + z13;
    const o6 = ((((z10 << 18) >> 16) * -f1_613) >> 16) - z10 + z5 - o7;
    const o5 = (((((z11 - z13) << 18) >> 16) * f1_414) >> 16) - o6;
    const o4 = ((((z12 << 18) >> 16) * f1_082) >> 16) - z5 + o5;
    half[x] = e0 + o7;
    half[x + 56] = e0 - o7;
    half[x + 8] = e1 + o6;
    half[x + 48] = e1 - o6;
    half[x + 16] = e2 + o5;
    half[x + 40] = e2 - o5;
    half[x + 32] = e3 + o4;
    half[x + 24] = e3 - o4;
  }
  for (let y = 0; y < 64; y += 8, at += stride) {
    const d0 = half[y];
    const d4 = half[y + 4];
    const sum = half[y + 2] + half[y + 6];
    const e12 = (((((half[y + 2] - half[y + 6]) << 18) >> 16) * f1_414) >> 16) - sum;
    const e0 = d0 + d4 + sum;
    const e3 = d0 + d4 - sum;
    const e1 = d0 - d4 + e12;
    const e2 = d0 - d4 - e12;
    const z10 = half[y + 5] - half[y + 3];
    const z12 = half[y + 1] - half[y + 7];
    const z11 = half[y + 1] + half[y + 7];
    const z13 = half[y + 5] + half[y + 3];
    const z5 = ((((z10 + z12) << 18) >> 16) * f1_847) >> 16;
    const o7 = z11 + z13;
    const o6 = ((((z10 << 18) >> 16) * -f1_613) >> 16) - z10 + z5 - o7;
    const o5 = (((((z11 - z13) << 18) >> 16) * f1_414) >> 16) - o6;
    const o4 = ((((z12 << 18) >> 16) * f1_082) >> 16) - z5 + o5;
    to[at] = sampleOf(e0 + o7);
    to[at + 7] = sampleOf(e0 - o7);
    to[at + 1] = sampleOf(e1 + o6);
    to[at + 6] = sampleOf(e1 - o6);
    to[at + 2] = sampleOf(e2 + o5);
    to[at + 5] = sampleOf(e2 - o5);
    to[at + 4] = sampleOf(e3 + o4);
    to[at + 3] = sampleOf(e3 - o4);
  }
}

/** The samples of a component. */
export interface Plane {
  readonly samples: Uint8ClampedArray;
  readonly stride: number;
  /** What of it is part of the picture. */
  readonly width: number;
  readonly height: number;
}

/** A row of a component, as wide as the picture, or a sample more. */
type Row = (y: number) => Uint8Array | Uint8ClampedArray;

/** Rows of a component that has a sample for `across` by `down` pixels. */
function rowsOf({ samples, stride, width, height }: Plane, across: number, down: number): Row {
  const row = (y: number) => samples.subarray(y * stride, y * stride + width);
  if (across === 1 && down === 1) return row;
  // Narrow ones are only repeated.
  const smooth = across === 1 || width > 2;
  const sums = new Int32Array(width);
  const out = new Uint8Array(across * width);
  return (y) => {
    const own = row(Math.floor(y / down));
    if (!smooth) {
      for (let x = 0; x < out.length; x++) out[x] = own[x >> 1];
      return out;
    }
    const odd = y % 2 === 1;
    if (down === 2) {
      const near = row(Math.min(height - 1, Math.max(0, (y >> 1) + (odd ? 1 : -1))));
      for (let x = 0; x < width; x++) sums[x] = 3 * own[x] + near[x];
      if (across === 1) {
        for (let x = 0; x < width; x++) out[x] = (sums[x] + (odd ? 2 : 1)) >> 2;
        return out;
      }
    } else for (let x = 0; x < width; x++) sums[x] = own[x];
    const [left, right, shift] = down === 2 ? [8, 7, 4] : [1, 2, 2];
    const end = width - 1;
    // Alone at the edges, where the rounding of either side is that of its place.
    out[0] = (4 * sums[0] + left) >> shift;
    out[1] = (3 * sums[0] + sums[1] + right) >> shift;
    for (let x = 1; x < end; x++) {
      const own = 3 * sums[x];
      out[2 * x] = (own + sums[x - 1] + left) >> shift;
      out[2 * x + 1] = (own + sums[x + 1] + right) >> shift;
    }
    out[2 * end] = (3 * sums[end] + sums[end - 1] + left) >> shift;
    out[2 * end + 1] = (4 * sums[end] + right) >> shift;
    return out;
  };
}

/** What the two colours add to red, green (16 bits behind the point, to be added up) and blue. */
const reds = Int16Array.from({ length: 256 }, (_, i) => (91881 * (i - 128) + 32768) >> 16);
const blues = Int16Array.from({ length: 256 }, (_, i) => (116130 * (i - 128) + 32768) >> 16);
const greensOfRed = Int32Array.from({ length: 256 }, (_, i) => -46802 * (i - 128));
const greensOfBlue = Int32Array.from({ length: 256 }, (_, i) => -22554 * (i - 128) + 32768);

/**
 * The pixels of planes into `data`, RGB interleaved: grey of one plane; of three, where the others have a sample for `across` by
 * `down` pixels.
 */
export function toPixels(
  planes: readonly Plane[],
  { across, down, rgb }: { readonly across: number; readonly down: number; readonly rgb: boolean },
  data: Uint8ClampedArray,
): void {
  const { width, height } = planes[0];
  const rows = planes.map((plane, i) => (i === 0 ? rowsOf(plane, 1, 1) : rowsOf(plane, across, down)));
  let to = 0;
  for (let y = 0; y < height; y++) {
    const [first, second, third] = rows.map((row) => row(y));
    for (let x = 0; x < width; x++, to += 3) {
      const value = first[x];
      if (!second) data[to] = data[to + 1] = data[to + 2] = value;
      else if (rgb) {
        data[to] = value;
        data[to + 1] = second[x];
        data[to + 2] = third[x];
      } else {
        data[to] = value + reds[third[x]];
        data[to + 1] = value + ((greensOfBlue[second[x]] + greensOfRed[third[x]]) >> 16);
        data[to + 2] = value + blues[second[x]];
      }
    }
  }
}
