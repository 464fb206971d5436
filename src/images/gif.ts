/**
 * The frames of a GIF, as far as TensorFlow's decoder looks at them (tensorflow/core/lib/gif/gif_io.cc): its picture is as wide
 * as the widest frame and as high as the highest, whatever the screen is, and the first frame lies in its place in it; what
 * that does not cover is black. https://www.w3.org/Graphics/GIF/spec-gif89a.txt
 */
import { viewOf } from "../bytes.ts";
import type { Rgb } from "./turn.ts";

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Bytes of a table of colours that a packed field announces. */
const tableBytes = (packed: number) => (packed & 0x80 ? 3 * 2 ** ((packed & 7) + 1) : 0);

/** The largest width and the largest height of a GIF's frames; undefined where it has none. */
export function largestFrame(bytes: Uint8Array): Size | undefined {
  if (bytes.length < 13) return undefined;
  const view = viewOf(bytes);
  let [width, height] = [0, 0];
  for (let at = 13 + tableBytes(bytes[10]); at < bytes.length; ) {
    const kind = bytes[at];
    if (kind === 0x2c && at + 10 < bytes.length) {
      width = Math.max(width, view.getUint16(at + 5, true));
      height = Math.max(height, view.getUint16(at + 7, true));
      at += 11 + tableBytes(bytes[at + 9]);
    } else if (kind === 0x21) at += 2;
    else break;
    // Blocks of data, each behind its length, up to one of none.
    while (at < bytes.length && bytes[at] !== 0) at += 1 + bytes[at];
    at++;
  }
  return width > 0 && height > 0 ? { width, height } : undefined;
}

/** The first frame on the screen as TensorFlow gives it: cut, or widened by black, to the largest frame's size. */
export function asTensorFlow(screen: Rgb, { width, height }: Size): Rgb {
  if (screen.width === width && screen.height === height) return screen;
  const data = new Uint8Array(3 * width * height);
  const row = 3 * Math.min(width, screen.width);
  for (let y = 0; y < Math.min(height, screen.height); y++) {
    data.set(screen.data.subarray(3 * screen.width * y, 3 * screen.width * y + row), 3 * width * y);
  }
  return { width, height, data };
}
