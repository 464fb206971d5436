/** The pipeline: image files -> pixels -> batches -> network -> one file of features. */
import { stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { extname, join } from "node:path";
import { ImageError, NothingToDoError, UsageError } from "../errors.ts";
import { type ExifRule, imageExtensions, type PreprocessMode } from "../images/index.ts";
import { findModel, type Model } from "../nets/index.ts";
import { type Shape, sizeOf } from "../tensor.ts";
import { workAhead } from "./ahead.ts";
import { describeRun, type Failure, type Metadata } from "./metadata.ts";
import type { Network, NetworkOptions } from "./network.ts";
import { samplesDirectory } from "./package.ts";
import type { ExtractRooms } from "./rooms.ts";
import { throwIfStopped } from "./stopped.ts";
import { chooseWeights, type WeightWishes } from "./weights.ts";
import { type FeatureWriter, findFormat, openWriter, storedShape } from "./writers/index.ts";

export interface ExtractRequest extends Pick<WeightWishes, "checkpoint" | "weights"> {
  readonly model: string;
  /** The folder of images; the project's own samples when left out. */
  readonly dataDir?: string;
  /** End points or aliases; the network's pooled feature when there are none. Each gives a file. */
  readonly layers?: readonly string[];
  readonly imageSize?: number;
  readonly globalPool?: boolean;
  readonly ema?: NetworkOptions["ema"];
  readonly preprocess: PreprocessMode;
  /** The seed mode ignores EXIF whatever is said here, as Compute-Features did. */
  readonly exif: ExifRule;
  readonly device: NetworkOptions["device"];
  readonly batchSize: number;
  readonly out?: string;
  readonly format: string;
}

/** What the run tells while it goes on. */
export interface ExtractEvents {
  /** A sentence that the user should see. */
  readonly notice?: (sentence: string) => void;
  readonly started?: (total: number, network: Network) => void;
  readonly progressed?: (done: number, failed: number) => void;
  readonly failed?: (failure: Failure) => void;
}

/** A file of features, with what stands beside it. */
export interface ExtractedFile {
  readonly path: string;
  readonly metadata: Metadata;
}

export interface ExtractReport {
  /** One for each end point, in order. */
  readonly files: readonly ExtractedFile[];
  /** From the first image to the last, the opening of the network left out. */
  readonly seconds: number;
}

/**
 * Extracts the features of every image under a folder into a file for each end point.
 * @throws UsageError, CheckpointError, DeviceError, OutputError; NothingToDoError when no image gives a feature;
 * Stopped when `signal` fires. In each case no file is left behind and an older result is untouched.
 */
export async function extract(
  request: ExtractRequest,
  rooms: ExtractRooms,
  events: ExtractEvents = {},
  signal?: AbortSignal,
): Promise<ExtractReport> {
  const model = await modelOf(request, rooms);
  const format = findFormat(request.format);
  const out = request.out ?? `features/${model.name}_features.${format.name}`;
  const dataDir = request.dataDir ?? samplesDirectory;
  const exif = request.preprocess === "seed" ? "ignore" : request.exif;
  const weights = await chooseWeights(model, {
    checkpoint: request.checkpoint,
    weights: request.weights,
    samplesOnly: request.dataDir === undefined,
    directory: rooms.checkpointDirectory,
  });
  const paths = await listFolder(dataDir, rooms.listImages);
  throwIfStopped(signal);

  const network = await rooms.openNetwork({
    model: model.name,
    layers: request.layers,
    imageSize: request.imageSize,
    globalPool: request.globalPool,
    ema: request.ema,
    device: request.device,
    ...weights,
    notice: events.notice,
  });
  const outputs: Output[] = [];
  try {
    throwIfStopped(signal);
    for (const { name, shape } of network.endPoints) {
      const path = network.endPoints.length === 1 ? out : withLayer(out, name);
      const stored = storedShape(shape);
      outputs.push({ endPoint: name, path, shape: stored, writer: await openWriter(path, format, stored) });
    }
    events.started?.(paths.length, network);
    const recipe = {
      family: model.preprocess,
      mode: request.preprocess,
      size: network.inputShape[0],
      channels: network.inputShape[2],
    };
    const decode = async (path: string): Promise<Float32Array | Failure> => {
      const file = join(dataDir, path);
      try {
        return rooms.preprocess(await rooms.decodeImage(file, { exif }), recipe);
      } catch (error) {
        // The path is told beside the reason.
        if (error instanceof ImageError) return { path, reason: error.message.replace(`${file} `, "") };
        throw error;
      }
    };
    const began = performance.now();
    const failures = await pump({
      paths,
      decode,
      network,
      writers: outputs.map((o) => o.writer),
      batchSize: request.batchSize,
      events,
      signal,
    });
    const seconds = (performance.now() - began) / 1000;
    if (outputs[0].writer.rows === 0) throw noRows(dataDir, failures);
    const files: ExtractedFile[] = [];
    for (const { endPoint, path, shape, writer } of outputs) {
      const metadata = describeRun({
        network,
        endPoint,
        globalPool: request.globalPool ?? false,
        shape,
        dataDir,
        format: format.name,
        preprocess: { mode: request.preprocess, exif, description: rooms.describePreprocess(recipe) },
        written: writer.rows,
        failures,
      });
      await writer.commit(metadata);
      files.push({ path, metadata });
    }
    return { files, seconds };
  } finally {
    for (const { writer } of outputs) await writer.abandon();
    await network.close();
  }
}

interface Output {
  readonly endPoint: string;
  readonly path: string;
  readonly shape: Shape;
  readonly writer: FeatureWriter;
}

/** The network asked for by name; `auto` tells it from the checkpoint's variables. */
async function modelOf({ model, checkpoint }: ExtractRequest, rooms: ExtractRooms): Promise<Model> {
  if (model !== "auto") return findModel(model);
  if (checkpoint !== undefined) return rooms.identifyCheckpoint(checkpoint);
  throw new UsageError(
    "--model auto tells the network from a checkpoint, and there is none.",
    "Name the file with --checkpoint FILE, or the network with --model NAME.",
  );
}

/** `features/x.pkl` for the end point `Mixed_5c` is `features/x.Mixed_5c.pkl`. */
function withLayer(path: string, endPoint: string): string {
  const extension = extname(path);
  return `${path.slice(0, path.length - extension.length)}.${endPoint.replaceAll("/", "_")}${extension}`;
}

interface Pump {
  readonly paths: readonly string[];
  readonly decode: (path: string) => Promise<Float32Array | Failure>;
  readonly network: Network;
  /** One for each end point. */
  readonly writers: readonly FeatureWriter[];
  readonly batchSize: number;
  readonly events: ExtractEvents;
  readonly signal: AbortSignal | undefined;
}

/** Moves every image through the network; images are decoded while it computes. Gives the images that failed. */
async function pump(run: Pump): Promise<Failure[]> {
  const { paths, network, writers, batchSize, events } = run;
  const pixels = sizeOf(network.inputShape);
  const batch = new Float32Array(Math.min(batchSize, paths.length) * pixels);
  const failures: Failure[] = [];
  let names: string[] = [];

  async function flush(): Promise<void> {
    throwIfStopped(run.signal);
    if (names.length === 0) return;
    const results = await network.run(batch.subarray(0, names.length * pixels), names.length);
    for (const [k, features] of results.entries()) {
      const width = features.length / names.length;
      for (const [i, name] of names.entries()) {
        await writers[k].append(name, features.subarray(i * width, (i + 1) * width));
      }
    }
    names = [];
    events.progressed?.(writers[0].rows, failures.length);
  }

  const limits = { atOnce: Math.min(availableParallelism(), 8), ahead: batchSize + 2 };
  const decoded = workAhead(paths, limits, async (path) => ({ path, result: await run.decode(path) }));
  for await (const { path, result } of decoded) {
    throwIfStopped(run.signal);
    if (result instanceof Float32Array) {
      batch.set(result, names.length * pixels);
      names.push(path);
      if (names.length === batchSize) await flush();
    } else {
      failures.push(result);
      events.failed?.(result);
      events.progressed?.(writers[0].rows, failures.length);
    }
  }
  await flush();
  return failures;
}

async function listFolder(folder: string, listImages: ExtractRooms["listImages"]): Promise<string[]> {
  const there = await stat(folder).catch(() => undefined);
  if (!there?.isDirectory()) {
    throw new UsageError(
      there ? `${folder} is not a folder.` : `There is no folder ${folder}.`,
      "Name a folder of images with --data-dir DIR.",
    );
  }
  const paths = await listImages(folder);
  if (paths.length > 0) return paths;
  throw new NothingToDoError(`There are no images in ${folder} or the folders in it.`, lookedFor);
}

const lookedFor = `Looked for files that end in ${imageExtensions.map((e) => `.${e}`).join(", ")}.`;

function noRows(folder: string, failures: readonly Failure[]): NothingToDoError {
  const all = failures.length === 1 ? "the only image" : `all ${failures.length} images`;
  return new NothingToDoError(
    `Nothing was written: ${all} in ${folder} could not be read.`,
    `The first was ${failures[0].path}: ${failures[0].reason}`,
  );
}
