/** Numbers of an output: half precision, eight bits, unit length, pooled maps; and what each change costs. */
import { fromHalf } from "../half.ts";
import type { Shape } from "../tensor.ts";
import { sizeOf } from "../tensor.ts";

/** The bytes of values as they lie in memory, without a copy. */
export function bytesOf(values: Float32Array | Uint16Array | Int8Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** `values` divided by their Euclidean length; zeros stay zeros. */
export function unitLength(values: Float32Array): Float32Array {
  let squares = 0;
  for (const v of values) squares += v * v;
  const length = Math.sqrt(squares);
  return length > 0 ? values.map((v) => v / length) : values;
}

/** How a map [height, width, channels] becomes a vector. */
export const pools = ["none", "avg", "max", "gem", "flatten"] as const;
export type Pool = (typeof pools)[number];

/** The exponent of generalised mean pooling, as its paper fixes it (Radenovic et al., 2018). */
const gemPower = 3;

const cellWise: Readonly<Record<"avg" | "max" | "gem", (column: Float64Array) => number>> = {
  avg: (column) => column.reduce((a, b) => a + b, 0) / column.length,
  max: (column) => column.reduce((a, b) => (Number.isNaN(a) || a > b ? a : b)),
  gem: (column) =>
    (column.reduce((a, b) => a + Math.max(b, 1e-6) ** gemPower, 0) / column.length) ** (1 / gemPower),
};

/** The shape that pooling leaves of a feature. Only maps are pooled; vectors stay. */
export function pooledShape(shape: Shape, pool: Pool): Shape {
  if (pool === "flatten") return [sizeOf(shape)];
  if (pool === "none" || shape.length !== 3) return shape;
  return [shape[2]];
}

/** A feature of `shape` [height, width, channels] pooled over its area. */
export function poolMap(values: Float32Array, shape: Shape, pool: Pool): Float32Array {
  if (pool === "none" || pool === "flatten" || shape.length !== 3) return values;
  const [height, width, channels] = shape;
  const out = new Float32Array(channels);
  const column = new Float64Array(height * width);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < column.length; i++) column[i] = values[i * channels + c];
    out[c] = cellWise[pool](column);
  }
  return out;
}

/** A stored row's numbers: half precision widened, eight bits times the scale. */
export function numbersOf(
  { dtype, scale = 1 }: { readonly dtype: "float32" | "float16" | "int8"; readonly scale?: number },
  bytes: Uint8Array,
): Float32Array {
  const own = new Uint8Array(bytes).buffer;
  if (dtype === "float32") return new Float32Array(own);
  if (dtype === "float16") return Float32Array.from(new Uint16Array(own), fromHalf);
  return Float32Array.from(new Int8Array(own), (v) => v * scale);
}

/** The shortest decimal that reads back as the float32 `x`. */
export function shortestFloat32(x: number): string {
  if (Number.isNaN(x)) return "null";
  if (!Number.isFinite(x)) return x < 0 ? "-1e999" : "1e999";
  if (x === 0) return Object.is(x, -0) ? "-0.0" : "0";
  for (let digits = 6; digits < 9; digits++) {
    const rounded = Number(x.toPrecision(digits));
    if (Math.fround(rounded) === x) return String(rounded);
  }
  return String(Number(x.toPrecision(9)));
}
