/** What of a request is settled before anything is computed: network, files, output; and trying it out. */
import { stat } from "node:fs/promises";
import { NothingToDoError, UsageError } from "../errors.ts";
import { checkPreprocess, type DecodeRules, decodeRules, imageExtensions } from "../images/index.ts";
import { type Model, models } from "../nets/index.ts";
import type { Network } from "../network/network.ts";
import { batchSizeFor } from "../network/recovery.ts";
import { chooseModel, chooseWeights } from "../network/weights.ts";
import { type ImageInput, nativeDecoder, type Source } from "../node/images/index.ts";
import { samplesDirectory } from "../node/package.ts";
import { nodePlatform } from "../node/platform.ts";
import { besidePath, formatFor, formats } from "../tables/formats/index.ts";
import type { FeatureFormat } from "../tables/formats/table.ts";
import { type Pool, pooledShape } from "../tables/numbers.ts";
import { type Shape, sizeOf } from "../tensor.ts";
import {
  type ExtractRequest,
  fewImages,
  type KeptEndPoint,
  type SettledRequest,
  settled,
  storedShape,
} from "./request.ts";
import type { ExtractRooms } from "./rooms.ts";

/** What of a request is settled before the network is opened. */
export interface Plan {
  readonly model: Model;
  readonly format: FeatureFormat;
  readonly out: string;
  /** The folder of what was computed, for a run that goes on. */
  readonly work: string;
  readonly inputs: readonly ImageInput[];
  /** How the list was read, where that is to be told. */
  readonly note: string | undefined;
  readonly decode: DecodeRules;
  /** What was read: folders and archives, or "the list"; or what the request calls it. */
  readonly from: readonly string[];
}

/** Settles a request. @throws UsageError, CheckpointError; NothingToDoError when there are no files. */
export async function plan(request: SettledRequest, rooms: ExtractRooms): Promise<Plan> {
  const model = await chooseModel(request, rooms.identifyCheckpoint);
  checkPreprocess(request.preprocess, model.inputChannels);
  const format = formatFor(request.out, request.format, request.pickleProtocol);
  const out = request.out ?? `features/${model.name}_features.${format.name}`;
  checkOrder(request, format);
  const { exif, jpeg, icc, background, maxPixels } = request;
  const decode = decodeRules(request.preprocess, { exif, jpeg, icc, background, maxPixels }, nativeDecoder);
  const { sources, from } = sourcesOf(request);
  const patterns = { globs: request.globs, excludes: request.excludes };
  const { inputs, note } = await rooms.listSources(sources, patterns).catch((error: unknown) => {
    throw ofNetworkName(error);
  });
  if (inputs.length === 0) {
    const left = request.globs || request.excludes ? " that the patterns leave" : "";
    throw new NothingToDoError(`There are no images in ${placesIn(from)}${left}.`, lookedFor);
  }
  const work = await workFolder(out, format);
  return { model, format, out, work, inputs, note, decode, from: [request.source ?? from].flat() };
}

