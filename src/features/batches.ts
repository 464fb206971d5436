/** Images gathered into batches, computed, pooled and put into the store. */
import { notFinite } from "../engine/finite.ts";
import type { ImageFacts } from "../images/index.ts";
import { sizeOf } from "../tensor.ts";
import type { Network } from "./network.ts";
import { type Pool, poolMap } from "./numbers.ts";
import { type Prediction, topClasses } from "./predictions.ts";
import type { KeptEndPoint } from "./request.ts";
import type { Store } from "./store.ts";

interface Waiting {
  /** Of the image, for messages. */
  readonly path: string;
  readonly hash: string;
  readonly facts: ImageFacts;
}

/** A batch that the device has. */
interface Launched {
  readonly images: readonly Waiting[];
  readonly input: Float32Array;
  readonly ran: ReturnType<Network["run"]>;
  readonly began: number;
}

export interface Batcher {
  /** Images that wait for their batch to be full, and those under way. */
  readonly waiting: number;
  readonly computed: number;
  readonly computeMilliseconds: number;
  readonly writeMilliseconds: number;
  /** Adds an image, and starts to compute when the batch is full. A content that is there already is left out. */
  add(image: Waiting & { readonly input: Float32Array }): Promise<void>;
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
  /** Is told of an image whose features cannot be kept. */
  readonly failed?: (path: string, reason: string) => void;
}

export function createBatcher({
  network,
  store,
  endPoints,
  pool,
  batchSize,
  failed,
}: BatcherOptions): Batcher {
  const pixels = sizeOf(network.inputShape);
  /** One gathers the next images while the other is computed. */
  let batch = new Float32Array(batchSize * pixels);
  let spare = new Float32Array(batchSize * pixels);
  let waiting: Waiting[] = [];
  let underWay: Launched | undefined;
  let computedUntil = 0;
  let computed = 0;
  let computeMilliseconds = 0;
  let writeMilliseconds = 0;

  /** Keeps an image's features; where they are not all numbers, the reason, with the layer that is to blame. */
  async function keep(
    image: Waiting,
    input: Float32Array,
    row: readonly Float32Array[],
    device: string,
  ): Promise<void> {
    const kept = row.slice(0, endPoints.length);
    const features = kept.map((values, k) => poolMap(values, endPoints[k].networkShape, pool));
    if (kept.every((values) => notFinite(values) === undefined)) {
      const lost = features.findIndex((values) => notFinite(values) !== undefined);
      if (lost < 0) return store.add(image.hash, image.facts, features, device, likeliestOf(row));
      return refuse(image, `${pool} pooling of ${endPoints[lost].name} gives ${notFinite(features[lost])}`);
    }
    return refuse(image, `its features are not all numbers: ${await network.explain(input.slice())}`);
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

  /** Starts the batch that waits, and keeps the results of the one before: the device goes from one to the next. */
  async function next(): Promise<void> {
    const images = waiting;
    const input = batch;
    const began = performance.now();
    const ran = network.run(input.subarray(0, images.length * pixels), images.length);
    ran.catch(() => {}); // What went wrong is told when the results are asked for.
    const last = underWay;
    underWay = { images, input, ran, began };
    waiting = [];
    [batch, spare] = [spare, batch];
    if (last) await settle(last);
  }

  async function settle({ images, input, ran, began }: Launched): Promise<void> {
    const { outputs, device } = await ran;
    const ended = performance.now();
    computeMilliseconds += ended - Math.max(began, computedUntil);
    computedUntil = ended;
    for (const [i, image] of images.entries()) {
      const row = outputs.map((values) => {
        const width = values.length / images.length;
        return values.subarray(i * width, (i + 1) * width);
      });
      await keep(image, input.subarray(i * pixels, (i + 1) * pixels), row, device);
    }
    writeMilliseconds += performance.now() - ended;
    computed += images.length;
  }

  async function finish(): Promise<void> {
    const last = underWay;
    underWay = undefined;
    if (last) await settle(last);
  }

  return {
    get waiting() {
      return waiting.length + (underWay?.images.length ?? 0);
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
    async add({ path, hash, facts, input }) {
      const isSame = (w: Waiting) => w.hash === hash;
      if (store.find(hash) || waiting.some(isSame) || underWay?.images.some(isSame)) return;
      batch.set(input, waiting.length * pixels);
      waiting.push({ path, hash, facts });
      if (waiting.length === batchSize) await next();
    },
    finish,
    async flush() {
      if (waiting.length > 0) await next();
      await finish();
    },
  };
}
