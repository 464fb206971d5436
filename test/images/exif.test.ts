/**
 * How photographs are turned: what Pillow 13.0.0 does (ImageOps.exif_transpose), in every format, whatever decodes it. The
 * answers beside the cases are Pillow's, of files that were built as here.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32, deflateSync } from "node:zlib";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { jpegMethods } from "../../src/images/index.ts";
import { decodeImage, nativeDecoder } from "../../src/node/images/index.ts";

type Entry = readonly [tag: number, type: number, count: number, value: readonly number[] | string];

const orientation = 0x0112;
const make = (length: number, character: string): Entry => [0x010f, 2, length, character.repeat(length)];

/** A block of EXIF, little-endian unless asked otherwise. */
function block(entries: readonly Entry[], { big = false, first = 8, magic = 42 } = {}): Buffer {
  const u16 = (n: number) => Buffer.from(big ? [n >> 8, n & 255] : [n & 255, n >> 8]);
  const u32 = (n: number) =>
    Buffer.concat(big ? [u16(n >>> 16), u16(n & 0xffff)] : [u16(n & 0xffff), u16(n >>> 16)]);
  let behind = Buffer.alloc(0);
  const rows = entries.map(([tag, type, count, value]) => {
    const data = typeof value === "string" ? Buffer.from(value, "latin1") : Buffer.from(value);
    const place = first + 2 + 12 * entries.length + 4 + behind.length;
    if (data.length > 4) behind = Buffer.concat([behind, data]);
    const field = data.length > 4 ? u32(place) : Buffer.concat([data, Buffer.alloc(4 - data.length)]);
    return Buffer.concat([u16(tag), u16(type), u32(count), field]);
  });
  const head = Buffer.concat([
    Buffer.from(big ? "MM" : "II"),
    u16(magic),
    u32(first),
    Buffer.alloc(first - 8),
  ]);
  return Buffer.concat([head, u16(entries.length), ...rows, u32(0), behind]);
}

const short = (n: number): Entry => [orientation, 3, 1, [n, 0]];
const of = (type: number, value: readonly number[], count = 1) => block([[orientation, type, count, value]]);
const doubleOf = (n: number) => [...new Uint8Array(Float64Array.of(n).buffer)];
const floatOf = (n: number) => [...new Uint8Array(Float32Array.of(n).buffer)];

const app1 = (start: string, content: Buffer | string) => {
  const bytes = Buffer.concat([Buffer.from(start, "latin1"), Buffer.from(content as string)]);
  return Buffer.concat([Buffer.from([0xff, 0xe1, (bytes.length + 2) >> 8, (bytes.length + 2) & 255]), bytes]);
};
const exif = (content: Buffer) => app1("Exif\0\0", content);
const xmp = (content: string) => app1("http://ns.adobe.com/xap/1.0/\0", content);
const attribute = (n: number) => `<rdf:Description tiff:Orientation="${n}"/>`;

const split = block([make(30, "b"), [orientation, 5, 1, [6, 0, 0, 0, 1, 0, 0, 0]]]);

