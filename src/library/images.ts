/** The kinds of things that programs have images as. */
import { shown } from "../arguments.ts";
import { ImageError } from "../errors.ts";
import type { DecodeOptions, Pixels } from "../images/index.ts";

/** Pixels in memory, a byte each: a canvas's ImageData, or what `sharp(…).raw()` gives. */
export interface RawImage {
  /** Interleaved, rows from the top; `width` × `height` × `channels` bytes. */
  readonly data: Uint8Array | Uint8ClampedArray;
  /** In pixels. */
  readonly width: number;
  readonly height: number;
  /** 1 is grey, 3 is RGB, 4 is RGBA; told by the length of `data` when left out. */
  readonly channels?: 1 | 3 | 4;
}

/** A file, or a part of an archive, as `listFolder` finds them. */
export interface FoundImage {
  /** Its path in the folder. */
  readonly key: string;
  /** Where it lies, in the file system's own bytes. */
  readonly path: Uint8Array;
  /** The part of that file that it is, where the file is an archive. */
  readonly part?: { readonly offset: number; readonly size: number };
  /** Why it gives no image, where that is known before it is opened, as a clause. */
  readonly fault?: string;
}

/**
 * An image: the path of a file; a URL object (`file:`, `http:`, `https:`, `data:`, `blob:`); the bytes of a file as a Blob (or
 * File), Uint8Array (or Buffer) or ArrayBuffer; pixels; or what `listFolder` found. Texts are always paths: no address is
 * called that was not meant as one.
 */
export type ImageSource = string | URL | Blob | Uint8Array | ArrayBuffer | RawImage | FoundImage;

/** An image as the core deals with it. */
export type Sorted =
  /** For the platform, which knows files. */
  | { readonly kind: "file"; readonly file: string | URL | FoundImage }
  | { readonly kind: "bytes"; readonly bytes: () => Promise<Uint8Array> }
  | { readonly kind: "pixels"; readonly pixels: () => Pixels };

/** Larger files are not taken from a network: nobody knows what comes. */
const mostFetched = 2 ** 28;
/** How long an address may take, in milliseconds. */
const patience = 60_000;

const fetched: readonly string[] = ["http:", "https:", "data:", "blob:"];

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

/** What an image is called in messages; `place` is what it is among the arguments. */
export function nameOf(image: unknown, place: string): string {
  if (typeof image === "string") return image;
  if (image instanceof URL) return image.href.length > 200 ? `${image.href.slice(0, 200)}…` : image.href;
  if (isObject(image) && typeof image.key === "string") return image.key;
  // A File has a name, as other Blobs have not.
  if (image instanceof Blob && isObject(image) && typeof image.name === "string" && image.name !== "")
    return image.name;
  return place;
}

/** @throws ImageError with a clause for what is no image of any kind, or of an address that is not called. */
export function sort(image: unknown, options: DecodeOptions, signal: AbortSignal): Sorted {
  if (typeof image === "string") {
    if (/^(?:https?|file|data|blob):/i.test(image)) {
      throw new ImageError("is a text, and texts are paths", "Give an address as a URL: new URL(…).");
    }
    return { kind: "file", file: image };
  }
  if (image instanceof URL) {
    if (image.protocol === "file:") return { kind: "file", file: image };
    if (fetched.includes(image.protocol)) return { kind: "bytes", bytes: () => download(image, signal) };
    throw new ImageError(`is not fetched: addresses may be ${["file:", ...fetched].join(", ")}`);
  }
  if (image instanceof Blob) {
    return { kind: "bytes", bytes: async () => new Uint8Array(await image.arrayBuffer()) };
  }
  if (image instanceof Uint8Array) return { kind: "bytes", bytes: async () => image };
  if (image instanceof ArrayBuffer) return { kind: "bytes", bytes: async () => new Uint8Array(image) };
  if (isObject(image)) {
    if (image.path instanceof Uint8Array && typeof image.key === "string") {
      return { kind: "file", file: image as unknown as FoundImage };
    }
    if ("data" in image && "width" in image && "height" in image) {
      return { kind: "pixels", pixels: () => pixelsOf(image, options) };
    }
  }
  throw new ImageError(
    `must be a path, a URL, a Blob, a Uint8Array, an ArrayBuffer, or { data, width, height }, not ${shown(image)}`,
  );
}

async function download(url: URL, signal: AbortSignal): Promise<Uint8Array> {
  const refuse = (why: string) => new ImageError(`cannot be fetched: ${why}`);
  const tooLarge = () => refuse(`it is larger than ${mostFetched / 2 ** 20} MiB`);
  const late = AbortSignal.timeout(patience);
  try {
    const answer = await fetch(url, { signal: AbortSignal.any([signal, late]) });
    const { body } = answer;
    if (!answer.ok) {
      await body?.cancel();
      throw refuse(`the server answered ${answer.status} ${answer.statusText}`.trim());
    }
    const parts: Uint8Array[] = [];
    let size = 0;
    const reader = body?.getReader();
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      parts.push(part.value);
      size += part.value.length;
      if (size <= mostFetched) continue;
      await reader?.cancel();
      throw tooLarge();
    }
    return joined(parts, size);
  } catch (error) {
    if (error instanceof ImageError) throw error;
    if (signal.aborted) throw error;
    if (late.aborted) throw refuse(`it took longer than ${patience / 1000} seconds`);
    const { message, cause } = error as Error;
    throw refuse(cause instanceof Error ? cause.message || message : message);
  }
}

function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const isSide = (side: unknown): side is number => Number.isInteger(side) && (side as number) >= 1;

/** Checked, and as RGB. @throws ImageError with a clause. */
function pixelsOf(
  { data, width, height, channels }: Readonly<Record<string, unknown>>,
  { background, maxPixels = Number.POSITIVE_INFINITY }: DecodeOptions,
): Pixels {
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
    throw new ImageError(`has data that must be a Uint8Array or Uint8ClampedArray, not ${shown(data)}`);
  }
  if (!isSide(width) || !isSide(height)) {
    throw new ImageError(
      `has a width and height that must be whole numbers from 1 on, not ${shown(width)} and ${shown(height)}`,
    );
  }
  const pixels = width * height;
  const count = channels ?? data.length / pixels;
  if ((count !== 1 && count !== 3 && count !== 4) || data.length !== pixels * count) {
    const taken = channels === undefined ? "1, 3 or 4" : shown(channels);
    throw new ImageError(
      `has ${data.length} bytes of data, and ${width}x${height} pixels of ${taken} channels have another number`,
    );
  }
  if (pixels > maxPixels) throw new ImageError("has more pixels than the limit allows");
  return {
    width,
    height,
    data: rgbOf(data, pixels, count, background),
    format: "raw",
    orientation: 1,
    turned: false,
  };
}

/** Grey is repeated; alpha is dropped, or the background shows through as libvips' flatten has it. */
function rgbOf(
  data: Uint8Array | Uint8ClampedArray,
  pixels: number,
  channels: 1 | 3 | 4,
  background: DecodeOptions["background"],
): Uint8Array {
  if (channels === 3) return new Uint8Array(data.buffer, data.byteOffset, data.length);
  const rgb = new Uint8Array(3 * pixels);
  for (let i = 0; i < pixels; i++) {
    for (let c = 0; c < 3; c++) {
      const value = data[channels * i + (channels === 4 ? c : 0)];
      const alpha = channels === 4 && background ? data[4 * i + 3] : 255;
      rgb[3 * i + c] =
        alpha === 255 ? value : Math.floor((value * alpha + (background?.[c] ?? 0) * (255 - alpha)) / 255);
    }
  }
  return rgb;
}
