/** A network ready to run: graph, weights and device behind one small face. */
import type { Shape } from "../tensor.ts";

/** Where the weights came from. Untrained weights are called so wherever they are used. */
export type WeightOrigin =
  | { readonly kind: "checkpoint"; readonly path: string; readonly format: string }
  | { readonly kind: "seeded" };

export interface NetworkOptions {
  readonly model: string;
  /** End point by TF-Slim's name; the network's pooled feature when left out. */
  readonly layer?: string;
  readonly device: "auto" | "webgpu" | "cpu";
  readonly weights: WeightOrigin["kind"];
  /** The checkpoint (file, prefix, directory or archive) when `weights` is "checkpoint". */
  readonly checkpoint?: string;
  /** Receives sentences that the user should see (the device chosen and why). */
  readonly notice?: (sentence: string) => void;
}

export interface Network {
  readonly model: string;
  readonly endPoint: string;
  /** Height, width and channels of one input image. */
  readonly inputShape: Shape;
  /** The feature's shape without the batch dimension, such as [1, 1, 1024]. */
  readonly featureShape: Shape;
  readonly backend: "webgpu" | "cpu";
  /** The adapter's or processor's own name. */
  readonly adapter: string;
  readonly weights: WeightOrigin;
  /** Features of `count` images that lie back to back in `images`; image i's bits do not depend on the others. */
  run(images: Float32Array, count: number): Promise<Float32Array>;
  close(): Promise<void>;
}

/**
 * Opens the checkpoint, compiles the network up to the end point and loads its weights.
 * @throws UsageError (unknown network or end point), CheckpointError (weights), DeviceError (no adapter).
 */
export function openNetwork(_options: NetworkOptions): Promise<Network> {
  throw new Error("not yet");
}
