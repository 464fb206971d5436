/**
 * Keys of tensor slices: numbers and strings encoded so that their bytes sort like their values
 * (tensorflow/core/lib/strings/ordered_code.cc, EncodeTensorNameSlice in saved_tensor_slice_util.cc).
 */
import { bytesOfUtf8 } from "../bytes.ts";
import type { Extent } from "./proto.ts";

/** Unsigned: the count of bytes, then the bytes, largest first. */
function encodeUnsigned(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [bytes.length, ...bytes];
}

/** Signed: n bytes hold 7n - 1 bits; the first bits count the bytes, and are inverted for negative numbers. */
export function encodeSigned(value: number): number[] {
  const big = BigInt(value);
  let length = 1;
  while (big < -(1n << BigInt(7 * length - 1)) || big >= 1n << BigInt(7 * length - 1)) length++;
  const bytes: number[] = [];
  for (let i = length - 1; i >= 0; i--) bytes.push(Number((big >> BigInt(8 * i)) & 0xffn));
  // The header is a run of `length` ones from the top, crossed with the sign-extended number.
  for (let bit = 0; bit < length; bit++) bytes[bit >> 3] ^= 0x80 >> (bit & 7);
  return bytes;
}

/** A name with its zeros and 255s escaped and its end marked. */
function encodeString(bytes: Uint8Array): number[] {
  const out: number[] = [];
  for (const b of bytes) {
    out.push(b);
    if (b === 0) out.push(0xff);
    else if (b === 0xff) out.push(0);
  }
  return [...out, 0, 1];
}

/** The key under which a slice of a tensor is stored. */
export function sliceKey(name: string, slice: readonly Extent[]): Uint8Array {
  return Uint8Array.from([
    ...encodeUnsigned(0),
    ...encodeString(bytesOfUtf8(name)),
    ...encodeUnsigned(slice.length),
    ...slice.flatMap(({ start, length }) => [...encodeSigned(start), ...encodeSigned(length)]),
  ]);
}
