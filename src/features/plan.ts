/** What of a request is settled before anything is computed: network, files, output; and trying it out. */
import { stat } from "node:fs/promises";
import { NothingToDoError, UsageError } from "../errors.ts";
import {
  checkPreprocess,
  type DecodeRules,
  decodeRules,
  type ImageInput,
  imageExtensions,
} from "../images/index.ts";
import { findModel, type Model } from "../nets/index.ts";
import { type Shape, sizeOf } from "../tensor.ts";
import { findFormat } from "./formats/index.ts";
import type { FeatureFormat } from "./formats/table.ts";
import type { Network } from "./network.ts";
import { type Pool, pooledShape } from "./numbers.ts";
import { samplesDirectory } from "./package.ts";
import { type ExtractRequest, type KeptEndPoint, storedShape } from "./request.ts";
import type { ExtractRooms } from "./rooms.ts";
import { chooseWeights } from "./weights.ts";

/** What of a request is settled before the network is opened. */
export interface Plan {
  readonly model: Model;
  readonly format: FeatureFormat;
  readonly out: string;
  readonly inputs: readonly ImageInput[];
  readonly decode: DecodeRules;
  readonly from: string;
}

/** Settles a request. @throws UsageError, CheckpointError; NothingToDoError when there are no files. */
export async function plan(request: ExtractRequest, rooms: ExtractRooms): Promise<Plan> {
  const model = await modelOf(request, rooms);
  checkPreprocess(request.preprocess, model.inputChannels);
  const format = findFormat(request.format);
  const out = request.out ?? `features/${model.name}_features.${format.name}`;
  const { exif, jpeg, icc, background, maxPixels } = request;
  const decode = decodeRules(request.preprocess, { exif, jpeg, icc, background, maxPixels });
  const dataDir = request.dataDir ?? (request.list ? undefined : samplesDirectory);
  const from = request.list ? "the list" : (dataDir as string);
  const patterns = { globs: request.globs, excludes: request.excludes };
  const list =
    (dataDir !== undefined && (await isFolder(dataDir))) || request.list
      ? rooms.listFolder
      : rooms.listArchive;
  const inputs = request.list
    ? rooms.listNamed(request.list, dataDir, patterns)
    : await list(dataDir as string, patterns);
  if (inputs.length === 0) {
    const left = request.globs || request.excludes ? " that the patterns leave" : "";
    const where = request.list ? "the list" : `${from} or the folders in it`;
    throw new NothingToDoError(`There are no images in ${where}${left}.`, lookedFor);
  }
  return { model, format, out, inputs, decode, from };
}

/** Opens the network of a request. @throws UsageError, CheckpointError, DeviceError */
export async function openFor(
  request: ExtractRequest,
  rooms: ExtractRooms,
  model: Model,
  notice?: (sentence: string) => void,
  keepTo?: string,
) {
  const weights = await chooseWeights(model, {
    checkpoint: request.checkpoint,
    weights: request.weights,
    samplesOnly: request.dataDir === undefined && request.list === undefined,
    directory: rooms.checkpointDirectory,
  });
  const layers = request.layers ?? ["features"];
  return rooms.openNetwork({
    model: model.name,
    layers: request.topk ? [...layers, "logits"] : layers,
    imageSize: request.imageSize,
    globalPool: request.globalPool,
    ema: request.ema,
    scope: request.scope,
    device: request.device,
    threads: request.threads,
    precision: request.precision,
    keepTo,
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

/** The network asked for by name; `auto` tells it from the checkpoint's variables. */
async function modelOf(request: ExtractRequest, rooms: ExtractRooms): Promise<Model> {
  const { model, checkpoint } = request;
  if (model !== "auto") return findModel(model);
  if (checkpoint !== undefined) return rooms.identifyCheckpoint(checkpoint, request);
  throw new UsageError(
    "--model auto tells the network from a checkpoint, and there is none.",
    "Name the file with --checkpoint FILE, or the network with --model NAME.",
  );
}

/** Larger batches than this gain nothing on the devices that were tried. */
const usualBatch = 8;

/** How many images are computed at once. */
export const batchSizeFor = ({ batchSize }: ExtractRequest, { largestBatch }: Network): number =>
  batchSize === "auto" ? Math.min(usualBatch, largestBatch) : batchSize;

/** Whether images are in a folder, or in an archive. @throws UsageError when there is neither. */
async function isFolder(path: string): Promise<boolean> {
  const there = await stat(path).catch(() => undefined);
  if (there) return there.isDirectory();
  throw new UsageError(`There is no folder ${path}.`, "Name a folder of images with --data-dir DIR.");
}

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
  request: ExtractRequest,
  rooms: ExtractRooms,
  notice?: (sentence: string) => void,
): Promise<DryRun> {
  const { model, inputs } = await plan(request, rooms);
  const network = await openFor(request, rooms, model, notice);
  try {
    const batch = Math.min(batchSizeFor(request, network), inputs.length);
    const blank = new Float32Array(batch * sizeOf(network.inputShape));
    await network.run(blank, batch);
    const began = performance.now();
    await network.run(blank, batch);
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
