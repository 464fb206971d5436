/**
 * JPEG by TensorFlow's default method without native code: what libjpeg-turbo gives with its fast integer transform and smooth
 * upsampling, bit for bit. For files of which `readJpegHeader` tells a header.
 */
import { viewOf } from "../bytes.ts";
import { ImageError } from "../errors.ts";
import type { FastPixels, Room } from "../platform/decoder.ts";
import { type Bits, bitsOf, type Codes, codesOf, nextMarker } from "./jpeg-decode-bits.ts";
import { factorsOf, type Plane, toPixels, transform } from "./jpeg-decode-pixels.ts";
import { type Band, type Component, type Part, readScan, zigzag } from "./jpeg-decode-scan.ts";
import { usualCodes } from "./jpeg-decode-usual.ts";

const ended = 0xd9;
const progressive = 0xc2;
/** No bit of a coefficient is known yet. */
const unknown = -1;

interface Drawn {
  readonly component: Component;
  readonly plane: Plane;
  /** Which table of quantisation it asks for, and the one that it was given by its first scan. */
  readonly table: number;
  factors?: Int16Array;
  /** The coefficients of all blocks, in a progressive file. */
  readonly coefficients?: Int16Array;
  /** Of each coefficient of a progressive file the lowest bit that is known. */
  readonly known: Int8Array;
}

interface Frame {
  readonly progressive: boolean;
  readonly width: number;
  readonly height: number;
  /** Units of scans of several components. */
  readonly units: readonly [number, number];
  /** Pixels for a sample of colour. */
  readonly across: number;
  readonly down: number;
  readonly drawn: readonly Drawn[];
}

/** What segments have said so far. */
interface Said {
  readonly quantisation: (Uint16Array | undefined)[];
  readonly dc: (Codes | undefined)[];
  readonly ac: (Codes | undefined)[];
  interval: number;
  jfif: boolean;
  /** Whether JFIF's segment is of another version than 1. */
  odd: boolean;
  /** Which transform of colours Adobe's segment tells. */
  adobe?: number;
  frame?: Frame;
}

const nothing = (): Said => ({ quantisation: [], dc: [], ac: [], interval: 0, jfif: false, odd: false });

const wrong = (what: string) => new ImageError(`it has ${what}`);

function readQuantisation(segment: Uint8Array, said: Said): void {
  for (let at = 0; at < segment.length; ) {
    const wide = segment[at] >> 4 > 0;
    const number = segment[at++] & 15;
    const size = wide ? 128 : 64;
    if (number > 3 || at + size > segment.length) throw wrong("a table of quantisation that is none");
    const table = new Uint16Array(64);
    for (let k = 0; k < 64; k++)
      table[zigzag[k]] = wide ? (segment[at + 2 * k] << 8) | segment[at + 2 * k + 1] : segment[at + k];
    said.quantisation[number] = table;
    at += size;
  }
}

function readCodes(segment: Uint8Array, said: Said): void {
  for (let at = 0; at < segment.length; ) {
    const [kind, number] = [segment[at] >> 4, segment[at] & 15];
    const counts = segment.subarray(at + 1, at + 17);
    const count = counts.reduce((sum, some) => sum + some, 0);
    const symbols = segment.subarray(at + 17, at + 17 + count);
    if (kind > 1 || number > 3 || counts.length < 16 || count > 256 || symbols.length < count)
      throw wrong("a table of Huffman codes that is none");
    if (kind === 0 && symbols.some((value) => value > 15)) throw wrong("Huffman codes that are none");
    said[kind === 0 ? "dc" : "ac"][number] = codesOf(counts, symbols);
    at += 17 + count;
  }
}

/** Puts the usual tables where a file that is not progressive has none (jstdhuff.c). */
function fillIn(said: Said): void {
  const usual = nothing();
  readCodes(usualCodes, usual);
  for (const i of [0, 1]) {
    said.dc[i] ??= usual.dc[i];
    said.ac[i] ??= usual.ac[i];
  }
}

