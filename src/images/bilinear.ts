/**
 * TensorFlow 1's bilinear resize, bit for bit. An image library's own resize is never the same.
 */
import { placeBytes } from "./bilinear-code.ts";
import { machine, place } from "./machine.ts";
import { type Plane, type Region, wholeOf } from "./resize.ts";

const f = Math.fround;

/** What becomes of a value at last: (value - mean of its channel) * factor, each step rounded to float32. */
export interface Scaling {
  readonly means: readonly number[];
  readonly factor: number;
}

export const unscaled: Scaling = { means: [0, 0, 0], factor: 1 };

interface Axis {
  /** The two neighbours of each output. */
  readonly low: Int32Array;
  readonly high: Int32Array;
  /** The share of the higher one. */
  readonly t: Float32Array;
}

/** `count` outputs from `first` on, of the `size` that `limit` places are resized to. */
function axisOf(size: number, limit: number, first: number, count: number): Axis {
  const scale = f(limit / size);
  const axis = { low: new Int32Array(count), high: new Int32Array(count), t: new Float32Array(count) };
  for (let i = 0; i < count; i++) {
    const at = f((first + i) * scale);
    axis.low[i] = Math.floor(at);
    axis.high[i] = Math.min(Math.ceil(at), limit - 1);
    axis.t[i] = f(at - axis.low[i]);
  }
  return axis;
}

const stripBytes = 2 ** 18;

/**
 * TensorFlow 1's resize_bilinear by default: no half-pixel centres, no antialiasing, every step rounded to float32, so
 * that the bits are the same (tensorflow/core/kernels/image/resize_bilinear_op.cc). The result is [height, width, channels]. `levels` says what each of 256 bytes
 * counts as; the result is scaled as it is written. The part `source` of the image is resized to `size`, of which only the
 * part `wanted` is computed and given, in `out` where that is there.
 */
export function resizeLegacyBilinear(
  image: Plane<Uint8Array>,
  size: { readonly height: number; readonly width: number },
  levels: Float32Array,
  { means, factor }: Scaling,
  source: Region = wholeOf(image),
  wanted: Region = wholeOf(size),
  out: Float32Array = new Float32Array(wanted.height * wanted.width * image.channels),
): Float32Array {
  const { channels, data } = image;
  const { height, width } = wanted;
  const values = width * channels;
  const rows = axisOf(size.height, source.height, wanted.top, height);
  const cols = axisOf(size.width, source.width, wanted.left, width);
  const { memory, blendRows, resizeRow } = machine();
  const resizeOne = resizeRow(channels);
  const rowBytes = image.width * channels;
  // Pixels that a decoder put elsewhere are copied, in strips: a copy takes longer to begin than a row takes. Where most rows
  // are passed over, each on its own.
  const there = data.buffer === memory.buffer;
  const inStrip = source.height > 4 * size.height ? 1 : Math.max(1, Math.floor(stripBytes / rowBytes));
  const outStrip = Math.max(1, Math.floor(stripBytes / (4 * values)));
  const [atLevels, atScale, atPlaces, atMeans, first, second, atResult, atRows] = place([
    4 * 256,
    8,
    placeBytes * width,
    4 * values,
    4 * values,
    4 * values,
    4 * values * outStrip,
    there ? 0 : rowBytes * inStrip + 8,
  ]);
  const floats = new Float32Array(memory.buffer);
  const numbers = new Int32Array(memory.buffer);
  const bytes = new Uint8Array(memory.buffer);
  floats.set(levels, atLevels / 4);
  floats[atScale / 4 + 1] = factor;
  for (let x = 0, at = atPlaces / 4; x < width; x++) {
    numbers[at++] = cols.low[x] * channels;
    numbers[at++] = cols.high[x] * channels;
    floats[at++] = cols.t[x];
  }
  for (let i = 0; i < values; i++) floats[atMeans / 4 + i] = means[i % channels];

  let copied = -inStrip;
  let atCopied = 0;
  const resized = (y: number, at: number): void => {
    const row = source.top + y;
    if (!there && (row < copied || row >= copied + inStrip)) {
      copied = row;
      const strip = data.subarray(row * rowBytes, Math.min(row + inStrip, image.height) * rowBytes);
      // Into shared memory, eight bytes are copied at once where both ends lie alike.
      atCopied = atRows + (strip.byteOffset % 8);
      bytes.set(strip, atCopied);
    }
    const atRow = there ? data.byteOffset + row * rowBytes : atCopied + (row - copied) * rowBytes;
    resizeOne(atRow + source.left * channels, atPlaces, atPlaces + placeBytes * width, atLevels, at);
  };
  // Each row of the image that is needed is resized along its width once, and kept while the next outputs use it too.
  let above = { y: -1, at: first };
  let below = { y: -1, at: second };
  for (let y = 0; y < height; y++) {
    if (above.y !== rows.low[y]) [above, below] = [below, above];
    if (above.y !== rows.low[y]) {
      above.y = rows.low[y];
      resized(above.y, above.at);
    }
    const same = rows.high[y] === above.y;
    if (!same && below.y !== rows.high[y]) {
      below.y = rows.high[y];
      resized(below.y, below.at);
    }
    floats[atScale / 4] = rows.t[y];
    const to = atResult + 4 * values * (y % outStrip);
    blendRows(above.at, same ? above.at : below.at, atScale, atMeans, to, to + 4 * values);
    if (y % outStrip === outStrip - 1 || y === height - 1) {
      const done = values * ((y % outStrip) + 1);
      const strip = floats.subarray(atResult / 4, atResult / 4 + done);
      out.set(strip, (y + 1) * values - done);
    }
  }
  return out;
}
