/** What TIFF files hold: pictures as they are, and all else a failed image that says what it is. */
import { describe, expect, it } from "vitest";
import { ImageError } from "../../src/errors.ts";
import { decodeImage } from "../../src/node/images/index.ts";

interface Wish {
  readonly bits: number | readonly number[];
  /** Of 2 rows, each the same. */
  readonly row: readonly number[];
  readonly channels?: number;
  readonly colours?: number;
  readonly format?: number | readonly number[];
  readonly extra?: readonly number[];
  readonly palette?: readonly number[];
  readonly inks?: number;
  readonly more?: readonly (readonly [tag: number, value: number])[];
  readonly big?: boolean;
  readonly bigEndian?: boolean;
}

/** A TIFF file, uncompressed, in one strip; rows are packed bit by bit. */
function tiff(wish: Wish): Buffer {
  const { channels = 1, colours = 1, row, big = false, bigEndian = false } = wish;
  const bits = [wish.bits].flat();
  const depth = bits[0];
  const number = (value: number, width: number) => {
    const bytes = Buffer.alloc(width);
    for (let i = 0; i < width; i++) bytes[bigEndian ? width - 1 - i : i] = Math.floor(value / 256 ** i) % 256;
    return bytes;
  };
  const packed = (values: readonly number[]) => {
    if (depth % 8 === 0) return Buffer.concat(values.map((v) => number(v, depth / 8)));
    const digits = values.map((v) => v.toString(2).padStart(depth, "0")).join("");
    return Buffer.from(
      (digits.match(/.{1,8}/g) ?? []).map((byte) => Number.parseInt(byte.padEnd(8, "0"), 2)),
    );
  };
  const pixels = Buffer.concat([packed(row), packed(row)]);
  const each = (value: number | readonly number[] | undefined) =>
    typeof value === "number" ? Array.from({ length: channels }, () => value) : value;
  const fields: (readonly [tag: number, values: readonly number[] | undefined])[] = [
    [256, [row.length / channels]],
    [257, [2]],
    [258, bits.length > 1 ? bits : each(depth)],
    [259, [1]],
    [262, [colours]],
    [273, [-1]],
    [277, [channels]],
    [278, [2]],
    [279, [pixels.length]],
    [320, wish.palette],
    [332, wish.inks === undefined ? undefined : [wish.inks]],
    [338, wish.extra],
    [339, each(wish.format)],
    ...(wish.more ?? []).map(([tag, value]) => [tag, [value]] as const),
  ];
  const there = fields
    .flatMap(([tag, values]) => (values ? [{ tag, values }] : []))
    .sort((a, b) => a.tag - b.tag);
  const width = big ? 8 : 4;
  const head = big ? 16 : 8;
  const end = head + (big ? 8 : 2) + (4 + 2 * width) * there.length + width;
  const behind = there.map(({ values }) => values.length * 2).filter((n) => n > width);
  const start = end + behind.reduce((a, b) => a + b, 0);
  let at = end;
  const blobs: Buffer[] = [];
  const rows = there.map(({ tag, values }) => {
    const offset = values[0] === -1;
    const bytes = offset ? number(start, 4) : Buffer.concat(values.map((v) => number(v, 2)));
    let field = Buffer.concat([bytes, Buffer.alloc(Math.max(0, width - bytes.length))]);
    if (bytes.length > width) {
      blobs.push(bytes);
      field = number(at, width);
      at += bytes.length;
    }
    return Buffer.concat([number(tag, 2), number(offset ? 4 : 3, 2), number(values.length, width), field]);
  });
  return Buffer.concat([
    Buffer.from(bigEndian ? "MM" : "II"),
    number(big ? 43 : 42, 2),
    ...(big ? [number(8, 2), number(0, 2)] : []),
    number(head, width),
    number(there.length, big ? 8 : 2),
    ...rows,
    number(0, width),
    ...blobs,
    pixels,
  ]);
}

const floats = (values: readonly number[]) => [...new Uint32Array(Float32Array.from(values).buffer)];
const grey = (values: readonly number[]) => values.flatMap((v) => [v, v, v]);
const rising = Array.from({ length: 12 }, (_, i) => 20 * i);

