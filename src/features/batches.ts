/** Images gathered into batches, computed, pooled and put into the store. */
import { notFinite } from "../engine/finite.ts";
import type { ImageFacts } from "../images/index.ts";
import { sizeOf } from "../tensor.ts";
import type { Network } from "./network.ts";
import { type Pool, poolMap } from "./numbers.ts";
import type { KeptEndPoint } from "./request.ts";
import type { Store } from "./store.ts";

interface Waiting {
  /** Of the image, for messages. */
  readonly path: string;
  readonly hash: string;
  readonly facts: ImageFacts;
}

export interface Batcher {
  /** Images that wait for their batch to be full. */
  readonly waiting: number;
  readonly computed: number;
  readonly computeMilliseconds: number;
  readonly writeMilliseconds: number;
  /** Adds an image, and computes when the batch is full. A content that is there already is left out. */
  add(image: Waiting & { readonly input: Float32Array }): Promise<void>;
  /** Computes what waits. */
  flush(): Promise<void>;
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
  const batch = new Float32Array(batchSize * pixels);
  let waiting: Waiting[] = [];
  let computed = 0;
  let computeMilliseconds = 0;
  let writeMilliseconds = 0;

  /** Keeps an image's features; where they are not all numbers, the reason, with the layer that is to blame. */
  async function keep(
    image: Waiting,
    at: number,
    row: readonly Float32Array[],
    device: string,
  ): Promise<void> {
    const features = row.map((values, k) => poolMap(values, endPoints[k].networkShape, pool));
    if (row.every((values) => notFinite(values) === undefined)) {
      const lost = features.findIndex((values) => notFinite(values) !== undefined);
      if (lost < 0) return store.add(image.hash, image.facts, features, device);
      return refuse(image, `${pool} pooling of ${endPoints[lost].name} gives ${notFinite(features[lost])}`);
    }
    const input = batch.slice(at * pixels, (at + 1) * pixels);
    return refuse(image, `its features are not all numbers: ${await network.explain(input)}`);
  }

  function refuse({ path, hash }: Waiting, reason: string): void {
    store.addFailure(hash, reason);
    failed?.(path, reason);
  }

  async function flush(): Promise<void> {
    const images = waiting;
    waiting = [];
    if (images.length === 0) return;
    const began = performance.now();
    const { outputs, device } = await network.run(batch.subarray(0, images.length * pixels), images.length);
    const ended = performance.now();
    for (const [i, image] of images.entries()) {
      const row = outputs.map((values) => {
        const width = values.length / images.length;
        return values.subarray(i * width, (i + 1) * width);
      });
      await keep(image, i, row, device);
    }
    computeMilliseconds += ended - began;
    writeMilliseconds += performance.now() - ended;
    computed += images.length;
  }

  return {
    get waiting() {
      return waiting.length;
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
      if (store.find(hash) || waiting.some((w) => w.hash === hash)) return;
      batch.set(input, waiting.length * pixels);
      waiting.push({ path, hash, facts });
      if (waiting.length === batchSize) await flush();
    },
    flush,
  };
}
