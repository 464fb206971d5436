/** Images through the whole way from file to network input, and tar archives of them. */
import { readFile } from "node:fs/promises";
import sharp from "sharp";
import { UserError } from "../../src/errors.ts";
import type { PreprocessFamily } from "../../src/images/index.ts";
import { decodeFastJpeg } from "../../src/images/jpeg-decode.ts";
import { readJpegHeader } from "../../src/images/jpeg-header.ts";
import { decodeContent, inputBytes, listArchive, readContent } from "../../src/node/images/index.ts";
import { fastJpeg } from "../../src/node/images/jpeg.ts";
import { seededUnits } from "../../src/seeded.ts";
import { tar } from "../../test/checkpoint/support.ts";
import { damagePng } from "../chunks.ts";
import { cut, damage } from "../damage.ts";
import { digestOf, fileOf, type Reading, type Seed, type Target } from "../target.ts";

const side = 24;

const picture = (seed: string) =>
  sharp(
    Uint8Array.from(seededUnits(seed, side * side * 3), (u) => 127.5 * (u + 1)),
    { raw: { width: side, height: side, channels: 3 } },
  );

/** Two frames, the second of which needs a part of the screen only. */
const moving = () => {
  const still = Buffer.alloc(2 * 3 * side * side, 99);
  still.fill(180, 3 * side * side, 3 * side * side + 30);
  return sharp(still, { raw: { width: side, height: 2 * side, channels: 3, pageHeight: side } });
};

const exifStart = Buffer.from("Exif\0\0");
/** An orientation of four bytes, behind a text that lies elsewhere. */
const longExif = Buffer.concat([
  Buffer.from("49492a000800000002000f010200060000002600000012010400010000000600000000000000", "hex"),
  Buffer.from("maker\0"),
]);
const xmp = Buffer.from('http://ns.adobe.com/xap/1.0/\0<rdf:Description tiff:Orientation="3"/>');

/** A JPEG with a segment of an application before all others. */
function withSegment(jpeg: Buffer, content: Buffer): Buffer {
  const head = Buffer.from([0xff, 0xe1, (content.length + 2) >> 8, (content.length + 2) & 255]);
  return Buffer.concat([jpeg.subarray(0, 2), head, content, jpeg.subarray(2)]);
}

/** A bitmap of 8 bits with runs, of 24 bits, or of 16 bits with masks. */
function bitmap(kind: "runs" | "nibbles" | "colours" | "masks"): Buffer {
  const palette = Buffer.alloc(kind === "runs" ? 1024 : kind === "nibbles" ? 64 : 0, "palette of noise");
  const masks = kind === "masks" ? 12 : 0;
  const header = Buffer.alloc(54 + masks);
  const [bits, compression] = { runs: [8, 1], nibbles: [4, 2], colours: [24, 0], masks: [16, 3] }[kind];
  header.write("BM");
  header.writeUInt32LE(header.length + palette.length, 10);
  header.writeUInt32LE(40, 14);
  header.writeInt32LE(side, 18);
  header.writeInt32LE(side, 22);
  header.writeUInt16LE(1, 26);
  header.writeUInt16LE(bits, 28);
  header.writeUInt32LE(compression, 30);
  for (let i = 0; i < masks / 4; i++) header.writeUInt32LE([0xf800, 0x07e0, 0x001f][i], 54 + 4 * i);
  const line = [10, 1, 0, 4, 2, 3, 1, 0, 0, 2, 3, 0, 7, 9, 0, 0];
  const pixels =
    kind === "runs" || kind === "nibbles"
      ? Buffer.from([...Array<number[]>(side).fill(line).flat(), 0, 1])
      : Buffer.from(Uint8Array.from(seededUnits(kind, side * side * (bits / 8)), (u) => 127 * (u + 1)));
  return Buffer.concat([header, palette, pixels]);
}

async function seeds(): Promise<Seed[]> {
  const images: [string, Buffer][] = [
    ["a.png", await picture("png").png().toBuffer()],
    ["palette.png", await picture("palette").png({ palette: true }).toBuffer()],
    ["deep.png", await picture("deep").toColourspace("rgb16").png({ progressive: true }).toBuffer()],
    ["a.jpg", await picture("jpg").jpeg().toBuffer()],
    [
      "turned.jpg",
      await picture("turned").withMetadata({ orientation: 6 }).jpeg({ progressive: true }).toBuffer(),
    ],
    ["long.jpg", withSegment(await picture("long").jpeg().toBuffer(), Buffer.concat([exifStart, longExif]))],
    ["xmp.jpg", withSegment(await picture("xmp").jpeg().toBuffer(), xmp)],
    ["turned.png", await picture("turned").withMetadata({ orientation: 6 }).png().toBuffer()],
    ["turned.webp", await picture("turned").withMetadata({ orientation: 8 }).webp().toBuffer()],
    ["moving.gif", await moving().gif().toBuffer()],
    ["deep.tif", await picture("deep").toColourspace("rgb16").tiff({ bigtiff: true }).toBuffer()],
    ["cmyk.jpg", await picture("cmyk").toColourspace("cmyk").jpeg().toBuffer()],
    ["a.gif", await picture("gif").gif().toBuffer()],
    ["a.webp", await picture("webp").webp({ lossless: true }).toBuffer()],
    ["lossy.webp", await picture("webp").ensureAlpha(0.5).webp().toBuffer()],
    ["a.tif", await picture("tif").tiff({ compression: "lzw" }).toBuffer()],
    [
      "tiled.tif",
      await picture("tiled")
        .tiff({ compression: "deflate", tile: true, tileWidth: 16, tileHeight: 16 })
        .toBuffer(),
    ],
    ["runs.bmp", bitmap("runs")],
    ["nibbles.bmp", bitmap("nibbles")],
    ["colours.bmp", bitmap("colours")],
    ["masks.bmp", bitmap("masks")],
  ];
  return images.map(([name, bytes]) => ({ name, files: new Map([[name, bytes]]), open: name }));
}

