/** Which end point of a network tells some labelled images apart best. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crossValidate, type ValidateOptions } from "../analysis/classifier.ts";
import { encodeLabels } from "../analysis/folds.ts";
import { seededOrder } from "../analysis/sample.ts";
import * as rule from "../arguments.ts";
import { NothingToDoError, UsageError } from "../errors.ts";
import { commonRules } from "../library/options.ts";
import { describeLayers, type EndPointFacts } from "../nets/describe.ts";
import { logitsOf, resolveEndPoints } from "../nets/end-points.ts";
import { buildNetwork, type GraphOptions, type Model } from "../nets/index.ts";
import { chooseModel } from "../network/weights.ts";
import { throwIfStopped } from "../stopped.ts";
import { labelsFrom } from "../tables/labels.ts";
import { pooledShape } from "../tables/numbers.ts";
import { readVectors } from "../tables/vectors.ts";
import { sizeOf } from "../tensor.ts";
import { extract } from "./extract.ts";
import { type ExtractOptions, eventsOf } from "./index.ts";
import type { ExtractRequest } from "./request.ts";
import { type ExtractRooms, ownRooms } from "./rooms.ts";

/** Which end points are tried, and on which images. All but `inputs` and `labels` may be left out. */
export interface LayerRequest
  extends Pick<
      ExtractRequest,
      "model" | "checkpoint" | "weights" | "scope" | "imageSize" | "globalPool" | "threads" | "layers"
    >,
    Pick<ValidateOptions, "folds" | "seed"> {
  /** The folder or archive of the images. */
  readonly inputs: string;
  /** `folders`, or a table of paths and labels. */
  readonly labels: string;
  /** Images that are looked at, at most; 500 when left out. */
  readonly images?: number;
  readonly device?: ExtractRequest["device"];
}

/** How well the vector of one end point, averaged over its area, tells the classes apart. */
export interface LayerTrial {
  /** The end point. */
  readonly name: string;
  /** Numbers of the vector. */
  readonly length: number;
  /** Multiply-adds of an image up to there. */
  readonly macs: number;
  /** The shares that logistic regression told right, and that of nearest neighbours; as `crossValidate` has them. */
  readonly accuracy: number;
  readonly foldAccuracies: readonly number[];
  readonly nearestAccuracy: number;
}

/** What the trials of a network's end points come to. */
export interface LayerFindings {
  /** The network. */
  readonly model: string;
  /** Images that were looked at, and their classes. */
  readonly images: number;
  readonly classes: number;
  /** In the network's order. */
  readonly trials: readonly LayerTrial[];
  /** The end point that `extract` takes when none is named; undefined where it was not among those to try. */
  readonly usual: LayerTrial | undefined;
  /** Of the greatest accuracy; of equal ones the cheapest. */
  readonly best: LayerTrial;
  /** How much more the best one tells right than the usual one, and by how much that differs from fold to fold. */
  readonly gain: number;
  readonly spread: number;
  /** Whether the gain is more than that spread. */
  readonly better: boolean;
}

/** How the search for an end point is watched and stopped. */
export interface LayerOptions extends ExtractOptions {
  /** Is told how many of the end points are tried, once the images are computed. */
  readonly onTried?: (done: number, total: number) => void;
}

const usualImages = 500;

/** What each argument has to be. */
const layerRules: rule.Rules<LayerRequest> = {
  model: commonRules.model,
  checkpoint: commonRules.checkpoint,
  weights: commonRules.weights,
  scope: commonRules.scope,
  imageSize: commonRules.imageSize,
  globalPool: commonRules.globalPool,
  threads: commonRules.threads,
  device: commonRules.device,
  layers: commonRules.layers,
  inputs: rule.text,
  labels: rule.text,
  images: rule.wholeNumber(2 ** 31),
  folds: rule.wholeNumber(1000),
  seed: rule.either(rule.oneOf(0), rule.wholeNumber(2 ** 31)),
};

/**
 * The end points that are worth a trial. Those that are of one length and take the same multiply-adds differ by an
 * average or a softmax: of these, the usual feature, the logits, or else the last.
 */
function candidates(model: Model, options: GraphOptions): EndPointFacts[] {
  const graph = buildNetwork(model, 1, options);
  const [usual] = resolveEndPoints(model, graph, [], options);
  const preferred = [usual, logitsOf(graph)];
  const byCost = new Map<string, EndPointFacts>();
  for (const facts of describeLayers(model, options).endPoints) {
    const key = `${lengthOf(facts)} ${facts.macs}`;
    const other = byCost.get(key);
    if (!other || !preferred.includes(other.name)) byCost.set(key, facts);
  }
  return [...byCost.values()];
}

const lengthOf = ({ shape }: EndPointFacts): number => sizeOf(pooledShape(shape, "avg"));

