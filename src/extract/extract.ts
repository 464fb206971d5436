/** The pipeline: image files -> decoding workers -> batches -> network -> store -> files of features. */
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename } from "node:path";
import { workAhead } from "../ahead.ts";
import { NothingToDoError } from "../errors.ts";
import type { Network } from "../network/network.ts";
import { batchSizeFor, labelOf } from "../network/recovery.ts";
import { checkWritable, removeLeftovers } from "../node/atomic.ts";
import {
  type ImageInput,
  inHand,
  nativeDecoder,
  type Outcome,
  type ReadRecipe,
} from "../node/images/index.ts";
import { Stopped, throwIfStopped } from "../stopped.ts";
import { sizeOf } from "../tensor.ts";
import { createBatcher } from "./batches.ts";
import type { ManifestRecord } from "./manifest.ts";
import type { Failure } from "./metadata.ts";
import { classesOf, type ExtractedFile, type LikelyClass, outputPaths, writeOutputs } from "./output.ts";
import { keptEndPoints, lookedFor, openFor, placesIn, plan } from "./plan.ts";
import { checkLabels, ownNames, readLabels } from "./predictions.ts";
import { type ExtractRequest, type KeptEndPoint, type SettledRequest, settled } from "./request.ts";
import type { ExtractRooms } from "./rooms.ts";
import { begunOn, openStore, type Settings, type Store } from "./store.ts";

export type { ExtractRequest } from "./request.ts";

/** What the run tells while it goes on. */
export interface ExtractEvents {
  /** A sentence that the user should see. */
  readonly notice?: (sentence: string) => void;
  readonly started?: (total: number, network: Network, known: number) => void;
  readonly progressed?: (done: number, failed: number) => void;
  readonly failed?: (failure: Failure) => void;
}

/** Where the time of a run went, in milliseconds. Stages run beside each other. */
export interface StageTimes {
  readonly wall: number;
  /** Reading, and decoding with preprocessing, divided by the number of workers. */
  readonly read: number;
  readonly decode: number;
  readonly compute: number;
  readonly write: number;
}

/** What a run did. */
export interface ExtractReport {
  /** One for each end point, in order. */
  readonly files: readonly ExtractedFile[];
  /** The file of predictions, where they were asked for. */
  readonly predictions?: string;
  /** What each of a few images is most like, where the network says so and its classes have names. */
  readonly likeliest: readonly LikelyClass[];
  readonly manifest: string;
  /** What the manifest says, in order. */
  readonly records: readonly ManifestRecord[];
  /** Images whose features were computed by this run, and those that were known. */
  readonly computed: number;
  readonly known: number;
  readonly times: StageTimes;
}

const noFastJpeg = `There is no fast JPEG decoder for ${nativeDecoder.platform}: JPEG is decoded by the accurate method, which differs from TensorFlow's default by a few grey levels.`;

/** Grows where files come to give other pixels than before: 2 turns by Pillow's rule, and takes GIF's frames as TensorFlow does. */
const decoding = 2;

/** One file may hold a network several times. */
const weightsSetting = ({ sha256, scope }: { readonly sha256: string; readonly scope?: string }): string =>
  `sha256 ${sha256}${scope === undefined ? "" : ` under ${scope}`}`;

/** All that decides a stored feature, but for the device. */
function settingsOf(
  network: Network,
  request: SettledRequest,
  recipe: ReadRecipe,
  description: string,
  endPoints: readonly KeptEndPoint[],
): Settings {
  const { weights } = network;
  return {
    model: network.model,
    endPoints: endPoints.map(({ name, shape }) => `${name} ${shape.join("x")}`),
    weights: weights.kind === "seeded" ? "seeded, untrained" : weightsSetting(weights),
    ema: weights.kind === "checkpoint" && weights.ema,
    imageSize: network.inputShape[0],
    globalPool: request.globalPool ?? false,
    pool: request.pool ?? "none",
    preprocess: description,
    decoding,
    exif: recipe.decode.exif,
    jpeg: recipe.decode.jpeg,
    icc: recipe.decode.icc ?? false,
    background: recipe.decode.background ?? null,
    maxPixels: recipe.decode.maxPixels ?? null,
  };
}

