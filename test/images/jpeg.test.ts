/** JPEG as TensorFlow decodes it: its own bytes, damaged files, orientation, and which decoder takes what. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { ImageError, UsageError } from "../../src/errors.ts";
import { decodeRules, jpegMethods } from "../../src/images/index.ts";
import { readJpegHeader } from "../../src/images/jpeg-header.ts";
import { jpegMethodFor } from "../../src/images/options.ts";
import { turnUpright } from "../../src/images/turn.ts";
import { decodeImage, nativeDecoder } from "../../src/node/images/index.ts";
import { seededUnits } from "../../src/seeded.ts";
import { ownReference } from "../support/reference.ts";

const folder = join(ownReference, "jpeg");
const { images } = JSON.parse(readFileSync(join(folder, "jpeg.json"), "utf8")) as {
  images: Record<string, { shape: [number, number, number]; fast: string; accurate: string }>;
};
const stored = (name: string) => readFileSync(join(folder, name));
const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");

const picture = (width: number, height: number) =>
  sharp(
    Uint8Array.from(seededUnits("jpeg", width * height * 3), (u) => 127.5 * (u + 1)),
    { raw: { width, height, channels: 3 } },
  );

describe.each(jpegMethods)("the %s method", (jpeg) => {
  it.each(Object.keys(images))("gives TensorFlow's own bytes of %s", async (name) => {
    const pixels = await decodeImage(stored(name), { jpeg });
    const [height, width] = images[name].shape;
    expect(pixels).toMatchObject({ width, height, format: "jpeg", jpeg, orientation: 1, turned: false });
    expect(sha256(pixels.data)).toBe(images[name][jpeg]);
  });

  it("refuses a file that was cut off anywhere", async () => {
    for (const name of ["baseline_420.jpg", "progressive.jpg"]) {
      const whole = stored(name);
      for (let length = 0; length < whole.length; length += 5) {
        const refused = decodeImage(whole.subarray(0, length), { jpeg });
        await expect(refused, `${name} ${length}`).rejects.toThrow(ImageError);
      }
      await expect(decodeImage(whole.subarray(0, whole.length - 1), { jpeg })).rejects.toThrow(ImageError);
    }
  });

  it("refuses more pixels than are allowed before it decodes them", async () => {
    const huge = Buffer.from(stored("baseline_444.jpg"));
    const frame = huge.indexOf(Buffer.from([0xff, 0xc0]));
    huge.writeUInt16BE(65_000, frame + 5);
    huge.writeUInt16BE(65_000, frame + 7);
    await expect(decodeImage(huge, { jpeg })).rejects.toThrow(/more pixels than the limit allows/);
    await expect(decodeImage(stored("grey.jpg"), { jpeg, maxPixels: 1000 })).rejects.toThrow(/more pixels/);
  });

  it("never fails but with a reason, whatever single bytes are changed", async () => {
    const whole = stored("baseline_422.jpg");
    const places = Array.from(seededUnits("places", 300), (u) => Math.floor(((u + 1) / 2) * whole.length));
    let decoded = 0;
    for (const [i, at] of places.entries()) {
      const changed = Buffer.from(whole);
      changed[at] ^= 1 << (i % 8);
      try {
        const { data, width, height } = await decodeImage(changed, { jpeg, maxPixels: 1e6 });
        expect(data.length).toBe(3 * width * height);
        decoded++;
      } catch (error) {
        expect(error).toBeInstanceOf(ImageError);
      }
    }
    expect(decoded).toBeGreaterThan(50);
  });
});

describe("which decoder takes a JPEG", () => {
  it("is the accurate one for inks, whatever is asked, and the facts say so", async () => {
    const inks = await picture(16, 8).toColourspace("cmyk").jpeg().toBuffer();
    expect(readJpegHeader(inks)).toBeUndefined();
    expect((await decodeImage(inks, { jpeg: "fast" })).jpeg).toBe("accurate");
  });

  it("is asked for, or follows from the rest", () => {
    expect(jpegMethodFor({}, nativeDecoder)).toBe("fast");
    expect(jpegMethodFor({ jpeg: "accurate" }, nativeDecoder)).toBe("accurate");
    expect(jpegMethodFor({ icc: true }, nativeDecoder)).toBe("accurate");
    expect(() => jpegMethodFor({ jpeg: "fast", icc: true }, nativeDecoder)).toThrow(UsageError);
    expect(decodeRules("slim", {}, nativeDecoder)).toMatchObject({ exif: "auto", jpeg: "fast" });
    // Pillow read the images of Compute-Features: accurate, and never turned.
    expect(decodeRules("seed", { exif: "auto" }, nativeDecoder)).toMatchObject({
      exif: "ignore",
      jpeg: "accurate",
    });
    expect(decodeRules("seed", { jpeg: "fast" }, nativeDecoder)).toMatchObject({
      exif: "ignore",
      jpeg: "fast",
    });
  });

  it("is not the fast one for files whose header is out of order", () => {
    const whole = stored("progressive.jpg");
    expect(readJpegHeader(whole)).toEqual({ width: 37, height: 29, orientation: 1 });
    const frame = whole.indexOf(Buffer.from([0xff, 0xc2]));
    const changed = (change: (bytes: Buffer) => void) => {
      const bytes = Buffer.from(whole);
      change(bytes);
      return readJpegHeader(bytes);
    };
    const part = whole.subarray(frame, frame + 2 + whole.readUInt16BE(frame + 2));
    const twice = Buffer.concat([whole.subarray(0, frame), part, whole.subarray(frame)]);
    expect(readJpegHeader(twice), "two frames").toBeUndefined();
    const gap = Buffer.concat([whole.subarray(0, frame), Buffer.of(0), whole.subarray(frame)]);
    expect(readJpegHeader(gap), "a byte between segments").toBeUndefined();
    expect(
      changed((b) => void b.writeUInt8(0xca, frame + 1)),
      "arithmetic codes",
    ).toBeUndefined();
    expect(
      changed((b) => void b.writeUInt8(12, frame + 4)),
      "12 bits",
    ).toBeUndefined();
    expect(
      changed((b) => void b.writeUInt16BE(0, frame + 5)),
      "no height",
    ).toBeUndefined();
    expect(
      changed((b) => void b.writeUInt8(0x41, frame + 11)),
      "unusual sampling",
    ).toBeUndefined();
    const scan = whole.indexOf(Buffer.from([0xff, 0xda]));
    const scans = Buffer.concat([whole.subarray(0, scan), ...Array(101).fill(whole.subarray(scan))]);
    expect(readJpegHeader(scans), "hundreds of scans").toBeUndefined();
  });
});

describe("EXIF in JPEG", () => {
  const turned = async (orientation: number) =>
    picture(24, 16).withMetadata({ orientation }).jpeg({ quality: 100 }).toBuffer();

  it("turns as libvips does", async () => {
    for (let orientation = 1; orientation <= 8; orientation++) {
      const bytes = await turned(orientation);
      const { data, info } = await sharp(bytes).autoOrient().raw().toBuffer({ resolveWithObject: true });
      const exact = await decodeImage(bytes, { jpeg: "accurate" });
      const upright = await decodeImage(bytes, { jpeg: "fast" });
      const asStored = await decodeImage(bytes, { jpeg: "fast", exif: "ignore" });
      expect(exact.data).toEqual(new Uint8Array(data));
      expect(upright).toMatchObject({ width: info.width, height: info.height, orientation });
      expect(upright.turned).toBe(orientation > 1);
      expect(asStored).toMatchObject({ width: 24, height: 16, orientation, turned: false });
      expect(turnUpright(asStored, orientation).data).toEqual(upright.data);
      const { data: plain } = await decodeImage(bytes, { jpeg: "accurate", exif: "ignore" });
      expect(turnUpright({ width: 24, height: 16, data: plain }, orientation).data).toEqual(exact.data);
    }
  });

  /** The picture with an APP1 segment. */
  const withExif = (jpeg: Buffer, tiff: Buffer) => {
    const content = Buffer.concat([Buffer.from("Exif\0\0"), tiff]);
    const head = Buffer.from([0xff, 0xe1, (content.length + 2) >> 8, (content.length + 2) & 255]);
    return Buffer.concat([jpeg.subarray(0, 2), head, content, jpeg.subarray(2)]);
  };

  it.each<[string, Buffer, number]>([
    ["big-endian", Buffer.from("4d4d002a00000008000101120003000000010006000000000000", "hex"), 6],
    [
      "little-endian",
      Buffer.from("49492a00080000000100120103000100000008000000 00000000".replace(" ", ""), "hex"),
      8,
    ],
    ["out of range", Buffer.from("4d4d002a00000008000101120003000000010009000000000000", "hex"), 1],
    ["of a directory beyond the end", Buffer.from("4d4d002a7fffffff0001", "hex"), 1],
    ["cut off in the directory", Buffer.from("4d4d002a00000008000501120003", "hex"), 1],
    ["of nothing", Buffer.alloc(0), 1],
    ["of nonsense", Buffer.alloc(40, 0xff), 1],
  ])("%s is read as libvips reads it", async (_, tiff, orientation) => {
    const bytes = withExif(await picture(8, 8).jpeg().toBuffer(), tiff);
    expect(readJpegHeader(bytes)?.orientation).toBe(orientation);
    expect((await sharp(bytes).metadata()).orientation ?? 1).toBe(orientation);
  });
});
