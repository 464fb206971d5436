/** One image to one input: what the workers that decode do. */

import { type Bitmap, pixelsOfBitmap } from "../browser/bitmap.ts";
import { browserDecoder } from "../browser/decoder.ts";
import { ImageError } from "../errors.ts";
import { decodeWith, preprocess } from "../images/index.ts";
import { withRoom } from "../images/machine.ts";
import type { PrepareArgument, SentInput } from "./calls.ts";

function ofBitmap(bitmap: Bitmap, { decode, preprocess: rules }: PrepareArgument): SentInput {
  try {
    const pixels = pixelsOfBitmap(bitmap, decode.background);
    return { input: preprocess({ ...pixels, format: "raw", orientation: 1, turned: false }, rules) };
  } finally {
    bitmap.close();
  }
}

/** Never rejects for what is wrong with an image. */
export async function prepare(argument: PrepareArgument): Promise<SentInput> {
  const { image, decode, preprocess: rules } = argument;
  try {
    if ("bitmap" in image) return ofBitmap(image.bitmap as Bitmap, argument);
    return await withRoom(async (room) => {
      const { note, ...pixels } = await decodeWith(browserDecoder, image.bytes, decode, { room });
      return { input: preprocess(pixels, rules), ...(note === undefined ? {} : { note }) };
    });
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    return { reason: error.message.replace(/^the image /, "").replace(/\.$/, "") };
  }
}
