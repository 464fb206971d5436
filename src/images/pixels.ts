/** A decoded image, as every room sees it. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** RGB interleaved, a byte each, rows from the top. */
  readonly data: Uint8Array;
  /** By content: jpeg, png, bmp, webp, gif, tiff. */
  readonly format: string;
  /** The EXIF orientation found, 1 where there is none. */
  readonly orientation: number;
  /** Whether the pixels were turned by it. */
  readonly turned: boolean;
}
