/**
 * Image files to RGB bytes, by content and not by name. Unless asked otherwise, colour follows TensorFlow's decoders: ICC
 * profiles are ignored, grey is repeated, alpha is dropped, 16 bits keep the upper byte, CMYK is converted by the plain formula of
 * tensorflow/core/lib/jpeg/jpeg_mem.cc. JPEG is decoded by the method that is asked for; the fast one is TensorFlow's default, and
 * what it does not take (CMYK, unusual sampling, profiles that are asked for) is decoded by the accurate one.
 */
import { readFile } from "node:fs/promises";
import { ImageError, UsageError } from "../errors.ts";
import { decodeBmp, isBmp } from "./bmp.ts";
import { decodeFastJpeg, hasFastJpeg, type JpegMethod, readJpegHeader } from "./jpeg.ts";
import { isImage, isTiff, whyNotRead } from "./kinds.ts";
import { checkByLibvips, decodeByLibvips } from "./libvips.ts";
import { ownRoom, type Room } from "./machine.ts";
import type { DecodeOptions, ExifRule } from "./options.ts";
import type { Pixels } from "./pixels.ts";
import { whyNoPicture } from "./tiff.ts";
import { upright } from "./turn.ts";

/**
 * The method by which JPEG is decoded where none is asked for: TensorFlow's, the fast one. Profiles are applied by the
 * accurate decoder alone; and where there is no fast one for this platform, it decodes all.
 * @throws UsageError when the fast method is asked for and cannot be had.
 */
export function jpegMethodFor({ jpeg, icc }: Pick<DecodeOptions, "jpeg" | "icc">): JpegMethod {
  if (jpeg !== "fast") return jpeg ?? (hasFastJpeg && !icc ? "fast" : "accurate");
  const hint = "Leave out --jpeg fast, or ask for --jpeg accurate.";
  if (icc) throw new UsageError("The fast JPEG decoder applies no ICC profiles.", hint);
  if (hasFastJpeg) return jpeg;
  throw new UsageError(`There is no fast JPEG decoder for ${process.platform} ${process.arch}.`, hint);
}

const defaultMaxPixels = 2 ** 28;

function diagnose(bytes: Buffer, error: unknown): string {
  if (bytes.length === 0) return "the file is empty";
  const message = (error instanceof Error ? error.message : String(error)).split("\n")[0].trim();
  if (/unsupported image format/.test(message)) {
    const text = /^[\t\n\r\x20-\x7e]{8,}$/.test(bytes.toString("latin1", 0, 64));
    return text ? "it is a text file" : "its content is of no image format that can be read";
  }
  if (/exceeds pixel limit/.test(message)) return "it has more pixels than the limit allows";
  return `it is damaged (${message})`;
}

/**
 * Decodes an image file, or its bytes. The pixels of most JPEGs are in `room` then, those of others in memory of their own.
 * @throws ImageError that says what is wrong with it; UsageError where `jpegMethodFor` does.
 */
export async function decodeImage(
  source: string | Buffer,
  options: DecodeOptions = {},
  room: Room = ownRoom,
): Promise<Pixels> {
  const { exif = "auto", maxPixels = defaultMaxPixels } = options;
  const name = typeof source === "string" ? source : "the image";
  const method = jpegMethodFor(options);
  let bytes: Buffer;
  try {
    bytes = typeof source === "string" ? await readFile(source) : source;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new ImageError(`${name} cannot be read (${code ?? cause}).`, undefined, { cause });
  }
  try {
    const why = whyNotRead(bytes, typeof source === "string" ? source : "");
    if (why !== undefined) throw new ImageError(why);
    // libvips would read more: SVG, which can name other files, and formats that nobody here asked for.
    if (!isImage(bytes)) throw new Error("unsupported image format");
    const what = isTiff(bytes) ? whyNoPicture(bytes) : undefined;
    if (what !== undefined) throw new ImageError(what);
    if (isBmp(bytes)) return decodeBmp(bytes, maxPixels);
    const fast = method === "fast" && (await decodeFast(bytes, exif, maxPixels, room));
    return fast || (await decodeByLibvips(bytes, exif, maxPixels, options));
  } catch (cause) {
    const reason = cause instanceof ImageError ? cause.message : diagnose(bytes, cause);
    throw new ImageError(`${name} cannot be decoded: ${reason}.`, undefined, { cause });
  }
}

/**
 * A JPEG that the fast decoder takes; undefined for other files. One of which it warns is refused where the other decoder
 * refuses it, since its data end early; data that are merely wrong somewhere give pixels, as in TensorFlow.
 */
async function decodeFast(
  bytes: Buffer,
  exif: ExifRule,
  maxPixels: number,
  room: Room,
): Promise<Pixels | undefined> {
  const header = readJpegHeader(bytes);
  if (!header || header.width * header.height > maxPixels) return undefined;
  const decoded = decodeFastJpeg(bytes, header, room);
  if (!decoded) return undefined;
  if (decoded.doubtful) await checkByLibvips(bytes, maxPixels);
  const { data } = decoded;
  const { width, height, orientation } = header;
  return { ...upright({ width, height, data }, orientation, exif), format: "jpeg", jpeg: "fast" };
}
