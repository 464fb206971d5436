/** What decodes images on a platform: a native library, WebAssembly, or a browser itself. Types only. */

/** fast: as TensorFlow decodes by default. accurate: as Pillow does, and TensorFlow's INTEGER_ACCURATE. */
export type JpegMethod = "fast" | "accurate";

export type ExifRule = "auto" | "ignore";

/** What decoding leaves to its user. */
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

/** What is known of an image that was decoded. */
export interface ImageFacts {
  /** In pixels, as they went on. */
  readonly width: number;
  readonly height: number;
  /** By content: jpeg, png, bmp, webp, gif, tiff. */
  readonly format: string;
  /** How it was decoded, where it is a JPEG. */
  readonly jpeg?: JpegMethod;
  /** The EXIF orientation found, 1 where there is none. */
  readonly orientation: number;
  /** Whether the pixels were turned by it. */
  readonly turned: boolean;
  /** What its user should know of its pixels, as a clause. */
  readonly note?: string;
}

/** A decoded image, as every room sees it. */
export interface Pixels extends ImageFacts {
  /** RGB interleaved, a byte each, rows from the top. */
  readonly data: Uint8Array;
}

/** Where to put so many bytes, whatever they held before. */
export type Room = (bytes: number) => Uint8Array;

export interface FastPixels {
  /** RGB interleaved, as stored. */
  readonly data: Uint8Array;
  /** Whether the decoder warned of something in the data, with which it went on to the end. */
  readonly doubtful: boolean;
}

/**
 * Decodes a JPEG by TensorFlow's default method, bit for bit, into `room`. Only for files of which `readJpegHeader` tells a
 * header. Undefined where it stopped before the last pixel.
 */
export type FastJpeg = (
  bytes: Uint8Array,
  size: { readonly width: number; readonly height: number },
  room: Room,
) => FastPixels | undefined;

/**
 * The decoders of a platform. `decodeImage` tells what a file is, refuses what is none, reads bitmaps itself, and asks
 * these for the rest.
 */
export interface Decoder {
  /** What this runs on, as it stands behind "There is none for", such as "linux x64". */
  readonly platform: string;
  /** Left out where the platform has none; with a promise where it is loaded first. */
  readonly fastJpeg?: (...args: Parameters<FastJpeg>) => ReturnType<FastJpeg> | Promise<ReturnType<FastJpeg>>;
  /** Decodes for nothing but the verdict. Rejects where the data are damaged or end early. */
  check(bytes: Uint8Array, maxPixels: number): Promise<void>;
  /** Every format but bitmaps, and JPEG by its accurate method. Rejects with the decoder's own words. */
  decode(
    bytes: Uint8Array,
    options: DecodeOptions & Required<Pick<DecodeOptions, "exif" | "maxPixels">>,
  ): Promise<Pixels>;
}
