/**
 * Deterministic numbers that every language can reproduce bit for bit: the stream behind the untrained ("seeded")
 * weights and behind the inputs of the reference cases.
 *
 * The u32 stream of a name starts at FNV-1a of its UTF-8 bytes; element i is lowbias32(h0 + i * 0x9e3779b9). A unit is
 * (u32 >> 8) * 2^-23 - 1, in [-1, 1) and exact in float32.
 */
import { type Shape, sizeOf } from "./tensor.ts";

function fnv1a(name: string): number {
  let h = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) h = Math.imul(h ^ byte, 0x01000193);
  return h >>> 0;
}

/** Element `i` of the u32 stream that starts at `start`. */
function seededBits(start: number, i: number): number {
  let x = (start + Math.imul(i, 0x9e3779b9)) | 0;
  x ^= x >>> 16;
  x = Math.imul(x, 0x7feb352d);
  x ^= x >>> 15;
  x = Math.imul(x, 0x846ca68b);
  x ^= x >>> 16;
  return x >>> 0;
}

/** The first `count` units of the stream called `name`, each in [-1, 1). */
export function seededUnits(name: string, count: number): Float32Array {
  const start = fnv1a(name);
  const units = new Float32Array(count);
  for (let i = 0; i < count; i++) units[i] = (seededBits(start, i) >>> 8) * 2 ** -23 - 1;
  return units;
}

/** Draws from the stream called `name`, one after the other, each in [0, 1): in place of Math.random. */
export function seededRandom(name: string): () => number {
  const start = fnv1a(name);
  let i = 0;
  return () => seededBits(start, i++) * 2 ** -32;
}

/** `offset + bound * unit(i)`, computed in float64 and rounded once to float32. */
export function seededTensor(name: string, shape: Shape, bound = 1, offset = 0): Float32Array {
  const values = seededUnits(name, sizeOf(shape));
  for (let i = 0; i < values.length; i++) values[i] = offset + bound * values[i];
  return values;
}

/**
 * The untrained value of a TF-Slim variable, chosen by the last part of its name; `undefined` for moving statistics,
 * which are measured and stored instead of drawn.
 */
export function seededVariable(name: string, shape: Shape): Float32Array | undefined {
  switch (name.slice(name.lastIndexOf("/") + 1)) {
    case "depthwise_weights":
      return seededTensor(name, shape, Math.sqrt(6 / (shape[0] * shape[1])));
    case "weights":
    case "pointwise_weights":
      return seededTensor(name, shape, Math.sqrt(6 / sizeOf(shape.slice(0, -1))));
    case "biases":
    case "beta":
      return seededTensor(name, shape, 0.1);
    case "gamma":
      return seededTensor(name, shape, 0.1, 1);
    default:
      return undefined;
  }
}