/**
 * Extracts the features of every image into a file for each end point, going on where an earlier run into the same
 * output stopped.
 * @throws UsageError, CheckpointError, DeviceError, OutputError; BusyError while another run writes there, OtherSettingsError
 * where one of other settings did; NothingToDoError when no image gives a feature; Stopped when `signal` fires, with all that
 * was computed kept. An older result is untouched until the new one is whole.
 */
export async function extract(
  asked: ExtractRequest,
  rooms: ExtractRooms,
  events: ExtractEvents = {},
  signal?: AbortSignal,
): Promise<ExtractReport> {
  const request = settled(asked);
  const planned = await plan(request, rooms);
  const { model, inputs, note, work } = planned;
  if (note) events.notice?.(note);
  const given = await readLabels(request.labels);
  throwIfStopped(signal);
  // The bits of a run that goes on must not depend on which adapters are there today.
  const keepTo = request.overwrite ? undefined : await begunOn(work);
  const network = await openFor(request, rooms, planned, events.notice, keepTo);
  let store: Store | undefined;
  try {
    throwIfStopped(signal);
    const endPoints = keptEndPoints(network, request.pool ?? "none");
    const classes = classesOf(network, endPoints, request);
    if (classes !== undefined) checkLabels(given, classes, request.labels);
    const labels = given ?? (classes === undefined ? undefined : await ownNames(network, classes));
    if (labels && !given && request.checkpoint !== undefined && isForeign(network)) {
      events.notice?.(
        `The logits have ${classes} classes, which are taken for ImageNet's: --labels FILE gives them other names.`,
      );
    }
    const recipe: ReadRecipe = {
      decode: planned.decode,
      preprocess: {
        family: model.preprocess,
        mode: request.preprocess,
        size: network.inputShape[0],
        channels: network.inputShape[2],
      },
    };
    const description = rooms.describePreprocess(recipe.preprocess);
    // What cannot be written is told before hours of work, not after.
    const paths = outputPaths(request, endPoints, planned);
    for (const path of paths) {
      // Of thousands of images, only those of that name are looked at, and none where there is nothing to be lost.
      const named = existsSync(path)
        ? inputs.filter((input) => Buffer.from(input.path).toString().endsWith(basename(path)))
        : [];
      await checkWritable(path, [request.labels, request.pcaFile, ...named.map((input) => input.path)]);
    }
    store = await openStore({
      folder: work,
      settings: settingsOf(network, request, recipe, description, endPoints),
      device: labelOf(network),
      anyDevice: request.device === "auto",
      choice: network.choice,
      notice: events.notice,
      widths: endPoints.map((e) => sizeOf(e.shape)),
      overwrite: request.overwrite ?? false,
      retryFailed: request.retryFailed ?? false,
      patience: 1000 * (request.commitEvery ?? 2),
    });
    if (planned.decode.jpeg === "accurate" && !nativeDecoder.fastJpeg) events.notice?.(noFastJpeg);
    await removeLeftovers(paths);
    events.started?.(inputs.length, network, store.resumed);
    const run = await pump({ inputs, recipe, endPoints, network, store, request, rooms, events, signal });
    const rows = run.records.filter((r) => r.status === "ok").length;
    const doubts = noteOf(run.records);
    if (doubts !== undefined) events.notice?.(doubts);
    if (rows === 0 && !request.mayBeEmpty) throw noRows(planned.from, run.records);
    const report = await writeOutputs({
      ...planned,
      request,
      network,
      endPoints,
      store,
      description,
      labels,
      records: run.records,
    });
    return { ...report, computed: run.computed, known: rows - run.computed, times: run.times };
  } finally {
    await store?.close();
    await network.close();
  }
}

/** Whether the weights are another file than the one that was published for the network. */
const isForeign = ({ weights }: Network): boolean => weights.kind === "checkpoint" && !weights.published;

interface Pump {
  readonly inputs: readonly ImageInput[];
  readonly recipe: ReadRecipe;
  readonly endPoints: readonly KeptEndPoint[];
  readonly network: Network;
  readonly store: Store;
  readonly request: SettledRequest;
  readonly rooms: ExtractRooms;
  readonly events: ExtractEvents;
  readonly signal: AbortSignal | undefined;
}

interface Pumped {
  /** One for each input, in order. Rows are filled in when they are written. */
  readonly records: readonly ManifestRecord[];
  readonly computed: number;
  readonly times: StageTimes;
}

