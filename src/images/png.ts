/**
 * PNG to RGB bytes (https://www.w3.org/TR/png-3/), every kind of it, as Node's decoder gives it: alpha is dropped or shows a
 * background, grey is repeated, 16 bits keep the upper byte, and gamma and profiles change nothing. What browsers make of a
 * PNG with alpha is not its pixels, since they keep colours multiplied by it.
 */
import { latin1, viewOf } from "../bytes.ts";
import { crc32 } from "../crc32.ts";
import { ImageError } from "../errors.ts";
import type { DecodeOptions } from "../platform/decoder.ts";
import { inflate } from "./inflate.ts";
import type { Rgb } from "./turn.ts";

interface Header {
  readonly width: number;
  readonly height: number;
  /** Of a sample. */
  readonly bits: number;
  readonly kind: number;
  readonly interlaced: boolean;
}

/** Samples of a pixel, and the depths there are, by the kind of colour. */
const kinds: Readonly<Record<number, { readonly samples: number; readonly bits: readonly number[] }>> = {
  0: { samples: 1, bits: [1, 2, 4, 8, 16] },
  2: { samples: 3, bits: [8, 16] },
  3: { samples: 1, bits: [1, 2, 4, 8] },
  4: { samples: 2, bits: [8, 16] },
  6: { samples: 4, bits: [8, 16] },
};
const palette = 3;

/** Where the passes of Adam7 begin, and their steps. */
const adam7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;
const whole = [[0, 0, 1, 1]] as const;

const truncated = () => new ImageError("it is damaged (the file ends too early)");

function readHeader(data: Uint8Array): Header {
  if (data.length !== 13) throw new ImageError("it is damaged (its header is none)");
  const view = viewOf(data);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [bits, kind, packing, filtering, interlace] = data.subarray(8);
  const known = kinds[kind]?.bits.includes(bits) && packing === 0 && filtering === 0 && interlace < 2;
  if (!known || width < 1 || height < 1 || width >= 2 ** 31 || height >= 2 ** 31)
    throw new ImageError("it is damaged (its header is none)");
  return { width, height, bits, kind, interlaced: interlace === 1 };
}

interface Parts {
  readonly header: Header;
  readonly colours?: Uint8Array;
  /** What is transparent, as the file says it for its kind. */
  readonly clear?: Uint8Array;
  readonly packed: Uint8Array;
}

function readParts(bytes: Uint8Array, maxPixels: number): Parts {
  const view = viewOf(bytes);
  let header: Header | undefined;
  let colours: Uint8Array | undefined;
  let clear: Uint8Array | undefined;
  const packed = new Uint8Array(bytes.length);
  let end = 0;
  for (let at = 8; ; ) {
    if (at + 12 > bytes.length) throw truncated();
    const length = view.getUint32(at);
    const type = latin1(bytes, at + 4, at + 8);
    if (at + 12 + length > bytes.length) throw truncated();
    const data = bytes.subarray(at + 8, at + 8 + length);
    // Chunks that decide nothing may be damaged: their names begin with a small letter.
    const counts = type[0] < "a" || type === "tRNS";
    if (counts && crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length))
      throw new ImageError(`it is damaged (the checksum of its ${type} is wrong)`);
    if (!header && type !== "IHDR") throw new ImageError("it is damaged (its header is none)");
    if (type === "IHDR") {
      header ??= readHeader(data);
      if (header.width * header.height > maxPixels)
        throw new ImageError("it has more pixels than the limit allows");
    } else if (type === "PLTE") colours = data;
    else if (type === "tRNS") clear = data;
    else if (type === "IDAT") {
      packed.set(data, end);
      end += length;
    } else if (type === "IEND") break;
    else if (counts) throw new ImageError(`it is damaged (it has a part ${type} that is not known)`);
    at += 12 + length;
  }
  return { header: header as Header, colours, clear, packed: packed.subarray(0, end) };
}

/** The number of bytes of a pass's row, without that of its filter. */
const rowBytes = (width: number, { bits, kind }: Header) =>
  Math.ceil((width * bits * kinds[kind].samples) / 8);

/** Undoes the filter of a row, in place; `above` is the row before it. */
function unfilter(filter: number, row: Uint8Array, above: Uint8Array, step: number): void {
  if (filter > 4) throw new ImageError("it is damaged (a row has a filter that is not known)");
  for (let i = 0; i < row.length; i++) {
    const left = i >= step ? row[i - step] : 0;
    const up = above[i];
    if (filter === 1) row[i] += left;
    else if (filter === 2) row[i] += up;
    else if (filter === 3) row[i] += (left + up) >> 1;
    else if (filter === 4) {
      const corner = i >= step ? above[i - step] : 0;
      const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
      row[i] += a <= b && a <= c ? left : b <= c ? up : corner;
    }
  }
}