/** The pixels that the fuzzer allows: what `--max-pixels` sets, small enough for the limit of memory. */
const maxPixels = 2 ** 22;

const families: readonly PreprocessFamily[] = ["inception", "vgg", "cifarnet", "lenet"];

/** The project's own fast decoder of JPEG and the native one give the same, where both take a file. */
function compareDecoders(bytes: Uint8Array): void {
  const header = readJpegHeader(bytes);
  if (!header || header.width * header.height > maxPixels) return;
  const room = (size: number) => new Uint8Array(size);
  const ours = decodeFastJpeg(bytes, room);
  const native = fastJpeg?.(bytes, header, room);
  if (ours && native && Buffer.compare(ours.data, native.data) !== 0)
    throw new Error("the fast decoders of JPEG differ");
}

/** The input of a network that an image gives. */
async function readOne(path: string, part?: { offset: number; size: number }, key = path): Promise<Reading> {
  const values = new Map<string, string>();
  for (const family of families) {
    const recipe = {
      decode: { maxPixels },
      preprocess: { family, mode: "slim", size: 32, channels: family === "lenet" ? 1 : 3 },
    } as const;
    const content = readContent({ key, path: Buffer.from(path), part });
    const out = new Float32Array(inputBytes(recipe) / 4);
    const outcome = "bytes" in content ? await decodeContent(content, recipe, out) : content;
    if (outcome.status === "known") throw new Error("an image is known that was asked for");
    if (outcome.status !== "ok") {
      if (!/\w{3}/.test(outcome.reason)) throw new Error(`the reason is "${outcome.reason}"`);
      return { values, refusal: new UserError(outcome.reason) };
    }
    const { input, facts } = outcome;
    if (input.length !== 32 * 32 * recipe.preprocess.channels)
      throw new Error(`the input has ${input.length} values`);
    if (!input.every(Number.isFinite)) throw new Error("the input is not finite");
    values.set(
      family,
      digestOf(
        `${facts.width}x${facts.height}`,
        new Uint8Array(input.buffer, input.byteOffset, input.byteLength),
      ),
    );
  }
  return { values };
}

export const image: Target = {
  name: "image",
  seeds,
  mutate({ files, open }, dice, all) {
    const whole = fileOf(files);
    const png = open.endsWith(".png");
    const give = (bytes: Buffer, how: string, promise: "exact" | "any") => ({
      files: new Map([[open, bytes]]),
      open,
      how,
      promise,
    });
    if (dice.chance(0.1)) return give(cut(whole, dice), "cut", "exact");
    if (png && dice.chance(0.6)) return give(damagePng(whole, dice), "chunks, resealed", "any");
    const head = dice.chance(0.5) ? Math.min(64, whole.length) : 0;
    const bent = damage(head > 0 ? Buffer.from(whole.subarray(0, head)) : whole, dice, {
      donor: fileOf(dice.pick(all).files),
    });
    const bytes = head > 0 ? Buffer.concat([bent.bytes, whole.subarray(head)]) : bent.bytes;
    return give(bytes, bent.how, "any");
  },
  async read(path) {
    compareDecoders(await readFile(path));
    return readOne(path);
  },
};

export const imageArchive: Target = {
  name: "image-archive",
  async seeds() {
    const members = (await seeds()).filter((s) => /^(a\.png|a\.jpg|colours\.bmp)$/.test(s.name));
    const list = members.map(({ name, files }) => ({ name: `./${name}`, data: fileOf(files) }));
    const files = new Map([["a.tar", tar(list)]]);
    return [{ name: "three images", files, open: "a.tar" }];
  },
  mutate({ files, open }, dice) {
    const whole = fileOf(files);
    if (dice.chance(0.1))
      return { files: new Map([[open, cut(whole, dice)]]), open, how: "cut", promise: "exact" };
    const bytes = Buffer.from(damage(whole, dice).bytes);
    if (dice.chance(0.5)) return { files: new Map([[open, bytes]]), open, how: "damage", promise: "any" };
    for (let at = 0; at + 512 <= bytes.length; at += 512) {
      const header = bytes.subarray(at, at + 512);
      if (header.toString("latin1", 257, 262) !== "ustar") continue;
      if (dice.chance(0.3)) damage(header, dice).bytes.copy(header, 0, 0, 512);
      header.fill(" ", 148, 156);
      header.write(
        `${header
          .reduce((n, b) => n + b, 0)
          .toString(8)
          .padStart(6, "0")}\0 `,
        148,
      );
    }
    return { files: new Map([[open, bytes]]), open, how: "headers, resealed", promise: "any" };
  },
  async read(path) {
    const values = new Map<string, string>();
    try {
      for (const { key, part, fault } of await listArchive(path)) {
        if (fault !== undefined) {
          values.set(key, "refused");
          continue;
        }
        const reading = await readOne(path, part, key);
        values.set(key, reading.refusal ? "refused" : digestOf(...reading.values.values()));
      }
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return { values, refusal: error };
    }
    return { values };
  },
};
