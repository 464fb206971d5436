/**
 * What a browser decodes: JPEG by the accurate method (bit for bit), WebP and the first frame of a GIF by itself, PNG and JPEG by
 * the fast method by the project's own decoders. Works in windows and in workers.
 */
import { latin1, viewOf } from "../bytes.ts";
import { ImageError } from "../errors.ts";
import { orientationOf } from "../images/exif.ts";
import { asTensorFlow, largestFrame } from "../images/gif.ts";
import { isPng } from "../images/kinds.ts";
import { upright } from "../images/turn.ts";
import { partOf } from "../parts.ts";
import type { Decoder, Pixels } from "../platform/decoder.ts";
import { type Bitmap, createImageBitmap, pixelsOfBitmap } from "./bitmap.ts";

/** A format that browsers decode. */
interface Format {
  readonly name: string;
  readonly type: string;
  readonly is: (start: string) => boolean;
  /** Its size in pixels, told before anything is decoded; undefined where that is damaged. */
  readonly size: (bytes: Uint8Array) => { readonly pixels: number; readonly inks?: boolean } | undefined;
  /**
   * Takes back, in place, what would have a browser turn the picture or change its colours: those are the project's to decide,
   * and browsers differ in it.
   */
  readonly plain: (bytes: Uint8Array) => void;
}

/** Walks over the segments of a JPEG up to its data. */
function eachSegment(bytes: Uint8Array, see: (marker: number, at: number) => void): void {
  const view = viewOf(bytes);
  for (let at = 2; at + 4 <= bytes.length; ) {
    const marker = bytes[at + 1];
    if (bytes[at] !== 0xff || marker === 0xff || marker === 0) {
      at++;
      continue;
    }
    if (marker === 0xda || marker === 0xd9) return;
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;
      continue;
    }
    see(marker, at);
    at += 2 + Math.max(2, view.getUint16(at + 2));
  }
}

/** Walks over the chunks of a WebP. */
function eachChunk(bytes: Uint8Array, see: (type: string, at: number) => void): void {
  const view = viewOf(bytes);
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at + 4, true);
    see(latin1(bytes, at, at + 4), at);
    at += 8 + length + (length & 1);
  }
}

const isFrame = (marker: number) =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
const comment = 0xfe;

const formats: readonly Format[] = [
  {
    name: "jpeg",
    type: "image/jpeg",
    is: (start) => start.startsWith("\xff\xd8\xff"),
    size(bytes) {
      let found: { pixels: number; inks: boolean } | undefined;
      eachSegment(bytes, (marker, at) => {
        if (found || !isFrame(marker) || at + 10 > bytes.length) return;
        const view = viewOf(bytes);
        found = { pixels: view.getUint16(at + 5) * view.getUint16(at + 7), inks: bytes[at + 9] === 4 };
      });
      return found;
    },
    plain: (bytes) =>
      eachSegment(bytes, (marker, at) => {
        if (marker === 0xe1 || marker === 0xe2) bytes[at + 1] = comment;
      }),
  },
  {
    name: "webp",
    type: "image/webp",
    is: (start) => /^RIFF[\s\S]{4}WEBP/.test(start),
    size(bytes) {
      let found: { pixels: number } | undefined;
      eachChunk(bytes, (type, at) => {
        if (found || at + 18 > bytes.length) return;
        const view = viewOf(bytes);
        const u24 = (from: number) => view.getUint16(from, true) | (bytes[from + 2] << 16);
        if (type === "VP8X") found = { pixels: (1 + u24(at + 12)) * (1 + u24(at + 15)) };
        else if (type === "VP8L") {
          const both = view.getUint32(at + 9, true);
          found = { pixels: (1 + (both & 0x3fff)) * (1 + ((both >>> 14) & 0x3fff)) };
        } else if (type === "VP8 ")
          found = {
            pixels: (view.getUint16(at + 14, true) & 0x3fff) * (view.getUint16(at + 16, true) & 0x3fff),
          };
      });
      return found;
    },
    plain: (bytes) =>
      eachChunk(bytes, (type, at) => {
        // Chunks of a name that nobody knows are passed over.
        if (["EXIF", "XMP ", "ICCP"].includes(type)) bytes.set([0x78, 0x78, 0x78, 0x78], at);
      }),
  },
  {
    name: "gif",
    type: "image/gif",
    is: (start) => /^GIF8[79]a/.test(start),
    size(bytes) {
      const frame = largestFrame(bytes);
      if (!frame) return undefined;
      const view = viewOf(bytes);
      const screen = view.getUint16(6, true) * view.getUint16(8, true);
      return { pixels: Math.max(screen, frame.width * frame.height) };
    },
    plain: () => {},
  },
];

const tooMany = () => new ImageError("it has more pixels than the limit allows");

/** None of these formats keeps how it was held compressed. */
const neverPacked = () => undefined;

/** The size of a file of a format that browsers decode. @throws ImageError, as a clause. */
function formatOf(bytes: Uint8Array, maxPixels: number) {
  const start = latin1(bytes, 0, 12);
  const format = formats.find(({ is }) => is(start));
  if (!format)
    throw new ImageError("it is a TIFF image, which browsers do not read; convert it to PNG first");
  const size = format.size(bytes);
  if (!size) throw new ImageError("it is damaged (its header is none)");
  if (size.pixels > maxPixels) throw tooMany();
  return { format, inks: size.inks === true };
}

/** A JPEG that lacks its end was cut off, which browsers show as far as it goes. */
function checkEnd({ name }: Format, bytes: Uint8Array): void {
  if (name !== "jpeg") return;
  for (let at = bytes.length - 2; at > 1; at--) if (bytes[at] === 0xff && bytes[at + 1] === 0xd9) return;
  throw new ImageError("it is damaged (the file ends too early)");
}

async function bitmapOf(bytes: Uint8Array, format: Format): Promise<Bitmap> {
  checkEnd(format, bytes);
  const copy = new Uint8Array(bytes);
  format.plain(copy);
  return createImageBitmap(new Blob([copy], { type: format.type }), {
    colorSpaceConversion: "none",
    premultiplyAlpha: "none",
  });
}

async function decodeByBrowser(
  bytes: Uint8Array,
  { exif, maxPixels, background }: Parameters<Decoder["decode"]>[1],
): Promise<Pixels> {
  const { format, inks } = formatOf(bytes, maxPixels);
  const frame = format.name === "gif" ? largestFrame(bytes) : undefined;
  const bitmap = await bitmapOf(bytes, format);
  try {
    const stored = pixelsOfBitmap(bitmap, background);
    const whole = frame ? asTensorFlow(stored, frame) : stored;
    return {
      ...upright(whole, orientationOf(bytes, neverPacked), exif),
      format: format.name,
      ...(format.name === "jpeg" ? { jpeg: "accurate" } : {}),
      ...(inks ? { note: "its CMYK colours were converted by the browser, and not as TensorFlow does" } : {}),
    };
  } finally {
    bitmap.close();
  }
}

/** A browser's decoders. */
export const browserDecoder: Decoder = {
  platform: "a browser",
  fastJpeg: async (bytes, _, room) =>
    (await partOf(import("../images/jpeg-decode.ts"))).decodeFastJpeg(bytes, room),
  async check(bytes, maxPixels) {
    const { format } = formatOf(bytes, maxPixels);
    (await bitmapOf(bytes, format)).close();
  },
  async decode(bytes, options) {
    if (!isPng(bytes)) return decodeByBrowser(bytes, options);
    const { decodeByOurs } = await partOf(import("./png.ts"));
    return decodeByOurs(bytes, options);
  },
};
