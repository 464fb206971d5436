/** Which picture an animation gives: of a GIF TensorFlow's first frame (decode_gif), of the others as README says. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32, deflateSync } from "node:zlib";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { decodeImage } from "../../src/node/images/index.ts";

type Frame = readonly [left: number, top: number, width: number, height: number, colour: number];

/** Colours 0 to 3 of every GIF here. */
const palette = [
  [10, 20, 30],
  [200, 0, 0],
  [0, 200, 0],
  [0, 0, 200],
];

const u16 = (...values: number[]) => values.flatMap((v) => [v & 255, v >> 8]);

/** Frames of one colour each. Codes of 8 bits are bytes as long as the table is cleared in time. */
function gif([width, height]: readonly [number, number], frames: readonly Frame[]): Buffer {
  const drawn = frames.flatMap(([left, top, w, h, colour]) => {
    const codes = Array.from({ length: w * h }, (_, i) => (i % 100 === 0 ? [128, colour] : [colour])).flat();
    const blocks: number[] = [];
    for (const all = [...codes, 129]; all.length > 0; ) {
      const some = all.splice(0, 255);
      blocks.push(some.length, ...some);
    }
    return [0x21, 0xf9, 4, 0, 10, 0, 0, 0, 0x2c, ...u16(left, top, w, h), 0, 7, ...blocks, 0];
  });
  const table = Array.from({ length: 128 }, (_, i) => palette[i] ?? [0, 0, 0]).flat();
  return Buffer.from([...Buffer.from("GIF89a"), ...u16(width, height), 0xf6, 0, 0, ...table, ...drawn, 0x3b]);
}

/** The picture row by row: the colour of each pixel, "." for black. */
async function drawnBy(bytes: Buffer): Promise<string[]> {
  const { width, height, data } = await decodeImage(bytes);
  const pixel = (at: number) => {
    const index = palette.findIndex((colour) => colour.every((v, c) => data[3 * at + c] === v));
    return index >= 0 ? String(index) : data.subarray(3 * at, 3 * at + 3).every((v) => v === 0) ? "." : "?";
  };
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => pixel(y * width + x)).join(""),
  );
}

describe("the first frame of a GIF", () => {
  it("that is smaller than the screen is the picture, as in TensorFlow", async () => {
    const bytes = readFileSync(join(import.meta.dirname, "../reference/cases/partial.gif"));
    const pixels = await decodeImage(bytes);
    expect(pixels).toMatchObject({ format: "gif", width: 100, height: 80 });
    expect([...pixels.data.subarray(0, 3)]).toEqual([67, 125, 214]);
  });

  it.each<[string, readonly [number, number], readonly Frame[], readonly string[]]>([
    ["covers the screen", [4, 2], [[0, 0, 4, 2, 1]], ["1111", "1111"]],
    ["is all there is", [6, 4], [[0, 0, 3, 2, 1]], ["111", "111"]],
    ["lies away from the corner", [6, 4], [[1, 1, 3, 2, 1]], ["...", ".11"]],
    ["lies beyond its own size", [6, 4], [[3, 2, 3, 2, 1]], ["...", "..."]],
    [
      "is smaller than a later one",
      [4, 3],
      [
        [0, 0, 2, 1, 1],
        [0, 0, 4, 3, 2],
      ],
      ["11..", "....", "...."],
    ],
    [
      "is as wide as one and as high as another",
      [9, 9],
      [
        [0, 0, 2, 1, 1],
        [0, 0, 1, 3, 2],
        [5, 5, 4, 1, 3],
      ],
      ["11..", "....", "...."],
    ],
  ])("that %s", async (_, screen, frames, drawn) => {
    expect(await drawnBy(gif(screen, frames))).toEqual(drawn);
  });
});

describe("a GIF", () => {
  it("whose later frame is larger than the limit is refused before room is made for it", async () => {
    const bytes = gif(
      [4, 2],
      [
        [0, 0, 4, 2, 1],
        [0, 0, 4, 2, 2],
      ],
    );
    const at = bytes.lastIndexOf(Buffer.from([0x2c, 0, 0, 0, 0]));
    bytes.writeUInt16LE(65_535, at + 5);
    bytes.writeUInt16LE(65_535, at + 7);
    await expect(decodeImage(bytes)).rejects.toThrow(/more pixels than the limit allows/);
  });
});

function chunk(type: string, ...parts: readonly (string | Buffer | number[])[]): Buffer {
  const content = Buffer.concat([Buffer.from(type), ...parts.map((p) => Buffer.from(p as string))]);
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32BE(content.length - 4, 0);
  numbers.writeUInt32BE(crc32(content), 4);
  return Buffer.concat([numbers.subarray(0, 4), content, numbers.subarray(4)]);
}

const plain = (width: number, height: number, colour: number) => {
  const [r, g, b] = palette[colour];
  return sharp({ create: { width, height, channels: 3, background: { r, g, b } } });
};

describe("an animated PNG", () => {
  it("is the image that it shows everywhere, whatever its frames", async () => {
    const png = await plain(4, 2, 1).png({ palette: false }).toBuffer();
    const at = png.indexOf("IDAT") - 4;
    const u32 = (n: number) => [0, 0, n >> 8, n & 255];
    const control = (sequence: number, w: number, h: number) =>
      chunk("fcTL", [...u32(sequence), ...u32(w), ...u32(h), ...u32(1), ...u32(0), 0, 1, 0, 10, 0, 0]);
    const [r, g, b] = palette[2];
    const data = chunk("fdAT", u32(1), deflateSync(Buffer.from([0, r, g, b])));
    const bytes = Buffer.concat([
      png.subarray(0, at),
      chunk("acTL", [...u32(1), ...u32(0)]),
      png.subarray(at, -12),
      control(0, 1, 1),
      data,
      png.subarray(-12),
    ]);
    expect(await drawnBy(bytes)).toEqual(["1111", "1111"]);
  });
});

describe("an animated WebP", () => {
  it("whose first frame is smaller than its canvas is the canvas, black around it", async () => {
    const u24 = (n: number) => [n & 255, (n >> 8) & 255, n >> 16];
    const u32 = (n: number) => Buffer.from(Uint32Array.of(n).buffer);
    const riff = (name: string, content: Buffer) =>
      Buffer.concat([Buffer.from(name), u32(content.length), content, Buffer.alloc(content.length & 1)]);
    const frame = async (left: number, top: number, width: number, height: number, colour: number) => {
      const webp = await plain(width, height, colour).webp({ lossless: true }).toBuffer();
      const place = [left / 2, top / 2, width - 1, height - 1].flatMap(u24);
      return riff("ANMF", Buffer.concat([Buffer.from([...place, ...u24(100), 0]), webp.subarray(12)]));
    };
    const body = Buffer.concat([
      Buffer.from("WEBP"),
      riff("VP8X", Buffer.from([2, 0, 0, 0, ...u24(5), ...u24(3)])),
      riff("ANIM", Buffer.from([255, 255, 255, 255, 0, 0])),
      await frame(2, 2, 2, 1, 1),
      await frame(0, 0, 6, 4, 2),
    ]);
    const bytes = Buffer.concat([Buffer.from("RIFF"), u32(body.length), body]);
    expect(await drawnBy(bytes)).toEqual(["......", "......", "..11..", "......"]);
  });
});
