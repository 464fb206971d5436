/** Kinds of images that are not read: failed and named for what they are, with what to do; never passed over, never drawn. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  decodeContent,
  decodeImage,
  listFolder,
  type ReadRecipe,
  readContent,
} from "../../src/node/images/index.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "kinds-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const recipe: ReadRecipe = {
  decode: { exif: "auto" },
  preprocess: { family: "inception", mode: "slim", size: 8, channels: 3 },
};

/** What becomes of a file in a folder. */
async function outcomeOf(name: string, content: Buffer | string) {
  const path = join(folder, name);
  writeFileSync(path, content);
  const read = readContent({ key: name, path: Buffer.from(path) });
  return "status" in read ? read : decodeContent(read, recipe, new Float32Array(8 * 8 * 3));
}

const latin1 = (text: string) => Buffer.concat([Buffer.from(text, "latin1"), Buffer.alloc(200)]);
const media = (major: string, ...compatible: string[]) =>
  latin1(
    `\0\0\0${String.fromCharCode(16 + 4 * compatible.length)}ftyp${major}\0\0\0\0${compatible.join("")}`,
  );
const picture = () => sharp({ create: { width: 9, height: 9, channels: 3, background: "#a08060" } });

/** Name, beginning, and what it is called. Names are those of other kinds where the content speaks. */
const kinds: readonly (readonly [name: string, content: Buffer, what: string])[] = [
  ["IMG_0001.HEIC", media("heic", "mif1", "heic", "miaf"), "a HEIC image"],
  ["named.jpg", media("heic", "mif1", "heic"), "a HEIC image"],
  ["burst.png", media("msf1", "hevc"), "a HEIC image"],
  ["still.heif", media("mif1", "mif1", "heic"), "a HEIC image"],
  ["film.avif", media("avif", "avif", "mif1", "miaf"), "an AVIF image"],
  ["major.jpg", media("mif1", "miaf", "avif"), "an AVIF image"],
  ["a.jp2", latin1("\0\0\0\x0cjP  \r\n\x87\n"), "a JPEG 2000 image"],
  ["code.png", latin1("\xff\x4f\xff\x51\0/"), "a JPEG 2000 image"],
  ["a.jxl", latin1("\xff\x0a\xfa"), "a JPEG XL image"],
  ["boxed.jpg", latin1("\0\0\0\x0cJXL \r\n\x87\n"), "a JPEG XL image"],
  ["a.jxr", latin1("II\xbc\x01"), "a JPEG XR image"],
  ["canon.cr3", media("crx ", "crx ", "isom"), "a camera's RAW file"],
  ["canon.tif", latin1("II*\0\x10\0\0\0CR\x02\0"), "a camera's RAW file"],
  ["fuji.raf", latin1("FUJIFILMCCD-RAW 0201"), "a camera's RAW file"],
  ["panasonic.rw2", latin1("IIU\0\x18\0\0\0"), "a camera's RAW file"],
  ["olympus.orf", latin1("IIRO\x08\0\0\0"), "a camera's RAW file"],
  ["draw.svg", latin1('<svg xmlns="http://www.w3.org/2000/svg"/>'), "an SVG drawing"],
  [
    "inkscape.png",
    Buffer.from(
      `\ufeff<?xml version="1.0"?>\n<!-- Created -->\n<!-- > -->\n<!DOCTYPE svg [<!ENTITY e "x">]>\n<svg>`,
    ),
    "an SVG drawing",
  ],
  ["pressed.svgz", gzipSync("<svg/>"), "compressed by gzip"],
  ["scan.pdf", latin1("%PDF-1.7\n"), "a PDF document"],
  ["figure.eps", latin1("%!PS-Adobe-3.0 EPSF"), "a PostScript file"],
  ["favicon.ico", latin1("\0\0\x01\0\x01\0\x10\x10\0\0\x01\0"), "an icon or cursor file"],
  ["hand.cur", latin1("\0\0\x02\0\x01\0\x20\x20\0\0\x01\0"), "an icon or cursor file"],
  ["app.icns", latin1("icns\0\0"), "an Apple icon file"],
  ["layers.psd", latin1("8BPS\0\x01"), "a Photoshop file"],
  ["layers.xcf", latin1("gimp xcf v011"), "a GIMP file"],
  ["plain.ppm", latin1("P6\n# made by hand\n4 4\n255\n"), "a portable anymap"],
  ["grey.pgm", latin1("P2 4 4 255 "), "a portable anymap"],
  ["sky.exr", latin1("\x76\x2f\x31\x01\x02"), "an OpenEXR image"],
  ["sky.hdr", latin1("#?RADIANCE\n"), "a Radiance HDR image"],
  ["skin.dds", latin1("DDS |"), "a DirectDraw (DDS) texture"],
  ["book.djvu", latin1("AT&TFORM"), "a DjVu document"],
  ["scan", Buffer.concat([Buffer.alloc(128), latin1("DICM")]), "a DICOM image"],
  ["m31.fits", latin1("SIMPLE  =                    T"), "a FITS image"],
  ["a.qoi", latin1("qoif\0\0"), "a QOI image"],
  ["a.bpg", latin1("BPG\xfb"), "a BPG image"],
  ["a.mng", latin1("\x8aMNG\r\n\x1a\n"), "an MNG or JNG file"],
  ["a.wmf", latin1("\xd7\xcd\xc6\x9a"), "a Windows metafile"],
  ["a.xpm", latin1("/* XPM */\nstatic char"), "an X pixmap"],
  // Where the content says nothing, the name does.
  ["a.tga", latin1("\0\0\x02"), "by its name it is a Truevision (TGA) image"],
  ["a.pcx", latin1("\x0a\x05\x01\x08"), "by its name it is a PCX image"],
  ["unknown.heic", latin1("\x01\x02\x03\x04"), "by its name it is a HEIC image"],
];

