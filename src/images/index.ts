/** Images to network input: what they are, what decoding follows, preprocessing. Nothing of a platform. */
export type {
  DecodeOptions,
  Decoder,
  ExifRule,
  ImageFacts,
  JpegMethod,
  Pixels,
} from "../platform/decoder.ts";
export { decodeWith } from "./decode.ts";
export { imageExtensions } from "./kinds.ts";
export { jpegMethods } from "./options.ts";
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
