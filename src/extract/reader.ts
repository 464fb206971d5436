/** Files, and their bytes, to inputs for the library's extractor: in this thread, or in workers. */
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { ImageError } from "../errors.ts";
import type { FoundImage } from "../library/images.ts";
import type { Prepared, Reader, Recipe } from "../library/parts.ts";
import {
  type DecodePool,
  decodeContent,
  type ImageInput,
  inHand,
  type Outcome,
  openDecodePool,
  readContent,
} from "../node/images/index.ts";
import { giveBackContent } from "../node/images/read.ts";
import { sizeOf } from "../tensor.ts";

function inputOf(file: string | URL | FoundImage): ImageInput {
  if (typeof file === "string") return { key: file, path: Buffer.from(file) };
  if (!(file instanceof URL)) return file;
  try {
    const path = fileURLToPath(file);
    return { key: path, path: Buffer.from(path) };
  } catch (cause) {
    throw new ImageError("is an address of no file on this machine", undefined, { cause });
  }
}

function preparedOf(outcome: Outcome, giveBack: (input: Float32Array) => void): Prepared {
  if (outcome.status === "known") throw new Error("a content was left out that was wanted");
  if (outcome.status !== "ok") return { reason: outcome.reason };
  const { input, facts } = outcome;
  return { input, note: facts.note, release: () => giveBack(input) };
}

/**
 * Opens a reader. Its workers are started with the first file of many, and stay until it is closed: to start one takes as
 * long as to decode dozens of images. One file alone, and bytes that are in memory, are decoded in this thread.
 */
export function openReader(recipe: Recipe, workers = availableParallelism()): Reader {
  let pool: DecodePool | undefined;
  /** Memory of inputs that nobody uses now. */
  const spare: Float32Array[] = [];
  const { size, channels } = recipe.preprocess;
  const giveBack = (input: Float32Array) => void spare.push(input);

  async function decodeHere(bytes: Buffer): Promise<Prepared> {
    const input = spare.pop() ?? new Float32Array(sizeOf([size, size, channels]));
    const outcome = await decodeContent({ bytes, hash: "" }, recipe, input);
    if (outcome.status !== "ok") giveBack(input);
    return preparedOf(outcome, giveBack);
  }

  return {
    atOnce: inHand * workers + 1,
    async read(image, many) {
      if (image instanceof Uint8Array) {
        return decodeHere(Buffer.from(image.buffer, image.byteOffset, image.byteLength));
      }
      const file = inputOf(image);
      if (many) pool ??= openDecodePool(workers, recipe, []);
      if (pool) return preparedOf(await pool.read(file, () => true), pool.giveBack);
      const content = readContent(file);
      if ("status" in content) return preparedOf(content, giveBack);
      try {
        return await decodeHere(content.bytes);
      } finally {
        giveBackContent(content);
      }
    },
    async close() {
      await pool?.close();
      spare.length = 0;
    },
  };
}