const jpegs: readonly (readonly [what: string, segments: readonly Buffer[], pillow: number])[] = [
  ["a number of two bytes", [exif(block([short(6)]))], 6],
  ["one of big-endian order", [exif(block([[orientation, 3, 1, [0, 6]]], { big: true }))], 6],
  ["LONG", [exif(of(4, [6, 0, 0, 0]))], 6],
  ["LONG, big-endian", [exif(block([[orientation, 4, 1, [0, 0, 0, 6]]], { big: true }))], 6],
  ["LONG8", [exif(of(16, [6, 0, 0, 0, 0, 0, 0, 0]))], 6],
  ["an offset", [exif(of(13, [6, 0, 0, 0]))], 6],
  ["SBYTE", [exif(of(6, [6]))], 6],
  ["SSHORT", [exif(of(8, [6, 0]))], 6],
  ["SLONG", [exif(of(9, [6, 0, 0, 0]))], 6],
  ["RATIONAL", [exif(of(5, [12, 0, 0, 0, 2, 0, 0, 0]))], 6],
  ["SRATIONAL", [exif(of(10, [6, 0, 0, 0, 1, 0, 0, 0]))], 6],
  ["a float", [exif(of(11, floatOf(6)))], 6],
  ["a double", [exif(of(12, doubleOf(6)))], 6],
  ["a byte", [exif(of(1, [6]))], 1],
  ["text", [exif(block([[orientation, 2, 2, "6\0"]]))], 1],
  ["bytes without a meaning", [exif(of(7, [6]))], 1],
  ["a type that is none", [exif(of(99, [6, 0, 0, 0]))], 1],
  ["two numbers", [exif(of(3, [6, 0, 3, 0], 2))], 6],
  ["two LONGs", [exif(of(4, [6, 0, 0, 0, 3, 0, 0, 0], 2))], 6],
  ["no number", [exif(of(3, [6, 0], 0))], 1],
  ["0", [exif(block([short(0)]))], 1],
  ["9", [exif(block([short(9)]))], 1],
  ["two fields of the tag", [exif(block([short(6), short(3)]))], 6],
  ["a directory further back", [exif(block([short(6)], { first: 20 }))], 6],
  ["BigTIFF's number before a classic directory", [exif(block([short(6)], { magic: 43 }))], 1],
  [
    "a directory that is cut off behind it",
    [exif(block([make(4, "a"), short(6), make(4, "c")]).subarray(0, 37))],
    6,
  ],
  ["a value before it that is cut off", [exif(block([make(40, "a"), short(6)]).subarray(0, 40))], 1],
  ["two segments, the first of which has it", [exif(block([short(6)])), exif(block([short(3)]))], 6],
  ["two segments, the second of which has it", [exif(block([make(4, "a")])), exif(block([short(6)]))], 1],
  ["one block in two segments", [exif(split.subarray(0, 60)), exif(split.subarray(60))], 6],
  ["an empty segment before it", [exif(Buffer.alloc(0)), exif(block([short(6)]))], 6],
  ["a segment of nonsense before it", [exif(Buffer.from("garbage!")), exif(block([short(6)]))], 1],
  ["a segment's beginning twice", [exif(Buffer.concat([Buffer.from("Exif\0\0"), block([short(6)])]))], 6],
  ["a segment of another name", [app1("EXIF\0\0", block([short(6)]))], 1],
  ["XMP's attribute", [xmp(attribute(6))], 6],
  ["XMP's element", [xmp("<tiff:Orientation>6</tiff:Orientation>")], 6],
  ["XMP's attribute in single quotes", [xmp("<rdf:Description tiff:Orientation='6'/>")], 1],
  ["XMP of 9", [xmp(attribute(9))], 1],
  ["XMP twice", [xmp(attribute(6)), xmp(attribute(3))], 3],
  ["XMP beside EXIF", [xmp(attribute(6)), exif(block([short(3)]))], 3],
  ["XMP beside EXIF without it", [xmp(attribute(6)), exif(block([make(4, "a")]))], 6],
  ["XMP beside EXIF's byte", [xmp(attribute(6)), exif(of(1, [3]))], 1],
  ["XMP beside EXIF's 9", [xmp(attribute(6)), exif(block([short(9)]))], 1],
];

const picture = sharp({ create: { width: 24, height: 16, channels: 3, background: "#40a080" } });

const withSegments = (jpeg: Buffer, segments: readonly Buffer[]) =>
  Buffer.concat([jpeg.subarray(0, 2), ...segments, jpeg.subarray(2)]);

describe("the orientation of a JPEG", () => {
  it.each(jpegs)("as %s is Pillow's by both methods", async (_, segments, pillow) => {
    const bytes = withSegments(await picture.jpeg().toBuffer(), segments);
    for (const jpeg of jpegMethods) {
      if (jpeg === "fast" && !nativeDecoder.fastJpeg) continue;
      const pixels = await decodeImage(bytes, { jpeg });
      expect(pixels, jpeg).toMatchObject({ jpeg, orientation: pillow, turned: pillow > 1 });
      expect([pixels.width, pixels.height]).toEqual(pillow > 4 ? [16, 24] : [24, 16]);
      expect(await decodeImage(bytes, { jpeg, exif: "ignore" })).toMatchObject({ width: 24, turned: false });
    }
  });

  it("as LONG, in a photograph that was turned by one method only", async () => {
    const bytes = readFileSync(join(import.meta.dirname, "../reference/cases/orient_long.jpg"));
    for (const jpeg of jpegMethods) {
      if (jpeg === "fast" && !nativeDecoder.fastJpeg) continue;
      expect(await decodeImage(bytes, { jpeg })).toMatchObject({
        jpeg,
        orientation: 6,
        width: 180,
        height: 240,
      });
    }
  });

  it("holds for what the fast decoder does not take", async () => {
    const cmyk = await picture.clone().toColourspace("cmyk").jpeg().toBuffer();
    const bytes = withSegments(cmyk, [exif(of(4, [6, 0, 0, 0]))]);
    expect(await decodeImage(bytes)).toMatchObject({
      jpeg: "accurate",
      orientation: 6,
      width: 16,
      height: 24,
    });
  });
});

function chunk(type: string, ...parts: readonly (string | Buffer)[]): Buffer {
  const content = Buffer.concat([Buffer.from(type), ...parts.map((p) => Buffer.from(p as string))]);
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32BE(content.length - 4, 0);
  numbers.writeUInt32BE(crc32(content), 4);
  return Buffer.concat([numbers.subarray(0, 4), content, numbers.subarray(4)]);
}