function readFrame(segment: Uint8Array, kind: number): Frame {
  const view = viewOf(segment);
  const [height, width, count] = [view.getUint16(1), view.getUint16(3), segment[5]];
  const [across, down] = count === 1 ? [1, 1] : [segment[7] >> 4, segment[7] & 15];
  const units = [Math.ceil(width / (8 * across)), Math.ceil(height / (8 * down))] as const;
  const drawn = Array.from({ length: count }, (_, i): Drawn => {
    const [h, v] = i === 0 ? [across, down] : [1, 1];
    const size = {
      width: Math.ceil((width * h) / across),
      height: Math.ceil((height * v) / down),
    };
    const [stride, rows] = [units[0] * h, units[1] * v];
    return {
      component: {
        id: segment[6 + 3 * i],
        across: h,
        down: v,
        wide: Math.ceil(size.width / 8),
        high: Math.ceil(size.height / 8),
        stride,
      },
      plane: { ...size, stride: 8 * stride, samples: new Uint8ClampedArray(64 * stride * rows).fill(128) },
      table: segment[8 + 3 * i],
      ...(kind === progressive ? { coefficients: new Int16Array(64 * stride * rows) } : {}),
      known: new Int8Array(64).fill(unknown),
    };
  });
  return { progressive: kind === progressive, width, height, units, across, down, drawn };
}

/** Which band a scan of a progressive file has. @throws ImageError */
function bandOf(segment: Uint8Array, parts: readonly Drawn[], bits: Bits): Band {
  const [first, last, both] = segment.subarray(segment.length - 3);
  const band = { first, last, high: both >> 4, low: both & 15 };
  const fits = first === 0 ? last === 0 : first <= last && last <= 63 && parts.length === 1;
  if (!fits || (band.high > 0 && band.low !== band.high - 1) || band.low > 13)
    throw wrong("a scan that is none");
  for (const { known } of parts) {
    if (first > 0 && known[0] === unknown) bits.doubtful = true;
    for (let k = first; k <= last; k++) {
      if (band.high !== Math.max(0, known[k])) bits.doubtful = true;
      known[k] = band.low;
    }
  }
  return band;
}

/** Where blocks of a scan are read to: transformed at once, or kept until all their bits are there. */
function partOf(drawn: Drawn, codes: Pick<Part, "dc" | "ac">): Part {
  const { component, coefficients, plane } = drawn;
  const start = { component, ...codes, before: 0 };
  if (coefficients) return { ...start, block: (index) => coefficients.subarray(64 * index, 64 * index + 64) };
  const block = new Int16Array(64);
  const factors = drawn.factors as Int16Array;
  return {
    ...start,
    block: () => block.fill(0),
    done: (index, last) =>
      transform(block, factors, plane.samples, placeOf(component, index), plane.stride, last),
  };
}

/** The place of a block's first sample. */
const placeOf = ({ stride }: Component, index: number) =>
  64 * stride * Math.floor(index / stride) + 8 * (index % stride);

/** Reads a scan. Tells whether it was the last that counts: a file that is not progressive has one of all components. */
function scan(segment: Uint8Array, said: Said, bits: Bits): boolean {
  const { frame } = said;
  const count = segment[0];
  if (!frame || segment.length !== 4 + 2 * count || count < 1 || count > frame.drawn.length)
    throw wrong("a scan that is none");
  const chosen = Array.from({ length: count }, (_, i) => {
    const drawn = frame.drawn.find(({ component }) => component.id === segment[1 + 2 * i]);
    if (!drawn) throw wrong("a scan of a component that is not there");
    return { drawn, tables: segment[2 + 2 * i] };
  });
  const found = chosen.map(({ drawn }) => drawn);
  if (new Set(found).size < count) throw wrong("a scan of a component that is there twice");
  const [first, last, high] = segment.subarray(segment.length - 3);
  if (!frame.progressive && (first !== 0 || last !== 63 || high !== 0)) bits.doubtful = true;
  const band = frame.progressive ? bandOf(segment, found, bits) : undefined;
  if (!frame.progressive) fillIn(said);
  const parts = chosen.map(({ drawn, tables }) => {
    const table = said.quantisation[drawn.table];
    if (!table) throw wrong("no table of quantisation");
    drawn.factors ??= factorsOf(table);
    const [dc, ac] = [said.dc[tables >> 4], said.ac[tables & 15]];
    const wantsDc = !band || (band.first === 0 && band.high === 0);
    const wantsAc = !band || band.first > 0;
    if ((wantsDc && !dc) || (wantsAc && !ac)) throw wrong("no table of Huffman codes");
    return partOf(drawn, { dc, ac });
  });
  Object.assign(bits, { buffer: 0, left: 0, marker: 0, spent: false });
  readScan(bits, parts, { band, interval: said.interval, units: frame.units });
  return !band && count === frame.drawn.length;
}

