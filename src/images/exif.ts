/**
 * How a photograph was held, by one rule for every format and decoder: Pillow's (ImageOps.exif_transpose). EXIF's orientation
 * counts, of whatever type of number it is; in a JPEG all of its EXIF segments are one block. Where EXIF has none, XMP's does.
 */
import { bytesOfHex, concat, latin1, viewOf } from "../bytes.ts";
import { readDirectory } from "./ifd.ts";

interface Blocks {
  /** A TIFF file of its own. */
  readonly exif?: Uint8Array;
  readonly xmp?: Uint8Array;
}

const orientationTag = 0x0112;
const xmpTag = 700;

/** TIFF's types for bytes, with which Pillow makes no number. */
const byteTypes: readonly number[] = [1, 7];

/** Unpacks zlib's format, to `most` bytes at most; undefined where that is damaged or holds more. */
export type Inflate = (bytes: Uint8Array, most: number) => Uint8Array | undefined;

/**
 * The orientation of an image file's content, from 1 to 8: 1 where there is none that makes sense. Blocks in a PNG may be
 * compressed; those that `inflate` gives nothing for are passed over.
 */
export function orientationOf(bytes: Uint8Array, inflate: Inflate): number {
  const start = latin1(bytes, 0, 12);
  return orientationIn(containers.find(({ begins }) => begins.test(start))?.blocks(bytes, inflate) ?? {});
}

/** That of a JPEG's content. */
export const orientationOfJpeg = (bytes: Uint8Array): number => orientationIn(inJpeg(bytes));

function orientationIn({ exif, xmp }: Blocks): number {
  const fields = exif && readDirectory(exif);
  const field = fields?.get(orientationTag);
  const told = field
    ? byteTypes.includes(field.type)
      ? undefined
      : field.numbers[0]
    : Number(/tiff:Orientation(?:="|>)([0-9])/.exec(textOf(xmp ?? fields?.get(xmpTag)?.bytes))?.[1]);
  return told !== undefined && Number.isInteger(told) && told >= 1 && told <= 8 ? told : 1;
}

const textOf = (bytes: Uint8Array | undefined): string => (bytes ? latin1(bytes) : "");

const exifStart = "Exif\0\0";

/** Some programs write the beginning of EXIF's segments twice, or where it does not belong. */
function withoutStart(exif: Uint8Array): Uint8Array {
  let own = exif;
  while (latin1(own, 0, 6) === exifStart) own = own.subarray(6);
  return own;
}

const xmpStart = "http://ns.adobe.com/xap/1.0/\0";

function inJpeg(bytes: Uint8Array): Blocks {
  const view = viewOf(bytes);
  const exif: Uint8Array[] = [];
  let xmp: Uint8Array | undefined;
  for (let at = 2; at + 4 <= bytes.length; ) {
    const marker = bytes[at + 1];
    // Bytes before a marker are passed over; 0xff may be repeated.
    if (bytes[at] !== 0xff || marker === 0xff || marker === 0) {
      at++;
      continue;
    }
    if (marker === 0xda || marker === 0xd9) break;
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;
      continue;
    }
    const segment = bytes.subarray(at + 4, at + 2 + view.getUint16(at + 2));
    if (marker === 0xe1) {
      const start = latin1(segment, 0, xmpStart.length);
      if (start.startsWith(exifStart)) exif.push(segment.subarray(6));
      else if (start === xmpStart) xmp = segment.subarray(xmpStart.length);
    }
    at += 2 + Math.max(2, view.getUint16(at + 2));
  }
  return { exif: withoutStart(concat(exif)), xmp };
}

/** Text that is longer is no block of EXIF or XMP. */
const mostText = 2 ** 24;

/** ImageMagick's way of keeping a block as text: its name, its length, and its bytes in hexadecimal digits. */
function ofProfile(text: Uint8Array | undefined): Uint8Array | undefined {
  const digits = /^\s*exif\s+\d+\s+([0-9a-f\s]+)$/i.exec(textOf(text))?.[1];
  return digits === undefined ? undefined : bytesOfHex(digits.replace(/\s/g, ""));
}

/** What follows `zeros` zero bytes. */
function after(bytes: Uint8Array, zeros: number): Uint8Array {
  let at = 0;
  for (let i = 0; i < zeros && at >= 0; i++) at = bytes.indexOf(0, at) + 1 || -1;
  return at < 0 ? new Uint8Array(0) : bytes.subarray(at);
}

const xmpKey = "XML:com.adobe.xmp\0";
const profileKey = "Raw profile type exif\0";

function inPng(bytes: Uint8Array, inflate: Inflate): Blocks {
  const view = viewOf(bytes);
  let exif: Uint8Array | undefined;
  let profile: Uint8Array | undefined;
  let xmp: Uint8Array | undefined;
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const type = latin1(bytes, at + 4, at + 8);
    const data = bytes.subarray(at + 8, at + 8 + length);
    const start = latin1(data, 0, profileKey.length);
    if (type === "eXIf") exif = data;
    else if (type === "tEXt" && start === profileKey) profile = ofProfile(after(data, 1));
    else if (type === "zTXt" && start === profileKey)
      profile = ofProfile(inflate(after(data, 1).subarray(1), mostText));
    else if (type === "iTXt" && start.startsWith(xmpKey)) {
      const [compressed] = data.subarray(xmpKey.length);
      // Behind the two bytes of compression stand a language and a translated key.
      const text = after(data.subarray(xmpKey.length + 2), 2);
      xmp = compressed === 1 ? inflate(text, mostText) : text;
    }
    at += 12 + length;
  }
  const block = exif ?? profile;
  return { exif: block && withoutStart(block), xmp };
}

function inWebp(bytes: Uint8Array): Blocks {
  const view = viewOf(bytes);
  let exif: Uint8Array | undefined;
  let xmp: Uint8Array | undefined;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at + 4, true);
    const type = latin1(bytes, at, at + 4);
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (type === "EXIF") exif ??= withoutStart(data);
    if (type === "XMP ") xmp ??= data;
    at += 8 + length + (length & 1);
  }
  return { exif, xmp };
}

/** The files that have such blocks, by their first bytes. */
const containers: readonly {
  readonly begins: RegExp;
  readonly blocks: (bytes: Uint8Array, inflate: Inflate) => Blocks;
}[] = [
  { begins: /^\xff\xd8\xff/, blocks: inJpeg },
  { begins: /^\x89PNG/, blocks: inPng },
  { begins: /^RIFF[\s\S]{4}WEBP/, blocks: inWebp },
  { begins: /^(?:II[*+]\0|MM\0[*+])/, blocks: (bytes) => ({ exif: bytes }) },
];
