/** What stands in the file beside the features: how they were made, so that nobody has to remember it. */
import type { ExifRule, JpegMethod, PreprocessMode } from "../images/index.ts";
import type { Network } from "../network/network.ts";
import { toolName, toolVersion } from "../node/package.ts";
import type { EncodingCost } from "../tables/encode.ts";
import type { FeatureDtype } from "../tables/formats/table.ts";
import type { Pool } from "../tables/numbers.ts";
import type { Shape } from "../tensor.ts";
import type { ManifestRecord } from "./manifest.ts";
import type { SettledRequest } from "./request.ts";

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
  /** How maps became vectors. */
  readonly pool: Pool;
  /** The principal components that were kept. */
  readonly pca?: PcaNote;
  /** Whether features were divided by their length. */
  readonly l2: boolean;
  /** Of one feature, as it is stored. */
  readonly featureShape: Shape;
  readonly dtype: DtypeNote;
  readonly format: string;
  readonly weights: WeightsNote;
  readonly preprocess: PreprocessNote;
  /** What the run was begun on: webgpu or cpu, and the adapter's or processor's name. */
  readonly backend: string;
  readonly adapter: string;
  /** Why it was that device: asked for, or by which rule. */
  readonly deviceChoice?: string;
  /** Other devices that computed some rows, by their number of rows; each such row names its device in the manifest. */
  readonly otherDevices?: Readonly<Record<string, number>>;
  /** The folder or archive of the images, several of them, or "the list". */
  readonly dataDir: string | readonly string[];
  readonly images: {
    readonly found: number;
    readonly written: number;
    readonly failed: number;
    readonly skipped: number;
  };
  readonly failures: readonly Failure[];
}

/** The type of the numbers, and what it cost to store them in it. */
export interface DtypeNote extends EncodingCost {
  readonly name: FeatureDtype;
}

export interface PcaNote {
  readonly components: number;
  /** The share of the variance that each explains. */
  readonly explained: readonly number[];
  readonly file: string;
}

export interface PreprocessNote {
  readonly mode: PreprocessMode;
  readonly exif: ExifRule;
  /** The method of decoding JPEG; an image that needed the other one says so in the manifest. */
  readonly jpeg: JpegMethod;
  /** Whether ICC profiles were applied. */
  readonly icc?: true;
  /** What showed through transparent pixels. */
  readonly background?: readonly [number, number, number];
  readonly description: string;
}

export interface WeightsNote {
  readonly kind: "checkpoint" | "seeded";
  readonly trained: boolean;
  /** What was named: a file, a folder, an archive. */
  readonly path?: string;
  /** The checkpoint that was found there, by its whole name with the step. */
  readonly checkpoint?: string;
  readonly format?: string;
  /** What stands in front of the network's names in the checkpoint, where something does. */
  readonly scope?: string;
  /** A hash of the checkpoint's content. */
  readonly sha256?: string;
  /** Whether moving averages of the variables were used instead of the variables. */
  readonly ema?: boolean;
  /** True where the file is known to be the one that was published for the network. */
  readonly published?: true;
  /** Of weights that the device keeps in half precision: the largest change of a feature of a picture of noise, as a part of the largest. */
  readonly halfError?: number;
  readonly warning?: string;
}

export const untrainedWarning =
  "UNTRAINED: these weights are made by a seeded random generator. The features show that the pipeline works and mean nothing.";

export function describeRun(run: {
  readonly network: Network;
  /** The label of the device that the run was begun on. */
  readonly device: string;
  /** Why it was begun on it. */
  readonly choice: string | undefined;
  readonly endPoint: string;
  readonly shape: Shape;
  readonly request: SettledRequest;
  readonly dtype: DtypeNote;
  readonly pca: PcaNote | undefined;
  readonly format: string;
  readonly from: readonly string[];
  readonly preprocess: PreprocessNote;
  readonly records: readonly ManifestRecord[];
}): Metadata {
  const { network, request, records } = run;
  const [backend, ...adapter] = run.device.split(" ");
  const others: Record<string, number> = {};
  for (const { device } of records) if (device !== undefined) others[device] = (others[device] ?? 0) + 1;
  const count = (status: ManifestRecord["status"]) => records.filter((r) => r.status === status).length;
  return {
    tool: toolName,
    version: toolVersion,
    model: network.model,
    endPoint: run.endPoint,
    imageSize: network.inputShape[0],
    globalPool: request.globalPool ?? false,
    pool: request.pool ?? "none",
    pca: run.pca,
    l2: request.l2 ?? false,
    featureShape: run.shape,
    dtype: run.dtype,
    format: run.format,
    weights: {
      ...(network.weights.kind === "seeded"
        ? { kind: "seeded", trained: false, warning: untrainedWarning }
        : { trained: true, ...network.weights }),
      halfError: network.halfError,
    },
    preprocess: run.preprocess,
    backend,
    adapter: adapter.join(" "),
    deviceChoice: run.choice,
    otherDevices: Object.keys(others).length > 0 ? others : undefined,
    dataDir: run.from.length === 1 ? run.from[0] : run.from,
    images: {
      found: records.length,
      written: count("ok"),
      failed: count("failed"),
      skipped: count("skipped"),
    },
    failures: records.flatMap(({ status, path, reason = "" }) =>
      status === "failed" ? [{ path, reason }] : [],
    ),
  };
}
