/** One file to one outcome: what a decoding worker does. */
import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { ImageError } from "../errors.ts";
import { decodeImage } from "./decode.ts";
import type { ImageInput } from "./inputs.ts";
import { withRoom } from "./machine.ts";
import { isImage } from "./magic.ts";
import type { DecodeOptions } from "./options.ts";
import type { ImageFacts } from "./pixels.ts";
import { type PreprocessOptions, preprocess } from "./preprocess.ts";

export type Outcome =
  | { readonly status: "known"; readonly hash: string }
  | { readonly status: "ok"; readonly hash: string; readonly facts: ImageFacts; readonly input: Float32Array }
  | { readonly status: "failed"; readonly hash?: string; readonly reason: string }
  /** Neither by name nor by content an image. */
  | { readonly status: "skipped"; readonly reason: string };

export interface ReadRecipe {
  readonly decode: DecodeOptions;
  readonly preprocess: PreprocessOptions;
}

/** Bytes of one image's input. */
export const inputBytes = ({ preprocess: { size, channels } }: ReadRecipe): number =>
  4 * size * size * channels;

/** Endings of files whose owners take them for images: what cannot be read among them is an error, not another file. */
export const imageExtensions: readonly string[] = ["jpg", "jpeg", "png", "bmp", "webp", "gif", "tif", "tiff"];

const isImageName = (name: string) =>
  imageExtensions.includes(name.slice(name.lastIndexOf(".") + 1).toLowerCase());

/** Larger files are no images that a network is fed; reading them whole would fill the memory. */
const mostBytes = 2 ** 30;

const unread = (error: unknown) => `it cannot be read (${(error as NodeJS.ErrnoException).code ?? error})`;

/** Buffers for files that nobody uses now; a larger one is not kept, and no more than a worker has images in hand. */
const spare: Buffer[] = [];
const mostSpare = { bytes: 2 ** 24, buffers: 3 };

/** A buffer of at least so many bytes, whatever they were. */
function takeBuffer(size: number): Buffer {
  const buffer = spare.pop();
  return buffer && buffer.length >= size
    ? buffer
    : Buffer.allocUnsafeSlow(size > mostSpare.bytes ? size : 2 ** Math.max(16, Math.ceil(Math.log2(size))));
}

/** Takes a content's bytes back: they must no longer be used. Those that are not given back are merely not used again. */
export function giveBackContent({ bytes }: Content): void {
  if (bytes.buffer.byteLength <= mostSpare.bytes && spare.length < mostSpare.buffers)
    spare.push(Buffer.from(bytes.buffer));
}

/** The bytes of a file that is an image by content or by name. A worker waits for nothing else, so it reads at once. */
function readBytes({ path, key, part }: ImageInput): Buffer | Outcome {
  let file: number;
  try {
    file = openSync(path as Buffer, "r");
  } catch (error) {
    return { status: "failed", reason: unread(error) };
  }
  try {
    const { offset, size } = part ?? { offset: 0, size: fstatSync(file).size };
    if (!isImageName(key)) {
      const start = Buffer.alloc(Math.min(size, 64));
      readSync(file, start, 0, start.length, offset);
      if (!isImage(start))
        return { status: "skipped", reason: "neither its name nor its content is an image's" };
    }
    if (size > mostBytes) return { status: "failed", reason: "it is larger than 1 GiB" };
    const bytes = takeBuffer(size);
    let read = 0;
    while (read < size) {
      const more = readSync(file, bytes, read, size - read, offset + read);
      if (more === 0) break;
      read += more;
    }
    return bytes.subarray(0, read);
  } catch (error) {
    return { status: "failed", reason: unread(error) };
  } finally {
    closeSync(file);
  }
}

/** A file's content by its hash. */
export interface Content {
  readonly bytes: Buffer;
  readonly hash: string;
}

/** Reads one file, whole; an outcome where there is nothing to decode. */
export function readContent(image: ImageInput): Content | Outcome {
  const bytes = readBytes(image);
  if (!Buffer.isBuffer(bytes)) return bytes;
  return { bytes, hash: createHash("sha256").update(bytes).digest("hex") };
}

/** Decodes and preprocesses what a file held, into `out`. Never rejects for what is wrong with it. */
export async function decodeContent(
  { bytes, hash }: Content,
  recipe: ReadRecipe,
  out: Float32Array,
): Promise<Outcome> {
  try {
    return await withRoom(async (room) => {
      const { data, ...facts } = await decodeImage(bytes, recipe.decode, room);
      const input = preprocess({ data, ...facts }, recipe.preprocess, out);
      return { status: "ok", hash, facts, input };
    });
  } catch (error) {
    if (error instanceof ImageError) {
      return { status: "failed", hash, reason: error.message.replace(/^the image /, "").replace(/\.$/, "") };
    }
    throw error;
  }
}
