/** Small pictures of images, in sheets of many: upright, opaque, as one expects to see them. */
import { availableParallelism } from "node:os";
import type { Sharp } from "sharp";
import { isBmp, isImage } from "../../images/kinds.ts";
import { decodeImage } from "./decode.ts";
import type { ImageInput } from "./inputs.ts";
import { sharpOnce } from "./libvips.ts";
import { readContent } from "./read.ts";

/** How sheets are made: square cells of `cell` pixels, `columns` times `rows` of them. */
export interface SheetShape {
  readonly cell: number;
  readonly columns: number;
  readonly rows: number;
}

/** A sheet as a WebP file, with width and height of the picture in each cell, 0 where there is none. */
export interface Sheet {
  readonly bytes: Buffer;
  readonly sizes: Uint8Array;
}

export interface SheetEvents {
  /** How many pictures are made. */
  readonly progressed?: (done: number) => void;
  /** Of an image there is no picture, for a reason, as a clause. */
  readonly failed?: (index: number, reason: string) => void;
}

/** RGB pixels. */
export interface Picture {
  readonly data: Buffer;
  readonly width: number;
  readonly height: number;
}

/** What shows through transparent pixels. */
const paper = "#ffffff";
const quality = 78;

/**
 * Sheets of thumbnails of `inputs`, in their order, one after the other as they are done. An input that is undefined, or no
 * image any more, leaves its cell empty. Several are decoded at once; memory is that of one sheet.
 */
export async function* thumbnailSheets(
  inputs: readonly (ImageInput | undefined)[],
  shape: SheetShape,
  { progressed = () => {}, failed = () => {} }: SheetEvents = {},
): AsyncGenerator<Sheet> {
  const { cell, columns, rows } = shape;
  const perSheet = columns * rows;
  let done = 0;
  for (let from = 0; from < inputs.length; from += perSheet) {
    const here = inputs.slice(from, from + perSheet);
    const width = cell * Math.min(columns, here.length);
    const height = cell * Math.ceil(here.length / columns);
    const sheet = Buffer.alloc(3 * width * height);
    const sizes = new Uint8Array(2 * here.length);
    await atOnce(here, async (input, i) => {
      const picture = input && (await thumbnail(input, cell).catch((error: Error) => reasonOf(error)));
      if (typeof picture === "string") failed(from + i, picture);
      else if (picture) {
        sizes.set([picture.width, picture.height], 2 * i);
        place(picture, sheet, width, cell * (i % columns), cell * Math.floor(i / columns));
      }
      progressed(++done);
    });
    const sharp = await sharpOnce();
    const bytes = await sharp(sheet, { raw: { width, height, channels: 3 } })
      .webp({ quality, effort: 2 })
      .toBuffer();
    yield { bytes, sizes };
  }
}

const reasonOf = (error: Error): string => error.message.replace(/^the image /, "").replace(/\.$/, "");

/** Does the work for some of the items at once, as many as keep all cores busy while others are read. */
async function atOnce<T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const one = async () => {
    while (next < items.length) {
      const index = next++;
      await work(items[index], index);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() + 2 }, one));
}

/** A picture of at most `cell` pixels wide and high, as RGB. Smaller images keep their size. Rejects with what is wrong. */
async function thumbnail(input: ImageInput, cell: number): Promise<Picture> {
  const content = readContent(input);
  if ("status" in content) throw new Error("reason" in content ? content.reason : content.status);
  const { bytes } = content;
  if (!isImage(bytes)) throw new Error("it is no image any more");
  const { data, info } = await (await opened(bytes))
    .resize(cell, cell, { fit: "inside", withoutEnlargement: true })
    .flatten({ background: paper })
    .toColourspace("srgb")
    .removeAlpha()
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  if (info.channels === 3) return { data, width: info.width, height: info.height };
  const rgb = Buffer.alloc(3 * info.width * info.height);
  for (let i = 0; i < rgb.length; i++) rgb[i] = data[Math.floor(i / 3) * info.channels];
  return { data: rgb, width: info.width, height: info.height };
}

/** libvips reads no bitmaps: those are decoded here. Of the others it decodes no more than a thumbnail needs. */
async function opened(bytes: Buffer): Promise<Sharp> {
  const sharp = await sharpOnce();
  if (!isBmp(bytes)) return sharp(bytes, { failOn: "none", limitInputPixels: 2 ** 28 }).autoOrient();
  const { data, width, height } = await decodeImage(bytes);
  return sharp(data, { raw: { width, height, channels: 3 } });
}

/** Puts a picture into a sheet that is `across` pixels wide, its upper left corner at (x, y). */
export function place(
  { data, width, height }: Picture,
  sheet: Buffer,
  across: number,
  x: number,
  y: number,
): void {
  for (let row = 0; row < height; row++)
    data.copy(sheet, 3 * ((y + row) * across + x), 3 * row * width, 3 * (row + 1) * width);
}
