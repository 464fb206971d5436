/** A network ready to run: graph, weights and device behind one small face. */
import { type Checkpoint, openCheckpoint } from "../checkpoint/index.ts";
import { compile } from "../engine/compile.ts";
import type { Device } from "../engine/device.ts";
import { type DeviceName, openDevice } from "../engine/devices.ts";
import type { WeightSource } from "../engine/weights.ts";
import { buildNetwork, findModel } from "../nets/index.ts";
import { seededWeights } from "../nets/seeded-weights.ts";
import type { Shape } from "../tensor.ts";

/** Where the weights came from. Untrained weights are called so wherever they are used. */
export type WeightOrigin =
  | { readonly kind: "checkpoint"; readonly path: string; readonly format: string }
  | { readonly kind: "seeded" };

export interface NetworkOptions {
  readonly model: string;
  /** End point by TF-Slim's name; the network's pooled feature when left out. */
  readonly layer?: string;
  readonly device: DeviceName;
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

/** A checkpoint as the engine's source of weights. */
function checkpointSource(checkpoint: Checkpoint): WeightSource {
  return {
    name: checkpoint.path,
    shapeOf: (name) => checkpoint.entry(name)?.shape,
    read: (name) => checkpoint.readFloat32(name),
  };
}

/**
 * Opens the checkpoint, compiles the network up to the end point and loads its weights.
 * @throws UsageError (unknown network or end point), CheckpointError (weights), DeviceError (no adapter).
 */
export async function openNetwork(options: NetworkOptions): Promise<Network> {
  const model = findModel(options.model);
  const endPoint = options.layer ?? model.featureEndPoint;
  const programOf = (batch: number) => compile(buildNetwork(model, batch), [endPoint]);
  const single = programOf(1);

  if (options.weights === "checkpoint" && options.checkpoint === undefined)
    throw new Error("no checkpoint named");
  const checkpoint =
    options.weights === "checkpoint" ? await openCheckpoint(options.checkpoint as string) : undefined;
  const source = checkpoint
    ? checkpointSource(checkpoint)
    : await seededWeights(model.name, single.variables);
  const weights: WeightOrigin = checkpoint
    ? { kind: "checkpoint", path: checkpoint.path, format: checkpoint.format }
    : { kind: "seeded" };

  let device: Device | undefined;
  try {
    device = await openDevice(options.device, options.notice);
    const opened = device;
    /** One session a batch size; they share the device's weights. The last batch of a run is often a smaller one. */
    const sessions = new Map([[1, await opened.load(single, source)]]);

    return {
      model: model.name,
      endPoint,
      inputShape: single.inputs[0].shape.slice(1),
      featureShape: single.outputs[0].shape.slice(1),
      backend: opened.backend,
      adapter: opened.adapter,
      weights,
      async run(images, count) {
        let session = sessions.get(count);
        if (!session) {
          session = await opened.load(programOf(count), source);
          sessions.set(count, session);
        }
        const [features] = await session.run([images]);
        return features;
      },
      async close() {
        for (const session of sessions.values()) session.close();
        await opened.close();
        await checkpoint?.close();
      },
    };
  } catch (error) {
    await device?.close();
    await checkpoint?.close();
    throw error;
  }
}