/** Reads segments and scans up to the last scan. @throws ImageError for what is no such file. */
function readFile(bytes: Uint8Array, bits: Bits, said: Said): Frame {
  const view = viewOf(bytes);
  for (;;) {
    const marker = bits.marker || nextMarker(bits);
    bits.marker = 0;
    if (marker === ended) break;
    if (marker >= 0xd0 && marker <= 0xd7) continue;
    const { at } = bits;
    const length = at + 2 <= bytes.length ? view.getUint16(at) : 0;
    const segment = bytes.subarray(at + 2, at + length);
    if (length < 2 || segment.length !== length - 2) throw wrong("a segment that is cut off");
    bits.at = at + length;
    if (marker === 0xdb) readQuantisation(segment, said);
    else if (marker === 0xc4) readCodes(segment, said);
    else if (marker === 0xdd) said.interval = (segment[0] << 8) | segment[1];
    else if (marker === 0xe0 && startsWith(segment, "JFIF\0", 12)) {
      said.jfif = true;
      said.odd ||= segment[5] !== 1;
    } else if (marker === 0xee && startsWith(segment, "Adobe", 12)) said.adobe = segment[11];
    else if (marker >= 0xc0 && marker <= 0xc2 && !said.frame) said.frame = readFrame(segment, marker);
    else if (marker === 0xda) {
      if (scan(segment, said, bits)) {
        if ((bits.marker || nextMarker(bits)) !== ended) bits.doubtful = true;
        break;
      }
    } else if ((marker & 0xf0) !== 0xe0 && marker !== 0xfe) throw wrong("a segment of an unknown kind");
  }
  if (!said.frame) throw wrong("no picture");
  return said.frame;
}

const startsWith = (segment: Uint8Array, text: string, least: number) =>
  segment.length >= least && [...text].every((letter, i) => segment[i] === letter.charCodeAt(0));

/** Whether the header tells of a version or of colours that nobody knows. The native decoder takes none of which it warns this early. */
const isOdd = ({ drawn }: Frame, { odd, jfif, adobe = 0 }: Said): boolean =>
  odd || (drawn.length === 3 && !jfif && adobe > 1);

/** Whether the components are red, green and blue, by libjpeg's rules (jdapimin.c). */
function isRgb({ drawn }: Frame, { jfif, adobe }: Said): boolean {
  if (drawn.length < 3 || jfif) return false;
  if (adobe !== undefined) return adobe === 0;
  return drawn.every(({ component }, i) => component.id === "RGB".charCodeAt(i));
}

function finish({ component, coefficients, factors, plane }: Drawn): void {
  if (!coefficients || !factors) return;
  const { stride, wide, high } = component;
  for (let y = 0; y < high; y++) {
    for (let x = 0; x < wide; x++) {
      const index = y * stride + x;
      const block = coefficients.subarray(64 * index, 64 * index + 64);
      transform(block, factors, plane.samples, placeOf(component, index), plane.stride, 63);
    }
  }
}

/** Whether libjpeg would guess what it does not know of a progressive file, which is not done here (`smoothing_ok`). */
const isGuessed = ({ progressive, drawn }: Frame) =>
  progressive && drawn.some(({ known }) => known.subarray(0, 10).some((bit) => bit !== 0));

/** A JPEG into `room`, as `Decoder.fastJpeg` says. Undefined as well where parts of a progressive file would have to be guessed. */
export function decodeFastJpeg(bytes: Uint8Array, room: Room): FastPixels | undefined {
  const bits = bitsOf(bytes, 2);
  const said = nothing();
  try {
    const frame = readFile(bytes, bits, said);
    if (isOdd(frame, said) || isGuessed(frame) || frame.drawn.some(({ factors }) => !factors))
      return undefined;
    for (const drawn of frame.drawn) finish(drawn);
    const data = room(3 * frame.width * frame.height);
    const { across, down } = frame;
    toPixels(
      frame.drawn.map(({ plane }) => plane),
      { across, down, rgb: isRgb(frame, said) },
      new Uint8ClampedArray(data.buffer, data.byteOffset, data.length),
    );
    return { data, doubtful: bits.doubtful };
  } catch (error) {
    if (error instanceof ImageError) return undefined;
    throw error;
  }
}
