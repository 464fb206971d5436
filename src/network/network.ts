/** A network ready to run: graph, weights and device behind one small face. */
import { type Checkpoint, openCheckpoint } from "../checkpoint/index.ts";
import { compile } from "../engine/compile.ts";
import type { DeviceName, OpenDevice } from "../engine/devices.ts";
import type { Program } from "../engine/program.ts";
import type { WeightSource } from "../engine/weights.ts";
import { CheckpointError, UsageError } from "../errors.ts";
import { logitsOf, maxImageSize, resolveEndPoints } from "../nets/end-points.ts";
import { buildNetwork, findModel, type GraphOptions, type Model } from "../nets/index.ts";
import { seededWeights } from "../nets/seeded-weights.ts";
import type { Platform } from "../platform/index.ts";
import { seededUnits } from "../seeded.ts";
import { type Shape, sizeOf } from "../tensor.ts";
import { classesIn, explainMisfit, fitOf } from "./fit.ts";
import { findScope, identify } from "./identify.ts";
import { logitsBeside } from "./logits-beside.ts";
import { type BatchLimits, type Computed, largestBatch, openRunner, type Runner } from "./recovery.ts";
import type { Scope, Shapes } from "./scopes.ts";
import { type ShadowRule, useShadows, withShadows } from "./shadows.ts";
import { openTuned } from "./tuned.ts";

/** How a device keeps weights. */
export const precisions = ["f32", "f16"] as const;
export type Precision = (typeof precisions)[number];

/** Where the weights came from. Untrained weights are called so wherever they are used. */
export type WeightOrigin =
  | {
      readonly kind: "checkpoint";
      /** What the user named. */
      readonly path: string;
      /** The checkpoint that was found there, by its whole name. */
      readonly checkpoint: string;
      readonly format: string;
      /** What stands in front of the network's names in the file; absent where nothing does. */
      readonly scope?: string;
      /** A hash of the file's content. */
      readonly sha256: string;
      /** Whether the moving averages of the variables were used instead of the variables. */
      readonly ema: boolean;
      /** True where the file is known to be the published one. */
      readonly published?: true;
    }
  | { readonly kind: "seeded" };

/** Which network is opened, with which weights and on what. */
export interface NetworkOptions {
  readonly model: string;
  /** End points by TF-Slim's names or aliases; the network's pooled feature when there are none. */
  readonly layers?: readonly string[];
  /** Height and width of the input; the network's own when left out. */
  readonly imageSize?: number;
  /** Average the last map over its area, as TF-Slim's global_pool=True. */
  readonly globalPool?: boolean;
  readonly device: DeviceName;
  /** Threads that compute on the CPU; one a core when left out. */
  readonly threads?: number;
  /** The label of the device to keep to under "auto", where it is still there: that of the run that goes on. */
  readonly keepTo?: string;
  /** The batch that will be computed most; one image when left out. It is loaded as the network is opened. */
  readonly batchFor?: (device: BatchLimits) => number;
  readonly weights: WeightOrigin["kind"];
  /** The checkpoint (file, prefix, directory or archive) when `weights` is "checkpoint". */
  readonly checkpoint?: string;
  /** What stands in front of the network's names in the checkpoint, such as "FeatureExtractor/"; found when left out. */
  readonly scope?: string;
  /** Whether moving averages of the variables are used; `auto` when left out. */
  readonly ema?: ShadowRule;
  /**
   * Whether the logits are wanted behind the end points, where they are to be had at next to no cost: from trained weights
   * that hold them whole, beside an end point that leaves only the head to compute.
   */
  readonly alsoLogits?: boolean;
  /** How exactly the device keeps the weights; float32 when left out. Sums are float32 in either case. */
  readonly precision?: Precision;
  /** Receives sentences that the user should see (the device chosen and why). */
  readonly notice?: (sentence: string) => void;
  /** How devices are opened; the engine's own way when left out. Tests give devices that fail. */
  readonly openDevice?: OpenDevice;
}

/** A value that the network gives for each image. */
export interface EndPoint {
  readonly name: string;
  /** Without the batch dimension, such as [1, 1, 1024]. */
  readonly shape: Shape;
}

