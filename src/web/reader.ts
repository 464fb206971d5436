/** Images to inputs, by workers that decode. */
import { type Bitmap, isBitmap } from "../browser/bitmap.ts";
import { ImageError } from "../errors.ts";
import type { DecodeRules } from "../images/index.ts";
import type { Prepared, Reader, Recipe } from "../library/parts.ts";
import { type Caller, openCaller } from "./caller.ts";
import type { PrepareArgument, SentInput } from "./calls.ts";

/** More decoders than these are faster than any network here. */
const mostWorkers = 4;

declare const navigator: { readonly hardwareConcurrency?: number };
declare function createImageBitmap(bitmap: object, options: object): Promise<Bitmap>;

/** A copy as it is: what is handed over is gone for whoever gave it. */
const copyOf = (bitmap: unknown) =>
  createImageBitmap(bitmap as object, { premultiplyAlpha: "none", colorSpaceConversion: "none" });

const preparedOf = (sent: SentInput): Prepared => ("reason" in sent ? sent : { ...sent, release: () => {} });

/** Opens a reader. Its workers are started as images come, and stay until it is closed. */
export function openReader(recipe: Recipe, workers = usualWorkers()): Reader {
  const decode = recipe.decode as DecodeRules;
  const callers: { readonly caller: Caller; busy: number }[] = [];

  /** The one that has least to do; another, where all have something and there may be more. */
  function leastBusy() {
    const idle = callers.reduce<(typeof callers)[number] | undefined>(
      (best, one) => (best && best.busy <= one.busy ? best : one),
      undefined,
    );
    if (idle && (idle.busy === 0 || callers.length >= workers)) return idle;
    const fresh = { caller: openCaller(), busy: 0 };
    callers.push(fresh);
    return fresh;
  }

  async function prepare(image: PrepareArgument["image"], transfer: readonly object[]): Promise<Prepared> {
    const one = leastBusy();
    one.busy++;
    try {
      return preparedOf(
        await one.caller.call("prepare", { image, decode, preprocess: recipe.preprocess }, { transfer }),
      );
    } finally {
      one.busy--;
    }
  }

  return {
    atOnce: 2 * workers,
    async read(image) {
      if (!(image instanceof Uint8Array))
        throw new ImageError(
          "is no image that a page can open",
          "Give a File, a Blob, a URL, pixels, or an ImageBitmap.",
        );
      const bytes = new Uint8Array(image);
      return prepare({ bytes }, [bytes.buffer]);
    },
    own: {
      takes: isBitmap,
      async read(image) {
        const bitmap = await copyOf(image);
        return prepare({ bitmap }, [bitmap]);
      },
    },
    async close() {
      for (const { caller } of callers) caller.end();
      callers.length = 0;
    },
  };
}

const usualWorkers = (): number =>
  Math.max(1, Math.min(mostWorkers, (navigator.hardwareConcurrency ?? 2) - 1));
