/**
 * Windows bitmaps, which sharp does not read: 1, 4 and 8 bits with a palette (RLE too), 16, 24 and 32 bits with or
 * without channel masks, rows from the bottom or from the top. Microsoft's documentation of BITMAPINFOHEADER and
 * "Bitmap compression" are the source.
 */
import { viewOf } from "../bytes.ts";
import { ImageError } from "../errors.ts";
import type { Pixels } from "../platform/decoder.ts";

interface Header {
  readonly width: number;
  readonly height: number;
  readonly topDown: boolean;
  readonly bits: number;
  readonly compression: number;
  /** Where the palette begins, and the bytes of an entry. */
  readonly palette: { readonly at: number; readonly entry: number; readonly colors: number };
  readonly masks: readonly [number, number, number];
  readonly pixelsAt: number;
}

const Compression = { none: 0, rle8: 1, rle4: 2, bitFields: 3, alphaBitFields: 6 } as const;

const truncated = () => new ImageError("the bitmap is truncated");

function readHeader(b: Uint8Array, maxPixels: number): Header {
  const view = viewOf(b);
  const u16 = (at: number) => view.getUint16(at, true);
  const u32 = (at: number) => view.getUint32(at, true);
  const pixelsAt = u32(10);
  const size = u32(14);
  if (size !== 12 && size < 40)
    throw new ImageError(`its bitmap header of ${size} bytes is of no known kind`);
  if (14 + size > b.length) throw truncated();
  const old = size === 12;
  const width = old ? u16(18) : view.getInt32(18, true);
  const signedHeight = old ? u16(20) : view.getInt32(22, true);
  const bits = u16(old ? 24 : 28);
  const compression = old ? Compression.none : u32(30);
  const height = Math.abs(signedHeight);
  if (width < 1 || height < 1) throw new ImageError(`its bitmap header says ${width}x${signedHeight} pixels`);
  if (width * height > maxPixels) throw new ImageError("it has more pixels than the limit allows");
  const fields = compression === Compression.bitFields || compression === Compression.alphaBitFields;
  // Masks stand in the header from version 2 on, else behind it.
  const masksBehind = fields && size === 40 ? (compression === Compression.alphaBitFields ? 16 : 12) : 0;
  const usual = bits === 16 ? ([0x7c00, 0x03e0, 0x001f] as const) : ([0xff0000, 0xff00, 0xff] as const);
  if (fields && 54 + 12 > b.length) throw truncated();
  const used = old ? 0 : u32(46);
  const paletteAt = 14 + size + masksBehind;
  const entry = old ? 3 : 4;
  // A short palette ends where the pixels begin.
  const room = pixelsAt > paletteAt ? Math.floor((pixelsAt - paletteAt) / entry) : 256;
  return {
    width,
    height,
    topDown: signedHeight < 0,
    bits,
    compression,
    palette: { at: paletteAt, entry, colors: bits <= 8 ? Math.min(used || 2 ** bits, room, 256) : 0 },
    masks: fields ? [u32(54), u32(58), u32(62)] : usual,
    pixelsAt,
  };
}

/**
 * Decodes a bitmap.
 * @throws ImageError when it is truncated, too large, or of a kind that is not known.
 */
export function decodeBmp(bytes: Uint8Array, maxPixels: number): Pixels {
  const header = readHeader(bytes, maxPixels);
  const { width, height, bits, compression } = header;
  const compressed = compression === Compression.rle8 || compression === Compression.rle4;
  const known = compressed
    ? bits === (compression === Compression.rle8 ? 8 : 4)
    : [1, 4, 8, 16, 24, 32].includes(bits);
  const plain = [Compression.none, Compression.bitFields, Compression.alphaBitFields] as number[];
  if (!known || !(compressed || plain.includes(compression))) {
    throw new ImageError(`its bitmap kind (${bits} bits, compression ${compression}) is not supported`);
  }
  const data = bits <= 8 ? fromPalette(bytes, header, compressed) : fromColors(bytes, header);
  return { width, height, data, format: "bmp", orientation: 1, turned: false };
}

const rowOf = ({ topDown, height }: Header, stored: number) => (topDown ? stored : height - 1 - stored);

