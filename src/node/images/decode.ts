/** Image files by the native decoders that come with the package. */
import { readFile } from "node:fs/promises";
import { ImageError } from "../../errors.ts";
import { decodeWith } from "../../images/decode.ts";
import type { DecodeOptions, Decoder, Pixels, Room } from "../../platform/decoder.ts";
import { fastJpeg } from "./jpeg.ts";
import { checkByLibvips, decodeByLibvips } from "./libvips.ts";

/** libvips, and libjpeg-turbo for JPEG by the fast method where there is one for this platform. */
export const nativeDecoder: Decoder = {
  platform: `${process.platform} ${process.arch}`,
  fastJpeg,
  check: checkByLibvips,
  decode: decodeByLibvips,
};

/**
 * Decodes an image file, or its bytes. The pixels of most JPEGs are in `room` then, those of others in memory of their own.
 * @throws ImageError that says what is wrong with it; UsageError where `jpegMethodFor` does.
 */
export async function decodeImage(
  source: string | Uint8Array,
  options: DecodeOptions = {},
  room?: Room,
): Promise<Pixels> {
  if (typeof source !== "string") return decodeWith(nativeDecoder, source, options, { room });
  const bytes = await readFile(source).catch((cause: NodeJS.ErrnoException) => {
    throw new ImageError(`${source} cannot be read (${cause.code ?? cause}).`, undefined, { cause });
  });
  return decodeWith(nativeDecoder, bytes, options, { name: source, room });
}
