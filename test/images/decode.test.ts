/** Decoding by content: colours, orientations, and files that are not what they say. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ImageError } from "../../src/errors.ts";
import { decodeImage, listFolder } from "../../src/node/images/index.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "images-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** 4 x 2 pixels, each of its own colour. */
const rgb = Buffer.from(Array.from({ length: 24 }, (_, i) => i * 10));
const image = (channels: 3 | 4 = 3, bytes = rgb) => sharp(bytes, { raw: { width: 4, height: 2, channels } });

describe("colours", () => {
  it("of png, tif, webp without loss and gif's palette are those that were written", async () => {
    for (const [format, bytes] of [
      ["png", await image().png().toBuffer()],
      ["tiff", await image().tiff({ compression: "lzw" }).toBuffer()],
      ["webp", await image().webp({ lossless: true }).toBuffer()],
      ["gif", await image().gif().toBuffer()],
      ["png", await image().png({ palette: true }).toBuffer()],
    ] as const) {
      const pixels = await decodeImage(bytes);
      expect(pixels).toMatchObject({ width: 4, height: 2, format });
      expect([...pixels.data], format).toEqual([...rgb]);
    }
  });

  it("of grey are repeated", async () => {
    const grey = await sharp(Buffer.from([0, 100, 255]), { raw: { width: 3, height: 1, channels: 1 } })
      .toColourspace("b-w")
      .png()
      .toBuffer();
    expect((await sharp(grey).metadata()).channels).toBe(1);
    expect([...(await decodeImage(grey)).data]).toEqual([0, 0, 0, 100, 100, 100, 255, 255, 255]);
  });

  it("lose their alpha, and nothing else", async () => {
    const rgba = Buffer.from([10, 20, 30, 0, 40, 50, 60, 128, 70, 80, 90, 255, 1, 2, 3, 4]);
    const png = await sharp(rgba, { raw: { width: 4, height: 1, channels: 4 } })
      .png()
      .toBuffer();
    expect([...(await decodeImage(png)).data]).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90, 1, 2, 3]);
  });

  it("of 16 bits keep the upper byte", async () => {
    const values = Uint16Array.from([0x1234, 0xabcd, 0xff00, 0x00ff, 0x8080, 0x7fff]);
    const png = await sharp(values, { raw: { width: 2, height: 1, channels: 3 } })
      .toColourspace("rgb16")
      .png()
      .toBuffer();
    expect((await sharp(png).metadata()).depth).toBe("ushort");
    expect([...(await decodeImage(png)).data]).toEqual([0x12, 0xab, 0xff, 0x00, 0x80, 0x7f]);
  });

  it("of CMYK follow TensorFlow's plain formula", async () => {
    // 8 x 8 pixels of ink (40, 90, 160, 30), with an Adobe marker: light is k * c / 255 of the stored complements.
    const jpeg = Buffer.from(
      "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwABAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB/8AAFAgACAAIBEMRAE0RAFkRAEsRAP/EAB8AAAEFAQEBAQEBAAAAAAAAAAABAgMEBQYHCAkKC//EALUQAAIBAwMCBAMFBQQEAAABfQECAwAEEQUSITFBBhNRYQcicRQygZGhCCNCscEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6g4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5+v/aAA4EQwBNAFkASwAAPwD+riv0or896/sIr//Z",
      "base64",
    );
    expect([...(await decodeImage(jpeg)).data.subarray(0, 3)]).toEqual([189, 145, 83]);
  });

  it("are left as they are by an embedded profile", async () => {
    const plain = await image().png().toBuffer();
    const profiled = await image().withIccProfile("p3").png().toBuffer();
    const stored = await sharp(profiled, { ignoreIcc: true }).removeAlpha().raw().toBuffer();
    expect([...(await decodeImage(profiled)).data]).toEqual([...stored]);
    expect([...(await decodeImage(plain)).data]).toEqual([...rgb]);
  });
});

describe("EXIF orientation", () => {
  const corner = async (orientation: number, exif: "auto" | "ignore") => {
    const jpeg = await image().png().toBuffer();
    const turned = await sharp(jpeg).withMetadata({ orientation }).png().toBuffer();
    return decodeImage(turned, { exif });
  };

  it("turns the pixels upright, unless it is ignored", async () => {
    for (const orientation of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const upright = await corner(orientation, "auto");
      const stored = await corner(orientation, "ignore");
      const sideways = orientation >= 5;
      expect([upright.width, upright.height], `${orientation}`).toEqual(sideways ? [2, 4] : [4, 2]);
      expect(upright).toMatchObject({ orientation, turned: orientation > 1 });
      expect([stored.width, stored.height]).toEqual([4, 2]);
      expect([...stored.data]).toEqual([...rgb]);
      expect(stored.turned).toBe(false);
    }
    // 6 is a quarter turn clockwise: the stored bottom left comes to the top left.
    expect([...(await corner(6, "auto")).data.subarray(0, 3)]).toEqual([...rgb.subarray(12, 15)]);
  });
});