/** A run that an earlier version began goes on where it lies. */
async function workFolder(out: string, format: FeatureFormat): Promise<string> {
  const folder = besidePath(out, ".run", format);
  const former = besidePath(out, ".run", {});
  const there = async (path: string) => (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
  return !(await there(folder)) && (await there(former)) ? former : folder;
}

/** A network's name where images are named is a slip of its own. */
function ofNetworkName(error: unknown): unknown {
  const { path } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
  if (!(error instanceof UsageError) || !models.some(({ name }) => name === path)) return error;
  return new UsageError(error.message, `${path} is a network: name it by --model ${path}.`, { cause: error });
}

/** What a request reads. @throws UsageError where names of a list would count from several folders. */
function sourcesOf({ inputs, list, order }: SettledRequest): Pick<Plan, "from"> & { sources: Source[] } {
  const folders = [inputs ?? []].flat();
  if (!list) {
    if (folders.length === 0)
      throw new UsageError("No images are named.", "Name folders, archives or images with --data-dir.");
    return { from: folders, sources: folders.map((path) => ({ kind: "path", path })) };
  }
  if (folders.length > 1) {
    throw new UsageError(
      `Names in a list count from one folder, and ${folders.length} are named.`,
      "Name one with --data-dir DIR, or none where the names count from the working folder.",
    );
  }
  return { from: [fromList], sources: [{ kind: "list", list, dir: folders[0], order }] };
}

/** Whether nothing but the project's own samples is read. */
export const isSamples = ({ inputs, list }: Pick<SettledRequest, "inputs" | "list">): boolean =>
  list === undefined && [inputs ?? []].flat().every((path) => path === samplesDirectory);

const fromList = "the list";

/** What was read, as it stands in a sentence. */
export const placesIn = (from: readonly string[]): string =>
  from[0] === fromList
    ? fromList
    : `${from.join(", ")} or the folders in ${from.length === 1 ? "it" : "them"}`;

/** @throws UsageError when the order of a list is asked for, and there is none, or the format has no place for it. */
function checkOrder({ order, list }: SettledRequest, format: FeatureFormat): void {
  if (order !== "list") return;
  if (!list)
    throw new UsageError(
      "--order list keeps the order of a list, and there is none.",
      "Name it with --list FILE.",
    );
  if (!format.byKey) return;
  const others = formats.flatMap(({ name, byKey }) => (byKey ? [] : [name]));
  throw new UsageError(
    `--order list does not go with ${format.name}: it is a map that has each path once, and no order.`,
    `Name a format of rows with --format: ${others.join(", ")}.`,
  );
}

/**
 * Opens the network of a request, and loads it for its batches at once; where a run goes on (`keepTo`), nobody knows yet how
 * much there is to compute. @throws UsageError, CheckpointError, DeviceError
 */
export async function openFor(
  request: SettledRequest,
  rooms: ExtractRooms,
  { model, inputs }: Pick<Plan, "model" | "inputs">,
  notice?: (sentence: string) => void,
  keepTo?: string,
) {
  const weights = await chooseWeights(
    model,
    {
      checkpoint: request.checkpoint,
      weights: request.weights,
      scope: request.scope,
      samplesOnly: isSamples(request),
      directory: rooms.checkpointDirectory,
    },
    nodePlatform,
  );
  const layers = request.layers ?? ["features"];
  return rooms.openNetwork({
    model: model.name,
    layers: request.topk ? [...layers, "logits"] : layers,
    alsoLogits: inputs.length <= fewImages,
    imageSize: request.imageSize,
    globalPool: request.globalPool,
    ema: request.ema,
    scope: request.scope,
    device: request.device,
    threads: request.threads,
    precision: request.precision,
    keepTo,
    batchFor:
      keepTo === undefined ? (device) => Math.min(batchSizeFor(request, device), inputs.length) : undefined,
    ...weights,
    notice,
  });
}

/** The end points of a network as they are kept. */
export const keptEndPoints = (network: Network, pool: Pool): KeptEndPoint[] =>
  network.endPoints.map(({ name, shape }) => ({
    name,
    networkShape: shape,
    shape: storedShape(pooledShape(shape, pool)),
  }));

/** Which files are taken for images. */
export const lookedFor = `Images are told by their content; names that end in ${imageExtensions.map((e) => `.${e}`).join(", ")} are always tried, and those that begin with a dot never.`;

/** What a run would do: counts, shapes, bytes, and the time by two timed batches. */
export interface DryRun {
  readonly images: number;
  readonly network: string;
  readonly endPoints: readonly { readonly name: string; readonly shape: Shape; readonly bytes: number }[];
  readonly device: string;
  readonly secondsOfCompute: number;
}

/** Opens everything, computes two batches of nothing, and writes no file. @throws as `extract`. */
export async function dryRun(
  asked: ExtractRequest,
  rooms: ExtractRooms,
  notice?: (sentence: string) => void,
): Promise<DryRun> {
  const request = settled(asked);
  const planned = await plan(request, rooms);
  const { inputs, note } = planned;
  if (note) notice?.(note);
  const network = await openFor(request, rooms, planned, notice);
  try {
    const batch = Math.min(batchSizeFor(request, network), inputs.length);
    const blank = new Float32Array(sizeOf(network.inputShape));
    const images = Array.from({ length: batch }, () => blank);
    await network.run(images);
    const began = performance.now();
    await network.run(images);
    const seconds = (performance.now() - began) / 1000;
    return {
      images: inputs.length,
      network: network.model,
      endPoints: keptEndPoints(network, request.pool ?? "none").map(({ name, shape }) => ({
        name,
        shape,
        bytes: 4 * inputs.length * sizeOf(shape),
      })),
      device: `${network.backend} (${network.adapter})`,
      secondsOfCompute: (seconds / batch) * inputs.length,
    };
  } finally {
    await network.close();
  }
}
