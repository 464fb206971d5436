/** What is computed in a browser and in Node, and what the browser tells of it. */
import { compile } from "../../src/engine/compile.ts";
import type { Program } from "../../src/engine/program.ts";
import { buildNetwork, findModel } from "../../src/nets/index.ts";
import { seededUnits } from "../../src/seeded.ts";
import { sizeOf } from "../../src/tensor.ts";

export const work = { model: "mobilenet_v1_025", imageSize: 96 };

export function programOfWork(): Program {
  const model = findModel(work.model);
  return compile(buildNetwork(model, 1, { imageSize: work.imageSize }), [model.featureEndPoint]);
}

export const imageOfWork = ({ inputs: [{ shape }] }: Program): Float32Array =>
  seededUnits("a picture of noise", sizeOf(shape));

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
  readonly names?: readonly string[];
  readonly missing?: boolean;
  readonly error?: string;
}
