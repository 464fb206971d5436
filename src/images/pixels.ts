import type { JpegMethod } from "./jpeg.ts";

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