function fromPalette(b: Uint8Array, header: Header, compressed: boolean): Uint8Array {
  const { width, height, palette } = header;
  const { at, entry, colors } = palette;
  if (at + entry * colors > b.length) throw truncated();
  const indices = compressed ? unpackRuns(b, header) : unpackBits(b, header);
  const rgb = new Uint8Array(3 * width * height);
  for (let i = 0; i < indices.length; i++) {
    if (indices[i] >= colors) throw new ImageError("a pixel names a colour that its palette does not have");
    const color = at + entry * indices[i];
    rgb[3 * i] = b[color + 2];
    rgb[3 * i + 1] = b[color + 1];
    rgb[3 * i + 2] = b[color];
  }
  return rgb;
}

function unpackBits(b: Uint8Array, header: Header): Uint8Array {
  const { width, height, bits, pixelsAt } = header;
  const stride = Math.ceil((width * bits) / 32) * 4;
  if (pixelsAt + stride * height > b.length) throw truncated();
  const indices = new Uint8Array(width * height);
  for (let stored = 0; stored < height; stored++) {
    const row = rowOf(header, stored) * width;
    for (let x = 0; x < width; x++) {
      const bit = x * bits;
      const byte = b[pixelsAt + stored * stride + (bit >> 3)];
      indices[row + x] = (byte >> (8 - bits - (bit & 7))) & (2 ** bits - 1);
    }
  }
  return indices;
}

/** RLE8 and RLE4: pairs of count and value; a count of 0 escapes to end of line, end, a jump, or literal pixels. */
function unpackRuns(b: Uint8Array, header: Header): Uint8Array {
  const { width, height, bits, pixelsAt } = header;
  const indices = new Uint8Array(width * height);
  let at = pixelsAt;
  let x = 0;
  let y = 0;
  const byte = () => {
    if (at >= b.length) throw truncated();
    return b[at++];
  };
  const put = (value: number) => {
    if (x < width && y < height) indices[rowOf(header, y) * width + x] = value;
    x++;
  };
  const nibble = (value: number, i: number) => (bits === 8 ? value : i % 2 === 0 ? value >> 4 : value & 15);
  while (y < height) {
    const count = byte();
    const value = byte();
    if (count > 0) {
      for (let i = 0; i < count; i++) put(nibble(value, i));
    } else if (value === 0) {
      x = 0;
      y++;
    } else if (value === 1) {
      break;
    } else if (value === 2) {
      x += byte();
      y += byte();
    } else {
      let literal = 0;
      for (let i = 0; i < value; i++) {
        if (bits === 8 || i % 2 === 0) literal = byte();
        put(nibble(literal, i));
      }
      // Literal runs end on a 16-bit boundary.
      const stored = bits === 8 ? value : Math.ceil(value / 2);
      if (stored % 2 === 1) byte();
    }
  }
  return indices;
}

/** How far a mask is shifted, and the largest value under it. */
function channelOf(mask: number): { shift: number; most: number } {
  if (mask === 0) return { shift: 0, most: 0 };
  const shift = 31 - Math.clz32(mask & -mask);
  return { shift, most: mask >>> shift };
}

function fromColors(b: Uint8Array, header: Header): Uint8Array {
  const { width, height, bits, pixelsAt, masks } = header;
  const stride = Math.ceil((width * bits) / 32) * 4;
  if (pixelsAt + stride * height > b.length) throw truncated();
  const channels = masks.map(channelOf);
  const view = viewOf(b);
  const rgb = new Uint8Array(3 * width * height);
  for (let stored = 0; stored < height; stored++) {
    let to = 3 * rowOf(header, stored) * width;
    for (let x = 0; x < width; x++) {
      const from = pixelsAt + stored * stride + (x * bits) / 8;
      const value =
        bits === 16
          ? view.getUint16(from, true)
          : bits === 24
            ? b[from] | (b[from + 1] << 8) | (b[from + 2] << 16)
            : view.getUint32(from, true);
      for (let c = 0; c < 3; c++) {
        const { shift, most } = channels[c];
        const raw = ((value & masks[c]) >>> 0) >>> shift;
        rgb[to++] = most === 255 ? raw : most === 0 ? 0 : Math.round((raw * 255) / most);
      }
    }
  }
  return rgb;
}
