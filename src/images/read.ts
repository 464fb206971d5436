/** One file to one outcome: what a decoding worker does. */
import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { ImageError } from "../errors.ts";
import { decodeImage } from "./decode.ts";
import type { ImageInput } from "./inputs.ts";
import { isTakenForImage, startBytes, whyNotRead } from "./kinds.ts";
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

/** Larger files are no images that a network is fed; reading them whole would fill the memory. */
const mostBytes = 2 ** 30;

const unread = (error: unknown) => `it cannot be read (${(error as NodeJS.ErrnoException).code ?? error})`;

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
    const start = Buffer.alloc(Math.min(size, startBytes));
    readSync(file, start, 0, start.length, offset);
    if (!isTakenForImage(start, key)) {
      return { status: "skipped", reason: "neither its name nor its content is an image's" };
    }
    // What is not decoded need not be read, however large: a camera's files are.
    const why = whyNotRead(start, key);
    if (why !== undefined) return { status: "failed", reason: `cannot be decoded: ${why}` };
    if (size > mostBytes) return { status: "failed", reason: "it is larger than 1 GiB" };
    const bytes = Buffer.allocUnsafeSlow(size);
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
    const { data, ...facts } = await decodeImage(bytes, recipe.decode);
    const input = preprocess({ data, ...facts }, recipe.preprocess, out);
    return { status: "ok", hash, facts, input };
  } catch (error) {
    if (error instanceof ImageError) {
      return { status: "failed", hash, reason: error.message.replace(/^the image /, "").replace(/\.$/, "") };
    }
    throw error;
  }
}
