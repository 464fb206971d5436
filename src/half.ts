/** Half precision (IEEE 754 binary16) as the bits of it. */

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The largest number of half precision. */
export const mostHalf = 65504;

/** The bits of a float32 as those of half precision, rounded to nearest, ties to even; what is too large becomes infinity. */
function halfOf(b: number): number {
  const sign = (b >>> 16) & 0x8000;
  const magnitude = b & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Below the smallest normal half, in units of 2^-24: the addition rounds as the hardware does.
    bits[0] = magnitude;
    float[0] += 0.5;
    return sign | (bits[0] - 0x3f000000);
  }
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

/** float32 to the bits of half precision. */
export function toHalf(value: number): number {
  float[0] = value;
  return halfOf(bits[0]);
}

/** All of `values` in half precision. */
export function toHalves(values: Float32Array): Uint16Array {
  const from = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < halves.length; i++) halves[i] = halfOf(from[i]);
  return halves;
}

/** The bits of half precision as a number. */
export function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