/** At most `most` rows that have a label, one of each class in turn. */
function sampled(labels: readonly (string | undefined)[], most: number, seed: number): number[] {
  const byClass = new Map<string, number[]>();
  for (const label of labels) if (label !== undefined) byClass.set(label, []);
  for (const row of seededOrder(`layers ${seed}`, labels.length)) byClass.get(labels[row] ?? "")?.push(row);
  const classes = [...byClass.values()];
  const rows: number[] = [];
  for (let turn = 0; rows.length < most && classes.some((own) => own.length > turn); turn++) {
    for (const own of classes) if (own.length > turn && rows.length < most) rows.push(own[turn]);
  }
  return rows.sort((a, b) => a - b);
}

/**
 * Computes end points of a network for labelled images, in one pass, and tries each by cross-validation on the same folds.
 * @throws UsageError for labels that tell no classes apart; as `extract`
 */
export async function findLayer(
  request: LayerRequest,
  watch: LayerOptions = {},
  rooms: ExtractRooms = ownRooms,
): Promise<LayerFindings> {
  rule.checkArguments("findLayer", request, layerRules, "inputs", "labels");
  const { inputs: place, labels: source, images = usualImages, folds, seed = 0, ...network } = request;
  const { imageSize, globalPool } = network;
  const model = await chooseModel(request, rooms.identifyCheckpoint);
  const options = { imageSize, globalPool };
  const graph = buildNetwork(model, 1, options);
  const [usualName] = resolveEndPoints(model, graph, [], options);
  const wanted = request.layers && resolveEndPoints(model, graph, request.layers, options);
  const facts = wanted
    ? describeLayers(model, options).endPoints.filter(({ name }) => wanted.includes(name))
    : candidates(model, options);

  const listed = await rooms.listSources([{ kind: "path", path: place }]);
  if (listed.inputs.length === 0) throw new NothingToDoError(`There are no images in ${place}.`);
  const { labels, notes } = await labelsFrom(
    source,
    listed.inputs.map(({ key }) => key),
  );
  const { signal } = watch;
  const events = eventsOf(watch);
  for (const note of notes) events.notice?.(note);
  const rows = sampled(labels, images, seed);
  // Too few labels are told before hours of work, not after.
  encodeLabels(rows.map((row) => labels[row]));
  const labelOf = new Map(rows.map((row) => [listed.inputs[row].key, labels[row]]));
  const folder = await mkdtemp(join(tmpdir(), "slimfeatures-layers-"));
  try {
    const inputs = rows.map((row) => listed.inputs[row]);
    const { files } = await extract(
      {
        ...network,
        inputs: place,
        model: model.name,
        layers: facts.map(({ name }) => name),
        pool: "avg",
        out: join(folder, "features.npy"),
      },
      { ...rooms, listSources: async () => ({ inputs }) },
      events,
      signal,
    );
    const { warning } = files[0].metadata.weights;
    if (warning) events.notice?.(warning);
    const trials: LayerTrial[] = [];
    let looked = { images: 0, classes: 0 };
    for (const { path, metadata } of files) {
      throwIfStopped(signal);
      const { name, macs } = facts.find((f) => f.name === metadata.endPoint) as EndPointFacts;
      const vectors = await readVectors(path);
      const found = await crossValidate(
        vectors.rows,
        vectors.paths.map((key) => labelOf.get(key)),
        { folds, seed },
      );
      const { accuracy, foldAccuracies, nearestAccuracy, tried, classes } = found;
      trials.push({ name, length: vectors.rows.width, macs, accuracy, foldAccuracies, nearestAccuracy });
      looked = { images: tried, classes: classes.length };
      watch.onTried?.(trials.length, files.length);
    }
    return { model: model.name, ...looked, trials, ...compared(trials, usualName) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The best of the trials, against the usual end point on the same folds. */
export function compared(
  trials: readonly LayerTrial[],
  usualName: string,
): Pick<LayerFindings, "best" | "usual" | "gain" | "spread" | "better"> {
  if (trials.length === 0) throw new UsageError("No end point was tried.", "Name one by --layer.");
  const best = trials.reduce((a, b) =>
    b.accuracy > a.accuracy || (b.accuracy === a.accuracy && b.macs < a.macs) ? b : a,
  );
  const usual = trials.find(({ name }) => name === usualName);
  const gains = best.foldAccuracies.map((accuracy, fold) => accuracy - (usual?.foldAccuracies[fold] ?? 0));
  const gain = gains.reduce((a, b) => a + b, 0) / gains.length;
  const spread = Math.sqrt(
    gains.reduce((sum, g) => sum + (g - gain) ** 2, 0) / Math.max(1, gains.length - 1),
  );
  return { best, usual, gain, spread, better: usual !== undefined && gain > spread };
}
