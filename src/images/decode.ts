/**
 * Images to RGB bytes, by content and not by name. Unless asked otherwise, colour follows TensorFlow's decoders: ICC
 * profiles are ignored, grey is repeated, alpha is dropped, 16 bits keep the upper byte, CMYK is converted by the plain formula of
 * tensorflow/core/lib/jpeg/jpeg_mem.cc. JPEG is decoded by the method that is asked for; the fast one is TensorFlow's default, and
 * what it does not take (CMYK, unusual sampling, profiles that are asked for) is decoded by the accurate one.
 */
import { latin1 } from "../bytes.ts";
import { ImageError, UserError } from "../errors.ts";
import { partOf } from "../parts.ts";
import type { DecodeOptions, Decoder, Pixels, Room } from "../platform/decoder.ts";
import { readJpegHeader } from "./jpeg-header.ts";
import { isBmp, isImage, isTiff } from "./kinds.ts";
import { ownRoom } from "./machine.ts";
import { jpegMethodFor } from "./options.ts";
import { upright } from "./turn.ts";

const defaultMaxPixels = 2 ** 28;

function diagnose(bytes: Uint8Array, error: unknown): string {
  if (bytes.length === 0) return "the file is empty";
  const message = (error instanceof Error ? error.message : String(error)).split("\n")[0].trim();
  if (/unsupported image format/.test(message)) {
    const text = /^[\t\n\r\x20-\x7e]{8,}$/.test(latin1(bytes, 0, 64));
    return text ? "it is a text file" : "its content is of no image format that can be read";
  }
  if (/exceeds pixel limit/.test(message)) return "it has more pixels than the limit allows";
  return `it is damaged (${message})`;
}

/**
 * Decodes an image file's bytes by what `decoder` has; `name` is its name in errors. The pixels of most JPEGs are in `room`
 * then, those of others in memory of their own.
 * @throws ImageError that says what is wrong with it; UsageError where `jpegMethodFor` does.
 */
export async function decodeWith(
  decoder: Decoder,
  bytes: Uint8Array,
  options: DecodeOptions = {},
  { name, room = ownRoom }: { readonly name?: string; readonly room?: Room } = {},
): Promise<Pixels> {
  const rules = {
    ...options,
    exif: options.exif ?? "auto",
    maxPixels: options.maxPixels ?? defaultMaxPixels,
  };
  const method = jpegMethodFor(options, decoder);
  try {
    if (!isImage(bytes) || isTiff(bytes) || isBmp(bytes)) {
      const { decodeBmp, whyNoPicture, whyNotRead } = await partOf(import("./seldom.ts"));
      const why = whyNotRead(bytes, name ?? "");
      if (why !== undefined) throw new ImageError(why);
      // A decoder may read more: SVG, which can name other files, and formats that nobody here asked for.
      if (!isImage(bytes)) throw new Error("unsupported image format");
      if (isBmp(bytes)) return decodeBmp(bytes, rules.maxPixels);
      const what = whyNoPicture(bytes);
      if (what !== undefined) throw new ImageError(what);
    }
    const fast = method === "fast" && (await decodeFast(decoder, bytes, rules, room));
    return fast || (await decoder.decode(bytes, rules));
  } catch (cause) {
    if (cause instanceof UserError && !(cause instanceof ImageError)) throw cause;
    const reason = cause instanceof ImageError ? cause.message : diagnose(bytes, cause);
    throw new ImageError(`${name ?? "the image"} cannot be decoded: ${reason}.`, undefined, { cause });
  }
}

/**
 * A JPEG that the fast decoder takes; undefined for other files. One of which it warns is refused where the other decoder
 * refuses it, since its data end early; data that are merely wrong somewhere give pixels, as in TensorFlow.
 */
async function decodeFast(
  { fastJpeg, check }: Decoder,
  bytes: Uint8Array,
  { exif, maxPixels }: Required<Pick<DecodeOptions, "exif" | "maxPixels">>,
  room: Room,
): Promise<Pixels | undefined> {
  const header = readJpegHeader(bytes);
  if (!header || header.width * header.height > maxPixels) return undefined;
  const decoded = await fastJpeg?.(bytes, header, room);
  if (!decoded) return undefined;
  if (decoded.doubtful) await check(bytes, maxPixels);
  const { data } = decoded;
  const { width, height, orientation } = header;
  return { ...upright({ width, height, data }, orientation, exif), format: "jpeg", jpeg: "fast" };
}
