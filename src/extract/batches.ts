/** Images gathered into batches, computed, pooled and put into the store. */
import { notFinite } from "../engine/finite.ts";
import type { ImageFacts } from "../images/index.ts";
import type { Network } from "../network/network.ts";
import type { Computed } from "../network/recovery.ts";
import { type Pool, poolMap } from "../tables/numbers.ts";
import { type Prediction, topClasses } from "./predictions.ts";
import type { KeptEndPoint } from "./request.ts";
import type { Store } from "./store.ts";

/** An image with its input. */
interface Waiting {
  /** Of the image, for messages. */
  readonly path: string;
  readonly hash: string;
  readonly facts: ImageFacts;
  readonly input: Float32Array;
}

/** A batch that the device has. */
interface Launched {
  readonly images: readonly Waiting[];
  /** Resolves when its results are in the store, or left to it. */
  readonly kept: Promise<void>;
}

/** Batches that the device may have: one is computed, one lies ready for it, and the results of one are being kept. */
const deep = 3;

export interface Batcher {
  /** Images that wait for their batch to be full, and those under way. */
  readonly waiting: number;
  readonly computed: number;
  readonly computeMilliseconds: number;
  readonly writeMilliseconds: number;
  /** Adds an image, and starts to compute when the batch is full. A content that is there already is left out. */
  add(image: Waiting): Promise<void>;
  /** Computes what waits, and keeps the results of all. */
  flush(): Promise<void>;
  /** Keeps the results of what is under way, and leaves the rest. */
  finish(): Promise<void>;
}

export interface BatcherOptions {
  readonly network: Network;
  readonly store: Store;
  readonly endPoints: readonly KeptEndPoint[];
  readonly pool: Pool;
  readonly batchSize: number;
  /** Takes an image's input back when it is no longer needed. */
  readonly giveBack: (input: Float32Array) => void;
  /** Is told of an image whose features cannot be kept. */
  readonly failed?: (path: string, reason: string) => void;
}

export function createBatcher({
  network,
  store,
  endPoints,
  pool,
  batchSize,
  giveBack,
  failed,
}: BatcherOptions): Batcher {
  let waiting: Waiting[] = [];
  /** In the order in which they were begun. One whose results could not be kept stays. */
  const underWay: Launched[] = [];
  /** Contents that wait or are under way. */
  const held = new Set<string>();
  let computedUntil = 0;
  let computed = 0;
  let computeMilliseconds = 0;
  let writeMilliseconds = 0;

  /** Keeps an image's features; where they are not all numbers, the reason, with the layer that is to blame. */
  async function keep(image: Waiting, row: readonly Float32Array[], device: string): Promise<void> {
    const kept = row.slice(0, endPoints.length);
    const features = kept.map((values, k) => poolMap(values, endPoints[k].networkShape, pool));
    if (kept.every((values) => notFinite(values) === undefined)) {
      const lost = features.findIndex((values) => notFinite(values) !== undefined);
      if (lost < 0) return store.add(image.hash, image.facts, features, device, likeliestOf(row));
      return refuse(image, `${pool} pooling of ${endPoints[lost].name} gives ${notFinite(features[lost])}`);
    }
    return refuse(image, `its features are not all numbers: ${await network.explain(image.input.slice())}`);
  }

  /** The class that logits beside the end points speak for. */
  function likeliestOf(row: readonly Float32Array[]): Prediction | undefined {
    const logits = network.alsoLogits === undefined ? undefined : row[endPoints.length];
    return logits && notFinite(logits) === undefined ? topClasses(logits, 1)[0] : undefined;
  }

  function refuse({ path, hash }: Waiting, reason: string): void {
    store.addFailure(hash, reason);
    failed?.(path, reason);
  }

  /** Starts the batch that waits; the device goes from one to the next while results are kept. */
  async function next(): Promise<void> {
    const images = waiting;
    waiting = [];
    const began = performance.now();
    const ran = network.run(images.map(({ input }) => input));
    ran.catch(() => {}); // What went wrong is told when the results are asked for.
    const before = underWay.at(-1)?.kept.catch(() => {});
    const kept = (async () => {
      await before;
      await settle(images, await ran, began);
    })();
    const launched = { images, kept };
    underWay.push(launched);
    kept.then(
      () => underWay.splice(underWay.indexOf(launched), 1),
      () => {}, // It is told to whoever waits for it.
    );
    while (underWay.length >= deep) await underWay[0].kept;
  }

  async function settle(
    images: readonly Waiting[],
    { outputs, device }: Computed,
    began: number,
  ): Promise<void> {
    const ended = performance.now();
    computeMilliseconds += ended - Math.max(began, computedUntil);
    computedUntil = ended;
    for (const [i, image] of images.entries()) {
      const row = outputs.map((values) => {
        const width = values.length / images.length;
        return values.subarray(i * width, (i + 1) * width);
      });
      await keep(image, row, device);
      release(image);
    }
    writeMilliseconds += performance.now() - ended;
    computed += images.length;
  }

  function release({ hash, input }: Waiting): void {
    held.delete(hash);
    giveBack(input);
  }

  async function finish(): Promise<void> {
    const all = underWay.map(({ kept }) => kept);
    await Promise.allSettled(all);
    await Promise.all(all);
  }

  return {
    get waiting() {
      return underWay.reduce((sum, { images }) => sum + images.length, waiting.length);
    },
    get computed() {
      return computed;
    },
    get computeMilliseconds() {
      return computeMilliseconds;
    },
    get writeMilliseconds() {
      return writeMilliseconds;
    },
    async add(image) {
      if (store.find(image.hash) || held.has(image.hash)) return giveBack(image.input);
      held.add(image.hash);
      waiting.push(image);
      if (waiting.length === batchSize) await next();
    },
    finish,
    async flush() {
      if (waiting.length > 0) await next();
      await finish();
    },
  };
}