describe("an image of a kind that is not read", () => {
  it.each(kinds)("%s is failed, and called what it is", async (name, content, what) => {
    const outcome = await outcomeOf(name, content);
    expect(outcome.status).toBe("failed");
    const { reason } = outcome as { reason: string };
    expect(reason).toContain(what);
    expect(reason).toMatch(/convert|first/);
    // From a program, by path.
    await expect(decodeImage(join(folder, name))).rejects.toThrow(what);
  });

  it("of a camera is failed where it is TIFF by its content: what would be read is its thumbnail", async () => {
    const tiff = await picture().tiff().toBuffer();
    for (const name of ["a.NEF", "a.arw", "a.dng"])
      expect(await outcomeOf(name, tiff), name).toMatchObject({
        status: "failed",
        reason: expect.stringContaining("a camera's RAW file"),
      });
    expect(await outcomeOf("a.tif", tiff)).toMatchObject({ status: "ok" });
  });

  it("is not drawn by libvips, though it could: what is read is what is promised", async () => {
    const avif = await picture().avif().toBuffer();
    expect((await sharp(avif).metadata()).width).toBe(9);
    await expect(decodeImage(avif)).rejects.toThrow(/it is an AVIF image/);
  });
});

describe("an image of a kind that is read", () => {
  it("is read under the name of one that is not", async () => {
    expect(await outcomeOf("really-a-jpeg.heic", await picture().jpeg().toBuffer())).toMatchObject({
      status: "ok",
      facts: { format: "jpeg" },
    });
    expect(await outcomeOf("preview.cr2", await picture().jpeg().toBuffer())).toMatchObject({ status: "ok" });
  });
});

describe("another file", () => {
  it.each<[string, Buffer | string]>([
    ["notes.txt", "P6 is how it begins"],
    ["clip.mov", media("qt  ", "qt  ")],
    ["clip.mp4", media("isom", "isom", "avc1")],
    ["photo.xmp", '<?xml version="1.0"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'],
    ["page.html", "<html><body><svg></svg>"],
    ["photos.zip", latin1("PK\x03\x04")],
    ["labels.csv", "path,label\n"],
    ["font.ttf", latin1("\0\x01\0\0\0\x0f")],
  ])("%s is passed over", async (name, content) => {
    expect(await outcomeOf(name, content)).toMatchObject({ status: "skipped" });
  });

  it.each<[string, Buffer, RegExp]>([
    ["clip.jpg", media("isom", "isom"), /it is a video/],
    ["clip.heic", media("qt  ", "qt  "), /it is a video/],
    ["pack.jpg", latin1("PK\x03\x04"), /it is a ZIP archive/],
    ["page.heic", latin1("<!DOCTYPE html>"), /it is a web page/],
    ["empty.heic", Buffer.alloc(0), /the file is empty/],
  ])("named like an image, %s, is failed with what it is", async (name, content, reason) => {
    expect(await outcomeOf(name, content)).toMatchObject({
      status: "failed",
      reason: expect.stringMatching(reason),
    });
  });

  it("takes no long time, whatever it begins with", async () => {
    const comments = `<?xml?>${"<!---->".repeat(140)}`;
    for (const text of [comments, `P1${" ".repeat(1000)}`, `P1${"#\n".repeat(500)}`, " ".repeat(1024)])
      expect((await outcomeOf("slow.txt", text)).status).toBe("skipped");
  });
});

it("a folder of nothing but HEIC has images", async () => {
  const dir = join(folder, "phone");
  mkdirSync(dir);
  for (const name of ["IMG_1.HEIC", "IMG_2.HEIC", "IMG_1.MOV"])
    writeFileSync(join(dir, name), name.endsWith("MOV") ? media("qt  ") : media("heic", "mif1"));
  const outcomes = (await listFolder(dir)).map((input) => readContent(input));
  expect(outcomes.map((o) => "status" in o && o.status)).toEqual(["failed", "skipped", "failed"]);
});
