/** All formats but bitmaps by libvips, and JPEG by its accurate method. */
import { inflateSync } from "node:zlib";
import type sharp from "sharp";
import type { Sharp } from "sharp";
import { darknessOf } from "../../images/depth.ts";
import { type Inflate, orientationOf } from "../../images/exif.ts";
import { asTensorFlow, largestFrame } from "../../images/gif.ts";
import { upright } from "../../images/turn.ts";
import type { Decoder, Pixels } from "../../platform/decoder.ts";

/** sharp is loaded when it is first needed: a worker that reads nothing but JPEG starts in half the time without it. */
async function loadSharp(): Promise<typeof sharp> {
  const { default: library } = await import("sharp");
  library.cache(false);
  library.concurrency(1);
  return library;
}

let loaded: ReturnType<typeof loadSharp> | undefined;

/** sharp, loaded when it is first asked for. */
export const sharpOnce = (): ReturnType<typeof loadSharp> => {
  loaded ??= loadSharp();
  return loaded;
};

/** Gives as many fresh readers of the same bytes as are asked for. */
async function opener(bytes: Uint8Array, icc: boolean, maxPixels: number): Promise<() => Sharp> {
  const open = await sharpOnce();
  return () => open(bytes, { ignoreIcc: !icc, failOn: "error", limitInputPixels: maxPixels });
}

/** Decodes for nothing but the verdict. Rejects where the data are damaged or end early. */
export async function checkByLibvips(bytes: Uint8Array, maxPixels: number): Promise<void> {
  const open = await opener(bytes, false, maxPixels);
  await open().raw().toBuffer();
}

const inflate: Inflate = (bytes, most) => {
  try {
    return inflateSync(bytes, { maxOutputLength: most });
  } catch {
    return undefined;
  }
};

/** Rejects with libvips' own words. */
export async function decodeByLibvips(
  bytes: Uint8Array,
  { exif, maxPixels, icc = false, background }: Parameters<Decoder["decode"]>[1],
): Promise<Pixels> {
  const open = await opener(bytes, icc, maxPixels);
  const { format, space, depth } = await open().metadata();
  const inks = space === "cmyk" && !icc;
  const opaque = (image: Sharp) => {
    if (!background) return image.removeAlpha();
    const [r, g, b] = background;
    return image.flatten({ background: { r, g, b } });
  };
  const { data, info } = await (inks
    ? open().pipelineColourspace("cmyk").toColourspace("cmyk")
    : opaque(open()).toColourspace("srgb")
  )
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  const pixels = info.width * info.height;
  const rgb = inks ? fromInks(data, pixels) : fromChannels(data, pixels, info.channels);
  const stored = { width: info.width, height: info.height, data: rgb };
  const frame = format === "gif" ? largestFrame(bytes) : undefined;
  if (frame && frame.width * frame.height > maxPixels) throw new Error("a later frame exceeds pixel limit");
  const note = depth === "ushort" ? darknessOf(rgb) : undefined;
  return {
    ...upright(frame ? asTensorFlow(stored, frame) : stored, orientationOf(bytes, inflate), exif),
    format: format ?? "unknown",
    ...(note === undefined ? {} : { note }),
    ...(format === "jpeg" ? { jpeg: "accurate" } : {}),
  };
}

/** A plain array: walking over a Buffer takes nearly twice the time. */
function fromChannels(data: Buffer, pixels: number, channels: number): Uint8Array {
  if (channels === 3) return new Uint8Array(data.buffer, data.byteOffset, data.length);
  const rgb = new Uint8Array(3 * pixels);
  for (let i = 0; i < pixels; i++) {
    for (let c = 0; c < 3; c++) rgb[3 * i + c] = data[channels * i + (channels > 2 ? c : 0)];
  }
  return rgb;
}

/** CMYK as libvips gives it: 0 is no ink, whatever the file's own convention. */
function fromInks(data: Uint8Array, pixels: number): Uint8Array {
  const rgb = new Uint8Array(3 * pixels);
  for (let i = 0; i < pixels; i++) {
    const light = 255 - data[4 * i + 3];
    for (let c = 0; c < 3; c++) rgb[3 * i + c] = Math.floor((light * (255 - data[4 * i + c])) / 255);
  }
  return rgb;
}
