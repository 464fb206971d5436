/** Features in fewer bits, and what that costs. */

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

const toHalves = (feature: Float32Array): Uint16Array =>
  Uint16Array.from(feature, (v) => toHalf(Math.abs(v) > mostHalf ? Math.sign(v) * mostHalf : v));

const eighths = (feature: Float32Array, scale: number): Int8Array =>
  Int8Array.from(feature, (v) => Math.max(-127, Math.min(127, Math.round(v / scale))));

/**
 * How to store features as `dtype`. The lossy ones look at all `features` first: for the scale of int8 (its 127 is the
 * largest magnitude there is), and to tell the cost.
 */
export async function encoderFor(
  dtype: FeatureDtype,
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
        if (Math.abs(v) > mostHalf) saturated++;
        else maxError = Math.max(maxError, Math.abs(v - fromHalf(toHalf(v))));
      }
    }
    return { cost: { maxError, saturated }, rows: rows((feature) => bytesOf(toHalves(feature))) };
  }
  for await (const feature of features()) for (const v of feature) largest = Math.max(largest, Math.abs(v));
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