const profile = (content: Buffer) => {
  const own = Buffer.concat([Buffer.from("Exif\0\0"), content]);
  return `\nexif\n${String(own.length).padStart(8)}\n${own.toString("hex")}\n`;
};

describe("the orientation of a PNG", () => {
  it.each<[string, Buffer, number, ("end" | undefined)?]>([
    ["SHORT", chunk("eXIf", block([short(6)])), 6],
    ["LONG", chunk("eXIf", of(4, [6, 0, 0, 0])), 6],
    ["RATIONAL", chunk("eXIf", of(5, [6, 0, 0, 0, 1, 0, 0, 0])), 6],
    ["a byte", chunk("eXIf", of(1, [6])), 1],
    ["9", chunk("eXIf", block([short(9)])), 1],
    ["two fields", chunk("eXIf", block([short(6), short(3)])), 6],
    ["a chunk behind the pixels", chunk("eXIf", block([short(6)])), 6, "end"],
    ["XMP", chunk("iTXt", "XML:com.adobe.xmp\0\0\0\0\0", attribute(6)), 6],
    ["compressed XMP", chunk("iTXt", "XML:com.adobe.xmp\0\x01\0\0\0", deflateSync(attribute(6))), 6],
    ["text of digits", chunk("tEXt", "Raw profile type exif\0", profile(block([short(6)]))), 6],
    [
      "compressed digits",
      chunk("zTXt", "Raw profile type exif\0\0", deflateSync(profile(block([short(6)])))),
      6,
    ],
  ])("as %s is Pillow's", async (_, own, pillow, where) => {
    const png = await picture.png().toBuffer();
    const at = png.indexOf(where === "end" ? "IEND" : "IDAT") - 4;
    const bytes = Buffer.concat([png.subarray(0, at), own, png.subarray(at)]);
    expect(await decodeImage(bytes)).toMatchObject({ orientation: pillow, width: pillow > 4 ? 16 : 24 });
  });
});

describe("the orientation of a WebP", () => {
  it.each<[string, string, Buffer, number]>([
    ["SHORT", "EXIF", block([short(6)]), 6],
    ["LONG", "EXIF", of(4, [6, 0, 0, 0]), 6],
    ["a byte", "EXIF", of(1, [6]), 1],
    ["9", "EXIF", block([short(9)]), 1],
    [
      "a block with JPEG's beginning",
      "EXIF",
      Buffer.concat([Buffer.from("Exif\0\0"), of(4, [6, 0, 0, 0])]),
      6,
    ],
    ["XMP", "XMP ", Buffer.from(attribute(6)), 6],
  ])("as %s is Pillow's", async (_, type, own, pillow) => {
    const webp = await picture.webp({ lossless: true }).toBuffer();
    const u32 = (n: number) => Buffer.from(Uint32Array.of(n).buffer);
    const riff = (name: string, data: Buffer) =>
      Buffer.concat([Buffer.from(name), u32(data.length), data, Buffer.alloc(data.length & 1)]);
    const flags = type === "EXIF" ? 8 : 4;
    const body = Buffer.concat([
      Buffer.from("WEBP"),
      riff("VP8X", Buffer.from([flags, 0, 0, 0, 23, 0, 0, 15, 0, 0])),
      webp.subarray(12),
      riff(type, own),
    ]);
    const bytes = Buffer.concat([Buffer.from("RIFF"), u32(body.length), body]);
    expect(await decodeImage(bytes)).toMatchObject({ orientation: pillow, width: pillow > 4 ? 16 : 24 });
  });
});

describe("the orientation of a TIFF", () => {
  it.each<[string, number, readonly number[], number]>([
    ["SHORT", 3, [6, 0], 6],
    ["LONG", 4, [6, 0, 0, 0], 6],
    ["RATIONAL", 5, [6, 0, 0, 0, 1, 0, 0, 0], 6],
    ["a byte", 1, [6], 1],
  ])("as %s is Pillow's", async (_, type, value, pillow) => {
    const pixels = "x".repeat(3 * 24 * 16);
    const at = 8 + 2 + 12 * 9 + 4 + 6 + (value.length > 4 ? value.length : 0);
    const bytes = Buffer.concat([
      block([
        [256, 3, 1, [24, 0]],
        [257, 3, 1, [16, 0]],
        [258, 3, 3, [8, 0, 8, 0, 8, 0]],
        [262, 3, 1, [2, 0]],
        [273, 3, 1, [at & 255, at >> 8]],
        [orientation, type, 1, value],
        [277, 3, 1, [3, 0]],
        [278, 3, 1, [16, 0]],
        [279, 3, 1, [pixels.length & 255, pixels.length >> 8]],
      ]),
      Buffer.from(pixels),
    ]);
    expect(await decodeImage(bytes)).toMatchObject({ orientation: pillow, width: pillow > 4 ? 16 : 24 });
  });
});
