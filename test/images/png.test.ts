/** The project's own PNG decoder, for browsers, against Node's on every kind of PNG. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { deflateSync, crc32 as zlibCrc32 } from "node:zlib";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { crc32 } from "../../src/crc32.ts";
import { inflate } from "../../src/images/inflate.ts";
import { decodePng } from "../../src/images/png.ts";
import { decodeImage } from "../../src/node/images/index.ts";
import { seededUnits } from "../../src/seeded.ts";

const samples = join(import.meta.dirname, "../../samples");
const limit = { maxPixels: 2 ** 28 };

/** A PNG of noise of a kind; every row has another filter. */
function png(kind: number, bits: number, interlaced = false, extra: readonly Buffer[] = []): Buffer {
  const [width, height] = [13, 11];
  const channels = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }[kind] as number;
  const passes = interlaced
    ? [
        [0, 0, 8, 8],
        [4, 0, 8, 8],
        [0, 4, 4, 8],
        [2, 0, 4, 4],
        [0, 2, 2, 4],
        [1, 0, 2, 2],
        [0, 1, 1, 2],
      ]
    : [[0, 0, 1, 1]];
  const noise = seededUnits(`png ${kind} ${bits}`, 4096).map((v) => Math.floor((v + 1) * 128));
  const rows: number[] = [];
  let n = 0;
  for (const [x, y, dx, dy] of passes) {
    const [wide, high] = [Math.ceil((width - x) / dx), Math.ceil((height - y) / dy)];
    for (let j = 0; j < high; j++) {
      rows.push(n % 5);
      for (let i = 0; i < Math.ceil((wide * bits * channels) / 8); i++) rows.push(noise[n++] & 255);
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([bits, kind, 0, 0, interlaced ? 1 : 0], 8);
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    ...extra,
    chunk("IDAT", deflateSync(Buffer.from(rows))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeUInt32BE(zlibCrc32(body), 4);
  return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
}

const colours = (count: number) =>
  chunk(
    "PLTE",
    Uint8Array.from({ length: 3 * count }, (_, i) => (i * 37) % 256),
  );

const every: readonly (readonly [kind: number, bits: number, extra: readonly Buffer[]])[] = [
  ...[1, 2, 4, 8, 16].map((bits) => [0, bits, []] as const),
  ...[8, 16].flatMap((bits) => [2, 4, 6].map((kind) => [kind, bits, []] as const)),
  ...[1, 2, 4, 8].map((bits) => [3, bits, [colours(2 ** bits)]] as const),
  [3, 4, [colours(16), chunk("tRNS", Uint8Array.of(0, 100, 200))]],
];

describe("a PNG", () => {
  it.each(every)(
    "of kind %i and %i bits has the pixels that Node's decoder gives",
    async (kind, bits, extra) => {
      for (const interlaced of [false, true]) {
        const bytes = png(kind, bits, interlaced, extra);
        const there = await decodeImage(bytes, { exif: "ignore" });
        expect(Buffer.compare(decodePng(bytes, limit).data, there.data)).toBe(0);
      }
    },
  );

  it("shows a background through what is transparent as Node's decoder does", async () => {
    const background = [10, 200, 90] as const;
    for (const bytes of [
      png(6, 8),
      png(3, 4, false, [colours(16), chunk("tRNS", Uint8Array.of(0, 100, 200))]),
    ]) {
      const there = await decodeImage(bytes, { exif: "ignore", background });
      expect(Buffer.compare(decodePng(bytes, { ...limit, background }).data, there.data)).toBe(0);
    }
  });

  it("of the samples is that of Node's decoder", async () => {
    for (const name of ["bubbles_02.png", "hills_03.png", "towers_02.png", "weave_03.png"]) {
      const bytes = readFileSync(join(samples, name));
      const { data, width, height } = decodePng(bytes, limit);
      const there = await decodeImage(bytes, { exif: "ignore" });
      expect([width, height]).toEqual([there.width, there.height]);
      expect(Buffer.compare(data, there.data)).toBe(0);
    }
  });

  it("that is cut off or damaged is refused, wherever that is", () => {
    const whole = png(2, 8);
    for (let length = 8; length < whole.length; length++)
      expect(() => decodePng(whole.subarray(0, length), limit), `${length}`).toThrow(/damaged|end too early/);
    for (let at = 16; at < whole.length - 8; at++) {
      const bytes = new Uint8Array(whole);
      bytes[at] ^= 0x55;
      // The length of a part that is wrong may say that the file ends too early.
      expect(() => decodePng(bytes, limit), `${at}`).toThrow();
    }
    expect(() => decodePng(whole, { maxPixels: 100 })).toThrow(/more pixels than the limit/);
  });
});

describe("compressed data", () => {
  it("give what was packed, by every method", async () => {
    const noise = Buffer.from(seededUnits("noise", 2 ** 14).buffer);
    const text = Buffer.from("some text that repeats, ".repeat(4000));
    for (const bytes of [
      noise,
      text,
      Buffer.alloc(0),
      await sharp(noise, { raw: { width: 64, height: 256, channels: 4 } })
        .raw()
        .toBuffer(),
    ])
      for (const options of [{}, { level: 0 }, { level: 1 }, { level: 9 }, { strategy: 4 }, { strategy: 2 }])
        expect(Buffer.compare(inflate(deflateSync(bytes, options), bytes.length), bytes)).toBe(0);
    expect(() => inflate(deflateSync(text), 100)).toThrow(/more than they should/);
  });

  it("have the checksum that zlib tells, in pieces too", () => {
    const bytes = Buffer.from(seededUnits("checksum", 999).buffer);
    for (const length of [0, 1, 2, 3, 4, 5, 777, bytes.length]) {
      const part = bytes.subarray(0, length);
      expect(crc32(part)).toBe(zlibCrc32(part));
      expect(crc32(bytes.subarray(length), crc32(part))).toBe(zlibCrc32(bytes));
    }
  });
});