describe("a file", () => {
  const write = (name: string, content: Buffer | string) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };

  it("is what its content says", async () => {
    expect((await decodeImage(write("really.jpg", await image().png().toBuffer()))).format).toBe("png");
  });

  it("of several frames gives the first", async () => {
    const frames = Buffer.concat([rgb, Buffer.alloc(24, 255)]);
    const gif = await sharp(frames, { raw: { width: 4, height: 4, channels: 3, pageHeight: 2 } })
      .gif()
      .toBuffer();
    const pixels = await decodeImage(gif);
    expect([pixels.width, pixels.height]).toEqual([4, 2]);
    expect([...pixels.data]).toEqual([...rgb]);
  });

  it.each<[string, string, RegExp]>([
    ["empty.jpg", "", /the file is empty/],
    ["text.jpg", "this is only a text", /it is a text file/],
    ["page.png", "<!DOCTYPE html><html>", /it is a web page/],
    ["lfs.png", "version https://git-lfs.github.com/spec/v1\n", /git-lfs pointer/],
    ["noise.png", "\x01\x02\x03\x04 nothing \xff\xfe that is known", /of no image format/],
  ])("called %s is refused with its reason", async (name, content, reason) => {
    const refused = decodeImage(write(name, Buffer.from(content, "latin1")));
    await expect(refused).rejects.toThrow(ImageError);
    await expect(refused).rejects.toThrow(reason);
    await expect(refused).rejects.toThrow(name);
  });

  it.each<[string, string]>([
    [
      "plain",
      '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><rect width="4" height="4"/></svg>',
    ],
    [
      "with other files in it",
      '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY e SYSTEM "file:///etc/hostname">]><svg xmlns="http://www.w3.org/2000/svg" width="99" height="99"><text y="20">&e;</text></svg>',
    ],
  ])("of SVG, %s, is refused, whatever its name says", async (_, svg) => {
    await expect(decodeImage(write("drawing.png", svg))).rejects.toThrow(ImageError);
  });

  it.each(["jpeg", "png"] as const)("of %s cut off is refused, wherever", async (format) => {
    const noise = Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) & 255));
    const bytes = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
      .toFormat(format)
      .toBuffer();
    for (let tenth = 1; tenth < 10; tenth++) {
      const cut = bytes.subarray(0, Math.floor((bytes.length * tenth) / 10));
      await expect(decodeImage(cut), `${tenth}`).rejects.toThrow(ImageError);
    }
  });

  it("with more pixels than allowed is refused before it is decoded", async () => {
    const png = await image().png().toBuffer();
    await expect(decodeImage(png, { maxPixels: 7 })).rejects.toThrow(/more pixels than the limit allows/);
  });

  it("that is not there is refused", async () => {
    await expect(decodeImage(join(folder, "gone.png"))).rejects.toThrow(
      /gone\.png cannot be read \(ENOENT\)/,
    );
  });
});

describe("the list of a folder", () => {
  it("is recursive, sorted by bytes, of images by their endings; hidden ones and loops are passed over", async () => {
    const dir = join(folder, "list");
    mkdirSync(join(dir, "sub/deep"), { recursive: true });
    mkdirSync(join(dir, ".hidden"));
    for (const name of [
      "b.JPG",
      "a.png",
      "Z.bmp",
      "notes.txt",
      "sub/é.gif",
      "sub/z.tif",
      "sub/deep/x.webp",
      ".h.png",
      ".hidden/y.png",
      "sub.jpeg",
    ]) {
      writeFileSync(join(dir, name), "");
    }
    symlinkSync(dir, join(dir, "sub/loop"));
    symlinkSync(join(dir, "sub/deep"), join(dir, "linked"));
    symlinkSync(join(dir, "gone"), join(dir, "dangling.png"));
    expect((await listFolder(dir)).map((i) => i.key)).toEqual([
      ...[
        "Z.bmp",
        "a.png",
        "b.JPG",
        "dangling.png",
        "linked/x.webp",
        "notes.txt",
        "sub.jpeg",
        "sub/deep/x.webp",
        "sub/z.tif",
        "sub/é.gif",
      ],
    ]);
  });
});
