/**
 * TensorFlow 1's bilinear resize, bit for bit. An image library's own resize is never the same.
 */
import { encodeModule, mostPages } from "../wasm/module.ts";
import { blendRows, placeBytes, resizeRow } from "./bilinear-code.ts";
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

type Six = (a: number, b: number, c: number, d: number, e: number, f: number) => void;

interface Machine {
  readonly memory: WebAssembly.Memory;
  readonly resizeRow: Six;
  readonly blendRows: Six;
}

let opened: Machine | undefined;

/** This thread's machine; its memory holds some rows and grows with the widest image. */
function machine(): Machine {
  if (opened) return opened;
  const memory = new WebAssembly.Memory({ initial: 1, maximum: mostPages, shared: true });
  const code = new WebAssembly.Module(encodeModule([resizeRow, blendRows]));
  const { exports } = new WebAssembly.Instance(code, { env: { memory } });
  opened = { memory, resizeRow: exports.resize_row as Six, blendRows: exports.blend_rows as Six };
  return opened;
}

const pageBytes = 65_536;

/** Where pieces of so many bytes begin, one behind the other, in a memory that is made large enough. */
function place(memory: WebAssembly.Memory, sizes: readonly number[]): number[] {
  const starts: number[] = [];
  let end = 0;
  for (const size of sizes) {
    starts.push(end);
    end += 8 * Math.ceil(size / 8);
  }
  const lacking = Math.ceil((end - memory.buffer.byteLength) / pageBytes);
  if (lacking > 0) memory.grow(lacking);
  return starts;
}

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
  const { memory, resizeRow, blendRows } = machine();
  const rowBytes = source.width * channels;
  const [atLevels, atScale, atPlaces, atMeans, atResult, first, second, atRow] = place(memory, [
    ...[4 * 256, 8, placeBytes * width, 4 * values, 4 * values, 4 * values, 4 * values, rowBytes],
  ]);
  const floats = new Float32Array(memory.buffer);
  const numbers = new Int32Array(memory.buffer);
  const row = new Uint8Array(memory.buffer, atRow, rowBytes);
  const result = new Float32Array(memory.buffer, atResult, values);
  floats.set(levels, atLevels / 4);
  floats[atScale / 4 + 1] = factor;
  for (let x = 0, at = atPlaces / 4; x < width; x++) {
    numbers[at++] = cols.low[x] * channels;
    numbers[at++] = cols.high[x] * channels;
    floats[at++] = cols.t[x];
  }
  for (let i = 0; i < values; i++) floats[atMeans / 4 + i] = means[i % channels];

  const resized = (y: number, at: number): void => {
    const start = ((source.top + y) * image.width + source.left) * channels;
    row.set(data.subarray(start, start + rowBytes));
    resizeRow(atRow, atPlaces, atPlaces + placeBytes * width, atLevels, at, channels);
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
    blendRows(above.at, same ? above.at : below.at, atScale, atMeans, atResult, atResult + 4 * values);
    out.set(result, y * values);
  }
  return out;
}