/** Moves every image through the network; images are decoded while it computes. What is computed is kept by the store. */
async function pump(run: Pump): Promise<Pumped> {
  const { inputs, network, store, request, rooms, events, signal } = run;
  const workers = Math.min(request.workers ?? availableParallelism(), inputs.length);
  const pool = rooms.openDecodePool(workers, run.recipe, store.hashes());
  const batchSize = batchSizeFor(request, network);
  const began = performance.now();
  const batcher = createBatcher({
    network,
    store,
    endPoints: run.endPoints,
    pool: request.pool ?? "none",
    batchSize: Math.min(batchSize, inputs.length),
    giveBack: pool.giveBack,
    failed: (path, reason) => {
      failed++;
      events.failed?.({ path, reason });
    },
  });
  const records: ManifestRecord[] = [];
  let failed = 0;
  try {
    const atOnce = inHand * workers + 1;
    const limits = { atOnce, ahead: batchSize + atOnce };
    const wanted = (hash: string) => store.find(hash) === undefined;
    const decoded = workAhead(inputs, limits, async (input) => ({
      input,
      outcome: await pool.read(input, wanted),
    }));
    for await (const { input, outcome } of decoded) {
      if (signal?.aborted) break;
      const record = recordOf(input.key, outcome, store);
      records.push(record);
      if (outcome.status === "ok") {
        await batcher.add({ path: input.key, ...outcome });
      }
      if (record.status === "failed") {
        if (outcome.status === "failed" && outcome.hash) store.addFailure(outcome.hash, outcome.reason);
        failed++;
        events.failed?.({ path: input.key, reason: record.reason ?? "" });
      }
      events.progressed?.(records.length - batcher.waiting, failed);
    }
    await (signal?.aborted ? batcher.finish() : batcher.flush());
    await store.commit();
    if (signal?.aborted) throw new Stopped(signal.reason, { done: batcher.computed, total: inputs.length });
    events.progressed?.(records.length, failed);
    return {
      records: records.map((record) => checked(record, store)),
      computed: batcher.computed,
      times: {
        wall: performance.now() - began,
        read: pool.milliseconds.read / workers,
        decode: pool.milliseconds.decode / workers,
        compute: batcher.computeMilliseconds,
        write: batcher.writeMilliseconds,
      },
    };
  } catch (error) {
    // What was computed before the fault is kept; the fault is what is told.
    await batcher.finish().catch(() => {});
    await store.commit().catch(() => {});
    throw error;
  } finally {
    await pool.close();
  }
}

/** The manifest's record of an outcome; facts of a content that was known come from the store. */
function recordOf(path: string, outcome: Outcome, store: Store): ManifestRecord {
  switch (outcome.status) {
    case "ok":
      return { path, status: "ok", sha256: outcome.hash, ...outcome.facts };
    case "known": {
      const known = store.find(outcome.hash);
      if (known?.kind === "row") return { path, status: "ok", sha256: outcome.hash, ...known.facts };
      return { path, status: "failed", sha256: outcome.hash, reason: known?.reason };
    }
    case "failed":
      return { path, status: "failed", sha256: outcome.hash, reason: outcome.reason };
    case "skipped":
      return { path, status: "skipped", reason: outcome.reason };
  }
}

/** A record of an image whose features turned out to be none after it was read. */
function checked(record: ManifestRecord, store: Store): ManifestRecord {
  const known = record.sha256 === undefined ? undefined : store.find(record.sha256);
  if (record.status !== "ok" || known?.kind !== "failed") return record;
  return { path: record.path, status: "failed", sha256: record.sha256, reason: known.reason };
}

/** What is to be known of pixels, told of the first image of which there is something. */
function noteOf(records: readonly ManifestRecord[]): string | undefined {
  const [first, ...more] = records.filter((r) => r.note !== undefined);
  if (!first) return undefined;
  const others = more.length === 0 ? "" : ` The manifest has a note on ${more.length} more.`;
  return `${first.path}: ${first.note}.${others}`;
}

function noRows(from: readonly string[], records: readonly ManifestRecord[]): NothingToDoError {
  const failures = records.filter((r) => r.status === "failed");
  if (failures.length === 0)
    return new NothingToDoError(`There are no images in ${placesIn(from)}.`, lookedFor);
  const all = failures.length === 1 ? "the only image" : `all ${failures.length} images`;
  return new NothingToDoError(
    `Nothing was written: ${all} in ${from.join(", ")} gave no feature.`,
    `The first was ${failures[0].path}: ${failures[0].reason}`,
  );
}
