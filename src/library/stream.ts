/** Images to features, in order, some ahead of their consumer and never more than that. */
import { workAhead } from "../ahead.ts";
import { ImageError } from "../errors.ts";
import { preprocess } from "../images/index.ts";
import { Stopped, throwIfStopped } from "../stopped.ts";
import { nameOf, sort } from "./images.ts";
import type { StreamOptions } from "./options.ts";
import type { Features, Prepared, Reader, Recipe } from "./parts.ts";

/** An image with its features. */
export interface StreamedFeatures<I> {
  /** Its place among the images, from 0. */
  readonly index: number;
  /** The image as it was given. */
  readonly image: I;
  readonly features: Features;
  readonly error?: undefined;
}

/** An image that gave no features. */
export interface StreamedFailure<I> {
  readonly index: number;
  readonly image: I;
  readonly features?: undefined;
  /** Which image, and why. */
  readonly error: ImageError;
}

type Item<I> = StreamedFeatures<I> | StreamedFailure<I>;

/** What streams of one extractor share. */
export interface Streaming {
  readonly recipe: Recipe;
  readonly reader: Reader;
  readonly batchSize: number;
  /** The features of inputs, or why one has none. */
  readonly compute: (inputs: readonly Float32Array[]) => Promise<(Features | string)[]>;
  readonly notice: ((sentence: string) => void) | undefined;
  /** Has `close` wait for a work. */
  readonly track: <T>(work: Promise<T>) => Promise<T>;
  readonly checkOpen: () => void;
  /** Fires when the extractor is closed. */
  readonly closing: AbortSignal;
}

export interface StreamRun extends StreamOptions {
  readonly total: number | undefined;
  /** What an image is called that has no name. */
  readonly placeOf: (index: number) => string;
}

interface Read<I> {
  readonly index: number;
  readonly image: I;
  readonly name: string;
  readonly prepared: Prepared;
  readonly hint?: string;
}

type Good = Exclude<Prepared, { reason: string }>;

/** Of fewer images, none is worth a thread's start. */
const few = 4;

/** Batches that the device may have: while it computes one, the next lies ready. */
const deep = 2;

/** A sentence of an image's name and a clause: "is …", "cannot …", "it is …", "its …". */
const sentence = (name: string, clause: string): string =>
  /^(?:cannot|must|is|has) /.test(clause)
    ? `${name} ${clause}.`
    : clause.startsWith("it ")
      ? `${name} ${clause.slice(3)}.`
      : `${name}: ${clause}.`;

/** @throws as `Extractor.stream`. */
export async function* openStream<I>(
  images: Iterable<I> | AsyncIterable<I>,
  { signal, onProgress, onError = "throw", total, placeOf }: StreamRun,
  { recipe, reader, batchSize, compute, notice, track, checkOpen, closing }: Streaming,
): AsyncGenerator<Item<I>, void, undefined> {
  checkOpen();
  const left = new AbortController();
  const end = AbortSignal.any([left.signal, closing, ...(signal ? [signal] : [])]);
  const batch = Math.min(batchSize, total ?? batchSize);
  const many = total === undefined || total > few;

  async function prepare(image: I, index: number): Promise<Read<I>> {
    const name = nameOf(image, placeOf(index));
    try {
      if (reader.own?.takes(image)) {
        return { index, image, name, prepared: await reader.own.read(image) };
      }
      const sorted = sort(image, recipe.decode, end);
      if (sorted.kind === "pixels") {
        const input = preprocess(sorted.pixels(), recipe.preprocess);
        return { index, image, name, prepared: { input, release: () => {} } };
      }
      const readable = sorted.kind === "file" ? sorted.file : await sorted.bytes();
      const prepared = await reader.read(readable, many);
      if ("input" in prepared && prepared.note !== undefined) notice?.(sentence(name, prepared.note));
      return { index, image, name, prepared };
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      return { index, image, name, prepared: { reason: error.message }, hint: error.hint };
    }
  }

  async function computeAll(reads: readonly Read<I>[]): Promise<Item<I>[]> {
    const good = reads.map(({ prepared }) => prepared).filter((p): p is Good => "input" in p);
    try {
      const results = good.length > 0 ? await compute(good.map(({ input }) => input)) : [];
      let next = 0;
      return reads.map(({ index, image, name, prepared, hint }) => {
        const result = "input" in prepared ? results[next++] : prepared.reason;
        if (typeof result !== "string") return { index, image, features: result };
        return { index, image, error: new ImageError(sentence(name, result), hint) };
      });
    } finally {
      for (const { release } of good) release();
    }
  }

  let done = 0;
  let failed = 0;
  function* delivered(items: readonly Item<I>[]): Generator<Item<I>> {
    for (const item of items) {
      throwIfStopped(end);
      if (item.error && onError === "throw") throw item.error;
      done++;
      if (item.error) failed++;
      onProgress?.({ done, failed, total });
      yield item;
    }
  }

  const limits = { atOnce: reader.atOnce, ahead: batch + reader.atOnce, signal: end };
  const reads = workAhead(images, limits, (image, index) => track(prepare(image, index)));
  /** In order; of one batch at most, and of those that failed between. */
  let waiting: Read<I>[] = [];
  let good = 0;
  const underWay: Promise<Item<I>[]>[] = [];

  function launch(): void {
    const results = track(computeAll(waiting));
    results.catch(() => {}); // It is told when its turn comes.
    underWay.push(results);
    waiting = [];
    good = 0;
  }

  try {
    let reading: Promise<IteratorResult<Read<I>, void>> | undefined = reads.next();
    while (reading || underWay.length > 0) {
      const first = underWay.at(0)?.then((items) => ({ items }));
      // Results are given as soon as they are there, however long the next image may take to come.
      const event =
        reading && underWay.length < deep
          ? await Promise.race([...(first ? [first] : []), reading.then((read) => ({ read }))])
          : await first;
      if (!event) continue;
      if ("items" in event) {
        underWay.shift();
        yield* delivered(event.items);
        continue;
      }
      const { read } = event;
      if (read.done) {
        reading = undefined;
        if (waiting.length > 0) launch();
        continue;
      }
      waiting.push(read.value);
      if ("input" in read.value.prepared) good++;
      // Images that failed cost nothing to compute, but they must not pile up either.
      if (good === batch || waiting.length === 2 * batch || (good === 0 && underWay.length === 0)) launch();
      reading = reads.next();
    }
  } catch (error) {
    if (closing.aborted) checkOpen();
    throw signal?.aborted ? new Stopped(signal.reason, { done, total }) : error;
  } finally {
    left.abort("left");
    await reads.return();
    for (const { prepared } of waiting) if ("input" in prepared) prepared.release();
    await Promise.allSettled(underWay);
  }
}