/** A network that is open. Close it when it is no longer needed, or the process may not end. */
export interface Network {
  readonly model: string;
  readonly endPoints: readonly EndPoint[];
  /** The name of the end point that holds the logits. */
  readonly logits: string;
  /** How many logits stand behind the end points in what `run` gives; undefined where there are none. */
  readonly alsoLogits?: number;
  /** Height, width and channels of one input image. */
  readonly inputShape: Shape;
  /** The most images that the device's limits allow in one run. */
  readonly largestBatch: number;
  /** What computes now. It changes when a device fails, see recovery.ts. */
  readonly backend: "webgpu" | "cpu";
  /** The adapter's or processor's own name. */
  readonly adapter: string;
  /** Whether that are processors, as themselves or as an adapter in software. */
  readonly software: boolean;
  /** Why the first device was chosen, as a clause. */
  readonly choice: string;
  readonly weights: WeightOrigin;
  /** Where weights are kept in half precision: what it changes in the end points of a picture of noise, see `largestShift`. */
  readonly halfError?: number;
  /**
   * The end points of images, one array each, in order, and the logits where `alsoLogits` says so. The images' values lie
   * back to back and must stay as they are until it resolves; image i's bits do not depend on the others.
   * @throws DeviceError when the device fails, and all that may be tried instead.
   */
  run(images: readonly Float32Array[]): Promise<Computed>;
  /** Why an image's end points are not all numbers: the layer that makes the first of them that is none, in words. */
  explain(image: Float32Array): Promise<string>;
  close(): Promise<void>;
}

/** A checkpoint as the engine's source of weights, by TF-Slim's names. */
function checkpointSource(checkpoint: Checkpoint, { inFile }: Scope): WeightSource {
  return {
    name: checkpoint.path,
    shapeOf: (name) => checkpoint.entry(inFile(name))?.shape,
    read: (name) => checkpoint.readFloat32(inFile(name)),
  };
}

/** The shapes of all variables of a checkpoint by name. */
export const shapesOf = (checkpoint: Checkpoint): Shapes =>
  new Map(checkpoint.variables.map((name) => [name, checkpoint.entry(name)?.shape ?? []]));

/** What tells a network from a checkpoint beside the checkpoint. */
export type IdentifyOptions = Pick<NetworkOptions, "layers" | "scope" | "imageSize" | "globalPool">;

/**
 * The network that a checkpoint holds, told from its variables: whole up to its feature, or up to the layers.
 * @throws CheckpointError when it cannot be read or is none of ours.
 */
export async function identifyCheckpoint(
  path: string,
  options: IdentifyOptions,
  { files }: Pick<Platform, "files">,
): Promise<Model> {
  const checkpoint = await openCheckpoint(path, files);
  try {
    const { layers, scope, imageSize, globalPool } = options;
    return identify(path, shapesOf(checkpoint), { layers, scope, options: { imageSize, globalPool } }).model;
  } catch (error) {
    throw withCaveat(error, checkpoint);
  } finally {
    await checkpoint.close();
  }
}

/** The error with what the checkpoint's reader knows of the cause. */
function withCaveat(error: unknown, { caveat }: Checkpoint): unknown {
  if (!caveat || !(error instanceof CheckpointError)) return error;
  return new CheckpointError(`${error.message} ${caveat.sentence}`, error.hint);
}

interface Loaded {
  readonly source: WeightSource;
  readonly origin: WeightOrigin;
  readonly options: GraphOptions;
  readonly endPoints: readonly string[];
  /** The logits' end point, where they are computed besides. */
  readonly alsoLogits?: string;
  close(): Promise<void>;
}

