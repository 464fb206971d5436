/** Images gathered into batches, computed, pooled and put into the store. */
import { DeviceError } from "../errors.ts";
import type { ImageFacts } from "../images/index.ts";
import { sizeOf } from "../tensor.ts";
import type { Network } from "./network.ts";
import { type Pool, poolMap } from "./numbers.ts";
import type { KeptEndPoint } from "./request.ts";
import type { Store } from "./store.ts";

interface Waiting {
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
  readonly notice?: (sentence: string) => void;
}

export function createBatcher({
  network,
  store,
  endPoints,
  pool,
  batchSize,
  notice,
}: BatcherOptions): Batcher {
  const pixels = sizeOf(network.inputShape);
  const batch = new Float32Array(batchSize * pixels);
  let waiting: Waiting[] = [];
  let most = batchSize;
  let computed = 0;
  let computeMilliseconds = 0;
  let writeMilliseconds = 0;

  /** Runs `count` images from `first` on; where the device cannot take so many at once, fewer, and from then on. */
  async function compute(first: number, count: number): Promise<Float32Array[][]> {
    try {
      const results = await network.run(batch.subarray(first * pixels, (first + count) * pixels), count);
      return Array.from({ length: count }, (_, i) =>
        results.map((values) => {
          const width = values.length / count;
          return values.subarray(i * width, (i + 1) * width);
        }),
      );
    } catch (error) {
      if (!(error instanceof DeviceError) || count === 1) throw error;
      const half = Math.ceil(count / 2);
      most = Math.min(most, half);
      notice?.(`A batch of ${count} is too large for this device (${error.message}); going on with ${half}.`);
      return [...(await compute(first, half)), ...(await compute(first + half, count - half))];
    }
  }

  async function flush(): Promise<void> {
    const images = waiting;
    waiting = [];
    for (let first = 0; first < images.length; ) {
      const count = Math.min(most, images.length - first);
      const began = performance.now();
      const rows = await compute(first, count);
      const ended = performance.now();
      for (const [i, row] of rows.entries()) {
        const features = row.map((values, k) => poolMap(values, endPoints[k].networkShape, pool));
        await store.add(images[first + i].hash, images[first + i].facts, features);
      }
      computeMilliseconds += ended - began;
      writeMilliseconds += performance.now() - ended;
      computed += count;
      first += count;
    }
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
    async add({ hash, facts, input }) {
      if (store.find(hash) || waiting.some((w) => w.hash === hash)) return;
      batch.set(input, waiting.length * pixels);
      waiting.push({ hash, facts });
      if (waiting.length === batchSize) await flush();
    },
    flush,
  };
}
