/** Image files to network input. */

export { listArchive } from "./archive.ts";
export { decodeImage } from "./decode.ts";
export { type ImageInput, type ListOptions, listFolder, nameOf } from "./inputs.ts";
export { hasFastJpeg, type JpegMethod, jpegMethods } from "./jpeg.ts";
export { imageExtensions } from "./kinds.ts";
export { listNamed, type NamedFiles } from "./list.ts";
export type { DecodeOptions, ExifRule, ListOrder } from "./options.ts";
export type { ImageFacts, Pixels } from "./pixels.ts";
export { type DecodePool, inHand, openDecodePool } from "./pool.ts";
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
  inputBytes,
  type Outcome,
  type ReadRecipe,
  readContent,
} from "./read.ts";
export { isPlaceOfImages, listSources, type Source } from "./sources.ts";
export { type Sheet, type SheetEvents, type SheetShape, thumbnailSheets } from "./thumbnails.ts";
