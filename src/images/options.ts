/** What decoding leaves to its user. */
import type { JpegMethod } from "./jpeg.ts";

export type ExifRule = "auto" | "ignore";

/** How the images of a list are ordered: sorted by name, each once, or as the list has them. */
export const listOrders = ["name", "list"] as const;
export type ListOrder = (typeof listOrders)[number];

export interface DecodeOptions {
  /** Turn the pixels upright by EXIF (auto) or leave them as stored (ignore, as TensorFlow does). */
  readonly exif?: ExifRule;
  /** Apply ICC profiles, which TensorFlow ignores. */
  readonly icc?: boolean;
  /** What shows through transparent pixels; without it alpha is dropped, as in TensorFlow. */
  readonly background?: readonly [red: number, green: number, blue: number];
  /** Larger images are refused before they are decoded. */
  readonly maxPixels?: number;
  /** How JPEG is decoded; `jpegMethodFor` says what suits when it is left out. */
  readonly jpeg?: JpegMethod;
}
