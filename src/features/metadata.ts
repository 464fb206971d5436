/** What stands in the file beside the features: how they were made, so that nobody has to remember it. */
import type { ExifRule, PreprocessMode } from "../images/index.ts";
import type { Shape } from "../tensor.ts";
import type { Network } from "./network.ts";
import { toolName, toolVersion } from "./package.ts";

/** An image without a feature, and why. */
export interface Failure {
  readonly path: string;
  readonly reason: string;
}

export interface Metadata {
  readonly tool: string;
  readonly version: string;
  readonly model: string;
  readonly endPoint: string;
  /** Height and width of the network's input in pixels. */
  readonly imageSize: number;
  /** Whether the last map was averaged over its area whatever its size (--global-pool). */
  readonly globalPool: boolean;
  /** Of one feature, as it is stored. */
  readonly featureShape: Shape;
  readonly dtype: "float32";
  readonly format: string;
  readonly weights: WeightsNote;
  readonly preprocess: PreprocessNote;
  readonly backend: Network["backend"];
  readonly adapter: string;
  readonly dataDir: string;
  readonly images: { readonly found: number; readonly written: number; readonly failed: number };
  readonly failures: readonly Failure[];
}

export interface PreprocessNote {
  readonly mode: PreprocessMode;
  readonly exif: ExifRule;
  readonly description: string;
}

export interface WeightsNote {
  readonly kind: "checkpoint" | "seeded";
  readonly trained: boolean;
  readonly path?: string;
  readonly format?: string;
  /** Whether moving averages of the variables were used instead of the variables. */
  readonly ema?: boolean;
  readonly warning?: string;
}

export const untrainedWarning =
  "UNTRAINED: these weights are made by a seeded random generator. The features show that the pipeline works and mean nothing.";

export function describeRun(run: {
  readonly network: Network;
  readonly endPoint: string;
  readonly globalPool: boolean;
  readonly shape: Shape;
  readonly dataDir: string;
  readonly format: string;
  readonly preprocess: PreprocessNote;
  readonly written: number;
  readonly failures: readonly Failure[];
}): Metadata {
  const { network, written, failures } = run;
  return {
    tool: toolName,
    version: toolVersion,
    model: network.model,
    endPoint: run.endPoint,
    imageSize: network.inputShape[0],
    globalPool: run.globalPool,
    featureShape: run.shape,
    dtype: "float32",
    format: run.format,
    weights:
      network.weights.kind === "seeded"
        ? { kind: "seeded", trained: false, warning: untrainedWarning }
        : { trained: true, ...network.weights },
    preprocess: run.preprocess,
    backend: network.backend,
    adapter: network.adapter,
    dataDir: run.dataDir,
    images: { found: written + failures.length, written, failed: failures.length },
    failures,
  };
}
