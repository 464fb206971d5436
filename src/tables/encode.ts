/** Features in fewer bits, and what that costs. */

import { UserError } from "../errors.ts";
import { fromHalf, mostHalf, toHalf } from "../half.ts";
import type { FeatureDtype } from "./formats/table.ts";
import { bytesOf } from "./numbers.ts";

export interface EncodingCost {
  /** The largest difference between a feature's number and what is stored. */
  readonly maxError?: number;
  /** For int8: what a stored number is multiplied by. */
  readonly scale?: number;
  /** Numbers that were too large and are stored as the largest there is. */
  readonly saturated?: number;
}

export interface Encoder {
  /** For int8: what a stored number is multiplied by. */
  readonly scale?: number;
  readonly cost: EncodingCost;
  /** The features' bytes in order; each good until the next is asked for. */
  rows(): AsyncIterable<Uint8Array>;
}

/** Halves have infinities and NaN of their own; numbers that are too large are not made such. */
const saturates = (v: number): boolean => Math.abs(v) > mostHalf && Number.isFinite(v);

const toHalves = (feature: Float32Array): Uint16Array =>
  Uint16Array.from(feature, (v) => toHalf(saturates(v) ? Math.sign(v) * mostHalf : v));

const eighths = (feature: Float32Array, scale: number): Int8Array =>
  Int8Array.from(feature, (v) => Math.max(-127, Math.min(127, Math.round(v / scale))));

/**
 * How to store the features of `paths` as `dtype`. The lossy ones look at all `features` first: for the scale of int8 (its 127 is the
 * largest magnitude there is), and to tell the cost.
 */
export async function encoderFor(
  dtype: FeatureDtype,
  paths: readonly string[],
  features: () => AsyncIterable<Float32Array>,
): Promise<Encoder> {
  const rows = (encode: (feature: Float32Array) => Uint8Array) =>
    async function* (): AsyncGenerator<Uint8Array> {
      for await (const feature of features()) yield encode(feature);
    };
  if (dtype === "float32") return { cost: {}, rows: rows(bytesOf) };
  let [maxError, saturated, largest] = [0, 0, 0];
  if (dtype === "float16") {
    for await (const feature of features()) {
      for (const v of feature) {
        if (saturates(v)) saturated++;
        else if (Number.isFinite(v)) maxError = Math.max(maxError, Math.abs(v - fromHalf(toHalf(v))));
      }
    }
    return { cost: { maxError, saturated }, rows: rows((feature) => bytesOf(toHalves(feature))) };
  }
  let row = 0;
  for await (const feature of features()) {
    for (const v of feature) largest = Math.max(largest, Math.abs(v));
    if (!Number.isFinite(largest)) {
      throw new UserError(
        `The feature of ${paths[row]} is not all numbers, and int8 has no NaN and no infinity.`,
        "Store them as f16 or f32.",
      );
    }
    row++;
  }
  const scale = largest > 0 ? largest / 127 : 1;
  for await (const feature of features()) {
    const stored = eighths(feature, scale);
    for (const [i, v] of feature.entries()) maxError = Math.max(maxError, Math.abs(v - stored[i] * scale));
  }
  return {
    scale,
    cost: { scale, maxError, saturated: 0 },
    rows: rows((feature) => bytesOf(eighths(feature, scale))),
  };
}
