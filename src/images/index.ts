/** Image files to network input. */

export { listArchive } from "./archive.ts";
export { decodeImage } from "./decode.ts";
export { type ImageInput, type ListOptions, listFolder, listNamed, nameOf } from "./inputs.ts";
export { hasFastJpeg, type JpegMethod, jpegMethods } from "./jpeg.ts";
export type { DecodeOptions, ExifRule } from "./options.ts";
export type { ImageFacts, Pixels } from "./pixels.ts";
export { type DecodePool, openDecodePool } from "./pool.ts";
export {
  checkPreprocess,
  type DecodeRules,
  decodeRules,
  describePreprocess,
  type PreprocessFamily,
  type PreprocessMode,
  type PreprocessOptions,
  preprocess,
  preprocessModes,
} from "./preprocess.ts";
export {
  decodeContent,
  imageExtensions,
  inputBytes,
  type Outcome,
  type ReadRecipe,
  readContent,
} from "./read.ts";
