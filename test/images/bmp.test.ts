/** Windows bitmaps of every kind, written by hand. */
import { describe, expect, it } from "vitest";
import { ImageError } from "../../src/errors.ts";
import { decodeImage } from "../../src/node/images/index.ts";

interface Kind {
  readonly width: number;
  readonly height: number;
  readonly bits: number;
  readonly compression?: number;
  /** Entries of blue, green, red. */
  readonly palette?: readonly (readonly [number, number, number])[];
  readonly masks?: readonly number[];
  /** Rows as stored, padded by hand. */
  readonly pixels: readonly number[];
  readonly headerSize?: number;
}

function bmp({
  width,
  height,
  bits,
  compression = 0,
  palette = [],
  masks = [],
  pixels,
  headerSize = 40,
}: Kind): Buffer {
  const old = headerSize === 12;
  const header = Buffer.alloc(14 + Math.max(headerSize, old ? 12 : 40 + 4 * masks.length));
  const entries = palette.flatMap((p) => (old ? [...p] : [...p, 0]));
  header.write("BM");
  header.writeUInt32LE(header.length + entries.length, 10);
  header.writeUInt32LE(headerSize, 14);
  if (old) {
    header.writeUInt16LE(width, 18);
    header.writeUInt16LE(height, 20);
    header.writeUInt16LE(1, 22);
    header.writeUInt16LE(bits, 24);
  } else {
    header.writeInt32LE(width, 18);
    header.writeInt32LE(height, 22);
    header.writeUInt16LE(1, 26);
    header.writeUInt16LE(bits, 28);
    header.writeUInt32LE(compression, 30);
    header.writeUInt32LE(palette.length, 46);
    masks.forEach((m, i) => void header.writeUInt32LE(m, 54 + 4 * i));
  }
  return Buffer.concat([header, Buffer.from(entries), Buffer.from(pixels)]);
}

/** Red, green, blue and white, as palettes store them. */
const palette = [
  [0, 0, 255],
  [0, 255, 0],
  [255, 0, 0],
  [255, 255, 255],
] as const;
const [R, G, B, W] = ["ff0000", "00ff00", "0000ff", "ffffff"];

async function rows(bytes: Buffer): Promise<string[]> {
  const { width, height, data } = await decodeImage(bytes);
  return Array.from({ length: height }, (_, y) =>
    Buffer.from(data.subarray(3 * y * width, 3 * (y + 1) * width)).toString("hex"),
  );
}

const upsideDown = (...lines: string[]) => lines.toReversed();

const kinds: [string, Kind, string[]][] = [
  [
    "1 bit",
    { width: 3, height: 2, bits: 1, palette: palette.slice(0, 2), pixels: [0x40, 0, 0, 0, 0xa0, 0, 0, 0] },
    upsideDown(R + G + R, G + R + G),
  ],
  ["4 bits", { width: 3, height: 1, bits: 4, palette, pixels: [0x01, 0x20, 0, 0] }, [R + G + B]],
  [
    "8 bits",
    { width: 3, height: 2, bits: 8, palette, pixels: [0, 1, 2, 0, 3, 3, 0, 0] },
    upsideDown(R + G + B, W + W + R),
  ],
  [
    "8 bits, top-down",
    { width: 2, height: -2, bits: 8, palette, pixels: [0, 1, 0, 0, 2, 3, 0, 0] },
    [R + G, B + W],
  ],
  [
    "8 bits, old header",
    { width: 2, height: 1, bits: 8, palette, headerSize: 12, pixels: [2, 1, 0, 0] },
    [B + G],
  ],
  [
    "RLE8",
    {
      width: 4,
      height: 2,
      bits: 8,
      compression: 1,
      palette,
      pixels: [3, 1, 1, 2, 0, 0, 0, 4, 0, 1, 2, 3, 0, 1],
    },
    upsideDown(G + G + G + B, R + G + B + W),
  ],
  [
    "RLE8 with a jump",
    { width: 3, height: 2, bits: 8, compression: 1, palette, pixels: [1, 3, 0, 2, 1, 1, 1, 3, 0, 1] },
    upsideDown(W + R + R, R + R + W),
  ],
  [
    "RLE4",
    { width: 5, height: 1, bits: 4, compression: 2, palette, pixels: [3, 0x12, 0, 0] },
    [G + B + G + R + R],
  ],
  [
    "RLE4 literal",
    { width: 5, height: 1, bits: 4, compression: 2, palette, pixels: [0, 5, 0x01, 0x23, 0x10, 0, 0, 1] },
    [R + G + B + W + G],
  ],
  ["16 bits", { width: 2, height: 1, bits: 16, pixels: [0x00, 0x7c, 0xe0, 0x03] }, [R + G]],
  [
    "16 bits with masks 565",
    {
      width: 2,
      height: 1,
      bits: 16,
      compression: 3,
      masks: [0xf800, 0x07e0, 0x001f],
      pixels: [0xe0, 0x07, 0x1f, 0x00],
    },
    [G + B],
  ],
  [
    "24 bits",
    { width: 1, height: 2, bits: 24, pixels: [1, 2, 3, 0, 4, 5, 6, 0] },
    upsideDown("030201", "060504"),
  ],
  ["32 bits", { width: 1, height: 1, bits: 32, pixels: [1, 2, 3, 99] }, ["030201"]],
  [
    "32 bits with masks",
    { width: 1, height: 1, bits: 32, compression: 3, masks: [0xff, 0xff00, 0xff0000], pixels: [1, 2, 3, 99] },
    ["010203"],
  ],
  [
    "32 bits of version 5",
    {
      width: 1,
      height: 1,
      bits: 32,
      compression: 3,
      masks: [0xff0000, 0xff00, 0xff, 0xff000000],
      headerSize: 124,
      pixels: [1, 2, 3, 99],
    },
    ["030201"],
  ],
];

describe("a bitmap of", () => {
  it.each(kinds)("%s is decoded", async (_, kind, expected) =>
    expect(await rows(bmp(kind))).toEqual(expected),
  );

  it.each(kinds)("%s, cut off anywhere, is refused", async (_, kind) => {
    const whole = bmp(kind);
    // The end of an RLE stream may lack its marker; its pixels may not.
    const tail = kind.compression === 1 || kind.compression === 2 ? 4 : 0;
    for (let length = 0; length < whole.length - tail; length++) {
      const cut = whole.subarray(0, length);
      await decodeImage(cut).then(
        () => expect(length).toBeGreaterThanOrEqual(whole.length - 6),
        (error: unknown) => expect(error).toBeInstanceOf(ImageError),
      );
    }
  });

  it.each<[string, Kind, RegExp]>([
    ["no pixels", { width: 0, height: 5, bits: 24, pixels: [] }, /0x5 pixels/],
    [
      "too many pixels",
      { width: 60000, height: 60000, bits: 24, pixels: [] },
      /more pixels than the limit allows/,
    ],
    [
      "an embedded JPEG",
      { width: 1, height: 1, bits: 24, compression: 4, pixels: [0, 0, 0, 0] },
      /compression 4\) is not supported/,
    ],
    ["odd bits", { width: 1, height: 1, bits: 7, pixels: [0, 0, 0, 0] }, /7 bits/],
    [
      "a colour that its palette lacks",
      { width: 1, height: 1, bits: 8, palette, pixels: [9, 0, 0, 0] },
      /does not have/,
    ],
  ])("%s is refused", async (_, kind, words) => {
    const refused = decodeImage(bmp(kind));
    await expect(refused).rejects.toThrow(ImageError);
    await expect(refused).rejects.toThrow(words);
  });
});
