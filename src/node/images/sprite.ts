/** Small pictures of images: a tile each, and all of them as one picture. */
import type { Sharp } from "sharp";
import { ImageError } from "../../errors.ts";
import type { ImageInput } from "./inputs.ts";
import { sharpOnce } from "./libvips.ts";
import { decodeInput } from "./read.ts";
import { place } from "./thumbnails.ts";

async function tileOf(input: ImageInput, size: number): Promise<Sharp> {
  const { width, height, data } = await decodeInput(input);
  const sharp = await sharpOnce();
  return sharp(data, { raw: { width, height, channels: 3 } }).resize(size, size, { fit: "cover" });
}

/**
 * Tells `made` a square tile of each image, cut from its middle; undefined for one that is not there, or cannot be read, of which
 * `failed` is told.
 */
async function eachTile(
  inputs: readonly (ImageInput | undefined)[],
  size: number,
  made: (i: number, tile: Sharp | undefined) => Promise<void>,
  failed: (reason: string) => void,
): Promise<void> {
  for (const [i, input] of inputs.entries()) {
    let tile: Sharp | undefined;
    try {
      tile = input && (await tileOf(input, size));
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      failed(error.message);
    }
    await made(i, tile);
  }
}

/**
 * One PNG with a tile of `size` pixels for each image, as many in a row as there are rows, as TensorBoard's projector takes
 * them; what cannot be read is left black.
 */
export async function spriteOf(
  inputs: readonly (ImageInput | undefined)[],
  size: number,
  failed: (reason: string) => void,
): Promise<Buffer> {
  const across = Math.ceil(Math.sqrt(inputs.length));
  const width = across * size;
  const pixels = Buffer.alloc(width * width * 3);
  await eachTile(
    inputs,
    size,
    async (i, tile) => {
      if (!tile) return;
      const data = await tile.raw().toBuffer();
      const [x, y] = [size * (i % across), size * Math.floor(i / across)];
      place({ data, width: size, height: size }, pixels, width, x, y);
    },
    failed,
  );
  const sharp = await sharpOnce();
  return sharp(pixels, { raw: { width, height: width, channels: 3 } })
    .png()
    .toBuffer();
}

/** A JPEG of each image as a data URL; empty for what cannot be read. */
export async function dataUrlsOf(
  inputs: readonly (ImageInput | undefined)[],
  size: number,
  failed: (reason: string) => void,
): Promise<string[]> {
  const urls: string[] = [];
  await eachTile(
    inputs,
    size,
    async (_, tile) => {
      const bytes = await tile?.jpeg({ quality: 80 }).toBuffer();
      urls.push(bytes ? `data:image/jpeg;base64,${bytes.toString("base64")}` : "");
    },
    failed,
  );
  return urls;
}