/** The colours of most pictures, which need nothing else. */
function copyColours(
  row: Uint8Array,
  samples: number,
  wide: number,
  data: Uint8Array,
  start: number,
  step: number,
): void {
  for (let i = 0, from = 0, to = start; i < wide; i++, from += samples, to += step) {
    data[to] = row[from];
    data[to + 1] = row[from + 1];
    data[to + 2] = row[from + 2];
  }
}

/** A picture, and whether its samples have 16 bits, of which the upper byte is here. */
export interface Png extends Rgb {
  readonly deep: boolean;
}

/** @throws ImageError or Error, as a clause, for a file that is damaged, ends early, or has more pixels than `maxPixels`. */
export function decodePng(
  bytes: Uint8Array,
  { maxPixels, background }: Pick<DecodeOptions, "background"> & { readonly maxPixels: number },
): Png {
  const { header, colours, clear, packed } = readParts(bytes, maxPixels);
  const { width, height, bits, kind, interlaced } = header;
  const { samples } = kinds[kind];
  if (kind === palette && !colours) throw new ImageError("it is damaged (it has no palette)");
  const passes = (interlaced ? adam7 : whole)
    .map(([x, y, dx, dy]) => ({
      ...{ x, y, dx, dy },
      wide: Math.ceil((width - x) / dx),
      high: Math.ceil((height - y) / dy),
    }))
    .filter(({ wide, high }) => wide > 0 && high > 0);
  const size = passes.reduce((sum, { wide, high }) => sum + high * (1 + rowBytes(wide, header)), 0);
  // Some programs pack more than there is to be shown.
  const raw = inflate(packed, size + 2 ** 16);
  if (raw.length < size) throw truncated();
  const data = new Uint8Array(3 * width * height);
  const step = Math.max(1, (bits * samples) >> 3);
  const deep = bits === 16;
  const stretch = kind === palette ? 1 : 255 / (2 ** Math.min(bits, 8) - 1);
  const keyOf = (i: number) =>
    clear && clear.length >= 2 * i + 2 ? (clear[2 * i] << 8) | clear[2 * i + 1] : -1;
  const key = kind === 0 ? [keyOf(0)] : kind === 2 ? [keyOf(0), keyOf(1), keyOf(2)] : [];
  const sample = (row: Uint8Array, i: number): number =>
    deep
      ? (row[2 * i] << 8) | row[2 * i + 1]
      : bits === 8
        ? row[i]
        : (row[(i * bits) >> 3] >> (8 - bits - ((i * bits) & 7))) & (2 ** bits - 1);

  function put(to: number, row: Uint8Array, x: number): void {
    let alpha = 255;
    if (kind === palette) {
      const index = sample(row, x);
      const from = 3 * index;
      for (let c = 0; c < 3; c++) data[to + c] = (colours as Uint8Array)[from + c] ?? 0;
      if (background && clear && index < clear.length) alpha = clear[index];
    } else {
      const colour = kind & 2 ? 3 : 1;
      for (let c = 0; c < 3; c++) {
        const value = sample(row, x * samples + (colour === 3 ? c : 0));
        data[to + c] = deep ? value >> 8 : value * stretch;
      }
      if (background && kind & 4) {
        const value = sample(row, x * samples + colour);
        alpha = deep ? value >> 8 : value;
      } else if (background && clear && key.every((k, c) => k === sample(row, x * samples + c))) alpha = 0;
    }
    if (alpha < 255 && background)
      for (let c = 0; c < 3; c++)
        data[to + c] = Math.floor((data[to + c] * alpha + background[c] * (255 - alpha)) / 255);
  }

  const plain = bits === 8 && (kind & ~4) === 2 && !background;
  let at = 0;
  for (const { x, y, dx, dy, wide, high } of passes) {
    const length = rowBytes(wide, header);
    let above: Uint8Array = new Uint8Array(length);
    for (let j = 0; j < high; j++) {
      const row = raw.subarray(at + 1, at + 1 + length);
      if (raw[at] !== 0) unfilter(raw[at], row, above, step);
      const start = 3 * ((y + j * dy) * width + x);
      if (plain) copyColours(row, samples, wide, data, start, 3 * dx);
      else for (let i = 0; i < wide; i++) put(start + 3 * i * dx, row, i);
      above = row;
      at += 1 + length;
    }
  }
  return { width, height, data, deep };
}
