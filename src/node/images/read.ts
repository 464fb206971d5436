/** One file to one outcome: what a decoding worker does. */
import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readlinkSync,
  readSync,
  type Stats,
  statSync,
} from "node:fs";
import { ImageError } from "../../errors.ts";
import { withRoom } from "../../images/machine.ts";
import { hasImageName, isTakenForImage, startBytes, whyNotRead } from "../../images/other-kinds.ts";
import { type PreprocessOptions, preprocess } from "../../images/preprocess.ts";
import type { DecodeOptions, ImageFacts, Pixels } from "../../platform/decoder.ts";
import { decodeImage } from "./decode.ts";
import { type ImageInput, nameOf } from "./inputs.ts";

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

/** The system's code in the reason of an image of which no byte could be had; undefined for every other reason. */
export const unreadCode = (reason = ""): string | undefined =>
  /^it cannot be read \((\w+)\)$/.exec(reason)?.[1] ??
  (/^it is a link to .*, which is not there/s.test(reason) ? "ENOENT" : undefined);

/** What may stand under a name instead of a file. */
const others: readonly (readonly [is: (stats: Stats) => boolean, what: string])[] = [
  [(s) => s.isFIFO(), "it is a pipe (FIFO), not a file"],
  [(s) => s.isSocket(), "it is a socket, not a file"],
  [(s) => s.isCharacterDevice() || s.isBlockDevice(), "it is a device, not a file"],
];

/** Where a link leads that ends nowhere; undefined for a name under which there is no link. */
function deadEnd(path: Uint8Array, error: unknown): string | undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ELOOP") return "it is a link that leads in a circle";
  if (code !== "ENOENT" && code !== "ENOTDIR") return undefined;
  try {
    const target = nameOf(readlinkSync(path as Buffer, "buffer"));
    const annex = target.includes(".git/annex/objects/") ? "; fetch it with: git annex get" : "";
    return `it is a link to ${target}, which is not there${annex}`;
  } catch {
    return undefined;
  }
}

/** Without an image's name, what is no file is none that is missed. A key with a slash at its end is a folder, which is. */
const unusable = ({ key, claimed }: ImageInput, reason: string): Outcome => ({
  status: claimed || hasImageName(key) || key.endsWith("/") ? "failed" : "skipped",
  reason,
});

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
function readBytes(image: ImageInput): Buffer | Outcome {
  const { path, key, part, fault } = image;
  if (fault !== undefined) return unusable(image, fault);
  let file: number;
  try {
    const there = statSync(path as Buffer);
    if (there.isDirectory()) return { status: "failed", reason: "it is a folder, not a file" };
    const other = others.find(([is]) => is(there));
    if (other) return unusable(image, other[1]);
    // A pipe that came in its place meanwhile would be waited for.
    file = openSync(path as Buffer, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    const dead = deadEnd(path, error);
    return dead === undefined ? { status: "failed", reason: unread(error) } : unusable(image, dead);
  }
  try {
    const { offset, size } = part ?? { offset: 0, size: fstatSync(file).size };
    const start = Buffer.alloc(Math.min(size, startBytes));
    readSync(file, start, 0, start.length, offset);
    if (!isTakenForImage(start, key)) {
      return unusable(image, "neither its name nor its content is an image's");
    }
    // What is not decoded need not be read, however large: a camera's files are.
    const why = whyNotRead(start, key);
    if (why !== undefined) return { status: "failed", reason: `cannot be decoded: ${why}` };
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

/** The pixels of one input, whatever it is part of. @throws ImageError that names it */
export async function decodeInput(image: ImageInput): Promise<Pixels> {
  const content = readContent(image);
  const failed = (reason: string, cause?: unknown) =>
    new ImageError(`${image.key}: ${reason.replace(/^the image /, "").replace(/\.$/, "")}.`, undefined, {
      cause,
    });
  if ("status" in content) throw failed("reason" in content ? content.reason : content.status);
  try {
    return await decodeImage(content.bytes);
  } catch (error) {
    throw error instanceof ImageError ? failed(error.message, error) : error;
  }
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