describe("a TIFF of a picture", () => {
  it.each<[string, Wish, readonly number[]]>([
    ["8-bit grey", { bits: 8, row: [0, 85, 170, 255] }, grey([0, 85, 170, 255])],
    ["16-bit grey", { bits: 16, row: [0x1234, 0xabcd, 0xff00, 0xff] }, grey([0x12, 0xab, 0xff, 0])],
    ["16-bit grey, big-endian", { bits: 16, row: [0x1234, 0xabcd], bigEndian: true }, grey([0x12, 0xab])],
    ["16-bit grey in BigTIFF", { bits: 16, row: [0x1234, 0xabcd], big: true }, grey([0x12, 0xab])],
    ["8-bit grey, white is zero", { bits: 8, row: [0, 85, 255], colours: 0 }, grey([255, 170, 0])],
    ["16-bit grey, white is zero", { bits: 16, row: [0, 0xffff], colours: 0 }, grey([255, 0])],
    ["1-bit grey", { bits: 1, row: [0, 1, 1, 0] }, grey([0, 255, 255, 0])],
    ["4-bit grey", { bits: 4, row: [0, 5, 10, 15] }, grey([0, 85, 170, 255])],
    ["grey with alpha", { bits: 8, channels: 2, extra: [2], row: [10, 0, 200, 255] }, grey([10, 200])],
    ["8-bit RGB", { bits: 8, channels: 3, colours: 2, row: rising }, rising],
    [
      "16-bit RGB",
      { bits: 16, channels: 3, colours: 2, row: [0x1234, 0xabcd, 0xff00, 0xff, 0x8080, 0x7fff] },
      [0x12, 0xab, 0xff, 0, 0x80, 0x7f],
    ],
    [
      "RGB with alpha",
      { bits: 8, channels: 4, colours: 2, extra: [2], row: [1, 2, 3, 0, 4, 5, 6, 255] },
      [1, 2, 3, 4, 5, 6],
    ],
    ["samples that say nothing of themselves", { bits: 8, format: 4, row: [0, 85, 255] }, grey([0, 85, 255])],
    [
      "a palette",
      { bits: 1, colours: 3, row: [1, 0], palette: [0, 0xffff, 0x8080, 0x4040, 0xffff, 0] },
      [255, 64, 0, 0, 128, 255],
    ],
    ["CMYK", { bits: 8, channels: 4, colours: 5, row: [40, 90, 160, 30] }, [189, 145, 83]],
  ])("of %s is read", async (_, wish, pixels) => {
    const { data, note, ...facts } = await decodeImage(tiff(wish));
    expect(facts).toMatchObject({ format: "tiff", height: 2, width: pixels.length / 3 });
    expect([...data]).toEqual([...pixels, ...pixels]);
    expect(note).toBeUndefined();
  });
});