/** The weights for `wanted`, with the end points and classes that follow from them. */
async function loadWeights(model: Model, wanted: NetworkOptions, { own, files }: Platform): Promise<Loaded> {
  const { imageSize, globalPool, layers = [] } = wanted;
  const plain: GraphOptions = { imageSize, globalPool };
  // Wrong names are told before a file of half a gigabyte is opened.
  const named = resolveEndPoints(model, buildNetwork(model, 1, plain), layers, plain);
  if (wanted.weights === "seeded") {
    return {
      source: await seededWeights(model.name, needsOf(model, plain, named), own.statistics),
      origin: { kind: "seeded" },
      options: plain,
      endPoints: named,
      close: async () => {},
    };
  }
  if (wanted.checkpoint === undefined) throw new Error("no checkpoint named");
  const checkpoint = await openCheckpoint(wanted.checkpoint, files);
  try {
    const shapes = shapesOf(checkpoint);
    const scope = findScope(checkpoint.path, model, shapes, { layers, scope: wanted.scope, options: plain });
    const options = { ...plain, classes: classesIn(model, shapes, scope) };
    const variables = needsOf(model, options, named).map((v) => v.name);
    const raw = checkpointSource(checkpoint, scope);
    const ema = useShadows(wanted.ema ?? "auto", model, raw, variables);
    const source = ema ? withShadows(raw) : raw;
    const seen: Shapes = new Map([
      ...shapes,
      ...variables.flatMap((name) => {
        const shape = source.shapeOf(name);
        return shape ? [[scope.inFile(name), shape] as const] : [];
      }),
    ]);
    const fit = fitOf(model, seen, named, options, scope);
    const misfit = explainMisfit(checkpoint.path, fit, seen, named, options);
    if (misfit) throw withCaveat(misfit, checkpoint);
    if (checkpoint.caveat?.always)
      throw new CheckpointError(`${checkpoint.path} cannot be used. ${checkpoint.caveat.sentence}`);
    const sha256 = await checkpoint.identify();
    const logits = wanted.alsoLogits
      ? await logitsBeside(model, { source, shapes: seen, scope, endPoints: named, options })
      : undefined;
    return {
      source,
      origin: {
        kind: "checkpoint",
        path: checkpoint.path,
        checkpoint: checkpoint.name,
        format: checkpoint.format,
        ...(scope.name !== "" && { scope: scope.name }),
        sha256,
        ema,
        ...(sha256 === model.included?.sha256 ? { published: true } : {}),
      },
      options,
      endPoints: named,
      alsoLogits: logits,
      close: () => checkpoint.close(),
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** Says which checkpoint was found where that does not follow from what was named, and under which scope. */
function tellWeights(origin: WeightOrigin, notice: (sentence: string) => void): void {
  if (origin.kind !== "checkpoint") return;
  const { path, checkpoint, scope } = origin;
  if (!path.startsWith(checkpoint)) notice(`The checkpoint is ${checkpoint}.`);
  if (scope !== undefined) notice(`The network's variables are under the scope ${scope} in it.`);
}

const needsOf = (model: Model, options: GraphOptions, endPoints: readonly string[]) =>
  compile(buildNetwork(model, 1, options), endPoints).variables;

function checkImageSize(size: number | undefined): void {
  if (size === undefined || (Number.isInteger(size) && size >= 1 && size <= maxImageSize)) return;
  throw new UsageError(
    `An input of ${size} pixels is not possible.`,
    `Sizes are whole numbers from 1 to ${maxImageSize}.`,
  );
}

const noiseFor = ({ inputs: [{ shape }] }: Program): Float32Array =>
  seededUnits("a picture of noise", sizeOf(shape));

/** The outputs for a picture of noise of a network that is closed then. */
async function outputsOf(runner: Runner): Promise<readonly Float32Array[]> {
  try {
    return (await runner.run([noiseFor(runner.program)])).outputs;
  } finally {
    await runner.close();
  }
}

/** The largest difference in any end point, as a part of that end point's largest value. */
function largestShift(exact: readonly Float32Array[], found: readonly Float32Array[]): number {
  const most = (values: Float32Array) => values.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  const shifts = exact.map((values, i) => most(values.map((v, k) => v - found[i][k])) / (most(values) || 1));
  return Math.max(...shifts);
}

/**
 * Opens the checkpoint, compiles the network up to the end points and loads its weights.
 * @throws UsageError (unknown network, end point or size), CheckpointError (weights), DeviceError (no adapter).
 */
export async function openNetwork(options: NetworkOptions, platform: Platform): Promise<Network> {
  checkImageSize(options.imageSize);
  const model = findModel(options.model);
  const loaded = await loadWeights(model, options, platform);
  const computed = loaded.alsoLogits ? [...loaded.endPoints, loaded.alsoLogits] : loaded.endPoints;
  const programOf = (batch: number) => compile(buildNetwork(model, batch, loaded.options), computed);
  try {
    const notice = options.notice ?? (() => {});
    tellWeights(loaded.origin, notice);
    const halfWeights = options.precision === "f16";
    const open = (half: boolean) =>
      openRunner({
        device: options.device,
        openDevice: options.openDevice ?? ((name, wishes) => openTuned(name, platform, wishes)),
        source: loaded.source,
        programOf,
        notice,
        threads: options.threads,
        keepTo: options.keepTo,
        batchFor: options.batchFor,
        halfWeights: half,
      });
    /** What a network gives for a picture of noise; the float32 one is closed again before the other takes its memory. */
    const exact = halfWeights ? await outputsOf(await open(false)) : undefined;
    const runner = await open(halfWeights);
    const { program } = runner;
    const asked = program.outputs.slice(0, loaded.endPoints.length);
    const halfError =
      exact && largestShift(exact.slice(0, asked.length), (await runner.run([noiseFor(program)])).outputs);
    if (halfError !== undefined) {
      notice(
        `Weights are kept in half precision: on a picture of noise, features differ by up to ${(100 * halfError).toPrecision(2)} % of the largest.`,
      );
    }
    return {
      model: model.name,
      endPoints: asked.map(({ name, shape }) => ({ name, shape: shape.slice(1) })),
      logits: logitsOf(buildNetwork(model, 1, loaded.options)),
      alsoLogits: loaded.alsoLogits === undefined ? undefined : sizeOf(program.outputs[asked.length].shape),
      inputShape: program.inputs[0].shape.slice(1),
      largestBatch: largestBatch(program, runner.device.caps),
      get backend() {
        return runner.device.backend;
      },
      get adapter() {
        return runner.device.adapter;
      },
      get software() {
        return runner.device.software;
      },
      choice: runner.choice,
      weights: loaded.origin,
      halfError,
      run: runner.run,
      explain: runner.explain,
      async close() {
        await runner.close();
        await loaded.close();
      },
    };
  } catch (error) {
    await loaded.close();
    throw error;
  }
}
