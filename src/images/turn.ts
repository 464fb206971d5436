/** Pixels turned upright, as EXIF says. */
import type { ExifRule } from "../platform/decoder.ts";

/** Interleaved RGB bytes with their size. */
export interface Rgb {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Where orientations 1 to 8 put the first row and the first column of the stored pixels (Exif 2.3, tag 0x0112). */
const orientations = [
  { rows: "top", columns: "left" },
  { rows: "top", columns: "right" },
  { rows: "bottom", columns: "right" },
  { rows: "bottom", columns: "left" },
  { rows: "left", columns: "top" },
  { rows: "right", columns: "top" },
  { rows: "right", columns: "bottom" },
  { rows: "left", columns: "bottom" },
] as const;

/** The image upright, of the stored one with an orientation from 1 to 8. */
export function turnUpright({ width, height, data }: Rgb, orientation: number): Rgb {
  const { rows, columns } = orientations[orientation - 1];
  const sideways = rows === "left" || rows === "right";
  const wide = sideways ? height : width;
  const high = sideways ? width : height;
  const out = new Uint8Array(data.length);
  // Bytes from a stored pixel's place to that of the next in its row, and of the next row's, in the upright image.
  const along = { left: 3, right: -3, top: 3 * wide, bottom: -3 * wide };
  const start = (side: keyof typeof along) =>
    side === "right" ? 3 * (wide - 1) : side === "bottom" ? 3 * wide * (high - 1) : 0;
  const [across, down] = [along[columns], along[rows]];
  let from = 0;
  for (let y = 0; y < height; y++) {
    let to = start(columns) + start(rows) + y * down;
    for (let x = 0; x < width; x++, to += across) {
      out[to] = data[from++];
      out[to + 1] = data[from++];
      out[to + 2] = data[from++];
    }
  }
  return { width: wide, height: high, data: out };
}

/** The image as it goes on, turned by its orientation unless that is ignored, with what was done. */
export function upright(
  stored: Rgb,
  orientation: number,
  exif: ExifRule,
): Rgb & { readonly orientation: number; readonly turned: boolean } {
  const turned = exif === "auto" && orientation > 1;
  return { ...(turned ? turnUpright(stored, orientation) : stored), orientation, turned };
}
