/** The package in a browser: `slimfeatures/web`. */
export {
  CheckpointError,
  DeviceError,
  ImageError,
  UsageError,
  UserError,
} from "../errors.ts";
export type { Extractor } from "../library/extractor.ts";
export type { ImageSource, RawImage } from "../library/images.ts";
export type { FeaturesOptions, Progress, StreamOptions } from "../library/options.ts";
export type { Features } from "../library/parts.ts";
export type { StreamedFailure, StreamedFeatures } from "../library/stream.ts";
export { Stopped } from "../stopped.ts";
export type { BytesProgress, KeptCheckpoint } from "./calls.ts";
export { checkpoints, type KeepOptions } from "./checkpoints.ts";
export { createExtractor, type ImageBitmapLike, type WebExtractor } from "./extractor.ts";
export type { CheckpointSource, WebExtractorOptions } from "./options.ts";
