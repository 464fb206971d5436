/** The library's public face. */
export {
  type Checkpoint,
  openCheckpoint,
  type TensorEntry,
  type TensorValue,
  writeCheckpoint,
} from "./checkpoint/index.ts";
export { UserError } from "./errors.ts";
export { type Network, type NetworkOptions, openNetwork } from "./features/network.ts";
export { readFeatures } from "./features/readers/index.ts";
export { decodeImage, listImages, type Pixels, preprocess } from "./images/index.ts";
export { findModel, type Model, models } from "./nets/index.ts";