describe("a TIFF that holds no picture", () => {
  it.each<[string, Wish, string]>([
    [
      "32-bit floats",
      { bits: 32, format: 3, row: floats([0, 0.5, 1]) },
      "32-bit floating-point numbers (grey)",
    ],
    [
      "32-bit floats of RGB",
      { bits: 32, format: 3, channels: 3, colours: 2, row: floats([0, 0.5, 1]) },
      "32-bit floating-point numbers (RGB)",
    ],
    [
      "32-bit floats in BigTIFF",
      { bits: 32, format: 3, row: floats([0, 1]), big: true },
      "32-bit floating-point",
    ],
    [
      "big-endian 32-bit floats",
      { bits: 32, format: 3, row: [0, 1], bigEndian: true },
      "32-bit floating-point",
    ],
    ["64-bit floats", { bits: 64, format: 3, row: [0, 1] }, "64-bit floating-point numbers"],
    ["16-bit floats", { bits: 16, format: 3, row: [0, 0x3c00] }, "16-bit floating-point numbers"],
    ["8-bit numbers with a sign", { bits: 8, format: 2, row: [0, 200] }, "8-bit whole numbers with a sign"],
    [
      "16-bit numbers with a sign",
      { bits: 16, format: 2, row: [0, 40000] },
      "16-bit whole numbers with a sign",
    ],
    [
      "32-bit numbers with a sign",
      { bits: 32, format: 2, row: [28000, 251000] },
      "32-bit whole numbers with a sign",
    ],
    ["32-bit numbers", { bits: 32, row: [0, 4080000000] }, "32-bit whole numbers (grey)"],
    [
      "32-bit samples that say nothing of themselves",
      { bits: 32, format: 4, row: [0, 1] },
      "32-bit whole numbers",
    ],
    ["24-bit numbers", { bits: 24, row: [0, 2 ** 24 - 1] }, "24-bit whole numbers"],
    ["64-bit numbers", { bits: 64, row: [0, 1] }, "64-bit whole numbers"],
    ["complex numbers", { bits: 64, format: 6, row: [0, 1] }, "64-bit complex numbers"],
    ["samples of an unknown kind", { bits: 8, format: 9, row: [0, 1] }, "8-bit samples of format 9"],
    ["12-bit samples", { bits: 12, row: [0, 1365, 4095] }, "12-bit samples (grey)"],
    ["5 channels", { bits: 8, channels: 5, extra: [0, 0, 0, 0], row: [1, 2, 3, 4, 5] }, "5 channels (grey)"],
    [
      "3 channels that are no colours",
      { bits: 8, channels: 3, extra: [0, 0], row: [1, 2, 3] },
      "3 channels (grey)",
    ],
    ["8 channels of 16 bits", { bits: 16, channels: 8, row: [1, 2, 3, 4, 5, 6, 7, 8] }, "8 channels (grey)"],
    [
      "RGB and more",
      { bits: 8, channels: 5, colours: 2, extra: [0, 0], row: [1, 2, 3, 4, 5] },
      "5 channels (RGB)",
    ],
    [
      "CMYK and more",
      { bits: 8, channels: 5, colours: 5, extra: [0], row: [1, 2, 3, 4, 5] },
      "5 channels (CMYK)",
    ],
    ["other inks", { bits: 8, channels: 4, colours: 5, inks: 2, row: [1, 2, 3, 4] }, "4 channels (CMYK)"],
    ["CMYK of 16 bits", { bits: 16, channels: 4, colours: 5, row: [1, 2, 3, 4] }, "16-bit samples (CMYK)"],
    ["CIELab", { bits: 16, channels: 3, colours: 8, row: [40000, 5000, 0] }, "CIELab"],
    ["a mask", { bits: 1, colours: 4, row: [0, 1] }, "a mask"],
    [
      "LogLuv",
      { bits: 16, channels: 3, colours: 32845, format: 2, row: [1, 2, 3] },
      "16-bit whole numbers with a sign (LogLuv)",
    ],
    ["a sensor's data", { bits: 16, colours: 32803, row: [100, 200] }, "a camera's raw sensor data"],
    ["a DNG's preview", { bits: 8, row: [100, 200], more: [[50706, 1]] }, "a camera's raw sensor data"],
    ["colours of an unknown kind", { bits: 8, colours: 77, row: [1, 2] }, "colours of kind 77"],
    [
      "channels of different types",
      { bits: [8, 16, 8], channels: 3, colours: 2, row: [1, 2, 3] },
      "8, 16, 8 bits",
    ],
  ])("but %s is refused with what it holds and what to do", async (_, wish, holds) => {
    const refused = decodeImage(tiff(wish));
    await expect(refused).rejects.toThrow(ImageError);
    await expect(refused).rejects.toThrow(holds);
    await expect(refused).rejects.toThrow(/save it as|export it as/);
  });
});

describe("a picture of 16 bits that uses few of them", () => {
  it.each([
    [12, 4095, /reach no further than 4095 of 65535, so that it is nearly black/],
    [10, 1000, /reach no further than 1023 of 65535, so that it is nearly black/],
    [14, 16383, /reach no further than 16383 of 65535, so that it is dark/],
  ])("such as %i is read, and says so", async (_, most, said) => {
    const { data, note } = await decodeImage(tiff({ bits: 16, row: [0, most] }));
    expect([...data.subarray(3, 6)]).toEqual([most >> 8, most >> 8, most >> 8]);
    expect(note).toMatch(said);
  });

  it("is not doubted where they are full", async () => {
    expect((await decodeImage(tiff({ bits: 16, row: [0, 0x4000] }))).note).toBeUndefined();
    expect((await decodeImage(tiff({ bits: 8, row: [0, 3] }))).note).toBeUndefined();
  });
});
