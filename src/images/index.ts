/** Image files to network input. */
export { type DecodeOptions, decodeImage, type ExifRule } from "./decode.ts";
export { imageExtensions, listImages } from "./list.ts";
export type { Pixels } from "./pixels.ts";
export {
  describePreprocess,
  type PreprocessFamily,
  type PreprocessMode,
  type PreprocessOptions,
  preprocess,
  preprocessModes,
} from "./preprocess.ts";
