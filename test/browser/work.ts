/** What is computed in a browser and in Node, and what the browser tells of it. */
import { compile } from "../../src/engine/compile.ts";
import type { Program } from "../../src/engine/program.ts";
import { buildNetwork, findModel } from "../../src/nets/index.ts";
import { identifyCheckpoint, openNetwork, type WeightOrigin } from "../../src/network/network.ts";
import type { Platform } from "../../src/platform/index.ts";
import { seededUnits } from "../../src/seeded.ts";
import { sizeOf } from "../../src/tensor.ts";

export const work = { model: "mobilenet_v1_025", imageSize: 96 };

export function programOfWork(): Program {
  const model = findModel(work.model);
  return compile(buildNetwork(model, 1, { imageSize: work.imageSize }), [model.featureEndPoint]);
}

export const imageOfWork = ({ inputs: [{ shape }] }: Program): Float32Array =>
  seededUnits("a picture of noise", sizeOf(shape));

/** The checkpoint that the page is given, a file of test/reference/checkpoints. */
export const checkpoint = "mobilenet_v1_025_v1.ckpt";

/** What a network gives that was opened from it. */
export interface FromCheckpoint {
  readonly weights: WeightOrigin;
  readonly features: readonly number[];
}

/** Computes by the checkpoint among the platform's files. */
export async function fromCheckpoint(path: string, platform: Platform): Promise<FromCheckpoint> {
  const { name } = await identifyCheckpoint(path, {}, platform);
  const network = await openNetwork(
    { model: name, device: "cpu", weights: "checkpoint", checkpoint: path, imageSize: work.imageSize },
    platform,
  );
  const image = seededUnits("a picture of noise", sizeOf(network.inputShape));
  const { outputs } = await network.run([image]);
  await network.close();
  return { weights: network.weights, features: [...outputs[0]] };
}

/** What a device computed. */
export interface Computed {
  readonly adapter: string;
  readonly software: boolean;
  /** Threads beside the first. */
  readonly workers: number;
  readonly features: readonly number[];
}

/** What the page tells, or what went wrong. */
export interface Told {
  readonly isolated?: boolean;
  readonly computed?: Readonly<Record<string, Computed | string>>;
  readonly trained?: FromCheckpoint;
  readonly names?: readonly string[];
  readonly missing?: boolean;
  readonly error?: string;
}
