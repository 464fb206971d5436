/** PNG in a browser, whose own decoder loses what lies under alpha and the lower byte of 16 bits. */
import { darknessOf } from "../images/depth.ts";
import { orientationOf } from "../images/exif.ts";
import { inflate } from "../images/inflate.ts";
import { decodePng } from "../images/png.ts";
import { upright } from "../images/turn.ts";
import type { DecodeOptions, Pixels } from "../platform/decoder.ts";

const toZlib = (bytes: Uint8Array, most: number): Uint8Array | undefined => {
  try {
    return inflate(bytes, most);
  } catch {
    return undefined;
  }
};

/** The pixels of a PNG by the project's own decoder. @throws ImageError, as a clause. */
export function decodeByOurs(
  bytes: Uint8Array,
  { exif, maxPixels, background }: DecodeOptions & Required<Pick<DecodeOptions, "exif" | "maxPixels">>,
): Pixels {
  const { deep, ...stored } = decodePng(bytes, { maxPixels, background });
  const note = deep ? darknessOf(stored.data) : undefined;
  return {
    ...upright(stored, orientationOf(bytes, toZlib), exif),
    format: "png",
    ...(note === undefined ? {} : { note }),
  };
}
