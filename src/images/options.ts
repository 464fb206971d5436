/** By which method JPEG is decoded. */
import { UsageError } from "../errors.ts";
import type { DecodeOptions, Decoder, JpegMethod } from "../platform/decoder.ts";

export const jpegMethods = ["fast", "accurate"] as const satisfies readonly JpegMethod[];

/** A platform, and whether it has a fast decoder. */
export type JpegPlatform = Pick<Decoder, "platform"> & { readonly fastJpeg?: unknown };

/**
 * The method by which JPEG is decoded where none is asked for: TensorFlow's, the fast one. Profiles are applied by the
 * accurate decoder alone; and where there is no fast one for this platform, it decodes all.
 * @throws UsageError when the fast method is asked for and cannot be had.
 */
export function jpegMethodFor(
  { jpeg, icc }: Pick<DecodeOptions, "jpeg" | "icc">,
  { fastJpeg, platform }: JpegPlatform,
): JpegMethod {
  if (jpeg !== "fast") return jpeg ?? (fastJpeg && !icc ? "fast" : "accurate");
  const hint = "Leave out --jpeg fast, or ask for --jpeg accurate.";
  if (icc) throw new UsageError("The fast JPEG decoder applies no ICC profiles.", hint);
  if (fastJpeg) return jpeg;
  throw new UsageError(`There is no fast JPEG decoder for ${platform}.`, hint);
}
