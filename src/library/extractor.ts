/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The library's extractor: images in, features out, in memory. It is the same on every platform, which hands on how networks
 * are opened and files are read.
 */

import { checkArguments, shown } from "../arguments.ts";
import { notFinite } from "../engine/finite.ts";
import { UsageError } from "../errors.ts";
import { checkPreprocess, describePreprocess } from "../images/index.ts";
import { asTyped } from "../invocation.ts";
import type { EndPoint, Network } from "../network/network.ts";
import { batchSizeFor } from "../network/recovery.ts";
import { sizeOf } from "../tensor.ts";
import type { ImageSource } from "./images.ts";
import {
  type ExtractorOptions,
  extractorRules,
  type FeaturesOptions,
  featuresRules,
  type StreamOptions,
  streamRules,
} from "./options.ts";
import type { ExtractorParts, Features, Recipe } from "./parts.ts";
import { openStream, type StreamedFailure, type StreamedFeatures } from "./stream.ts";

/**
 * A network that is open, with all that makes features of images. `Own` are kinds of images that a platform has besides those
 * of `ImageSource`.
 */
export interface Extractor<Own = never> {
  /** The network's name. */
  readonly model: string;
  /** Names and shapes of what each image gives, such as AvgPool_1a and [1, 1, 1024]. */
  readonly endPoints: readonly EndPoint[];
  /** Where the weights came from. */
  readonly weights: Network["weights"];
  /** What computes now: it changes where a GPU fails and the device is "auto". */
  readonly backend: Network["backend"];
  /** The GPU's or processor's own name. */
  readonly adapter: string;
  /** How images become input, in words. */
  readonly preprocess: string;

  /**
   * The features of one image, or of an array of them in its order. Batches are made inside, and files of an array are
   * decoded by threads; the features are the same bits as those of each image alone.
   *
   * @example
   * const { AvgPool_1a } = await extractor.features("photo.jpg"); // a Float32Array of 1024 numbers
   * const [a, b] = await extractor.features([await response.blob(), { data, width, height }]);
   *
   * @throws ImageError for the first image that cannot be read, by its name or place; DeviceError where the device fails, and
   * all that is tried instead; UsageError for wrong arguments, and once the extractor is closed; an error called AbortError when
   * the signal fires.
   */
  features(image: ImageSource | Own, options?: FeaturesOptions): Promise<Features>;
  features(images: readonly (ImageSource | Own)[], options?: FeaturesOptions): Promise<Features[]>;

  /**
   * The features of as many images as there are, in their order, in memory that does not grow: some images are read ahead,
   * and no more. Leaving the loop stops the work.
   *
   * @example
   * for await (const { image, features, error } of extractor.stream(await listFolder("photos"), { onError: "skip" })) {
   *   if (error) console.error(error.message);
   *   else console.log(image.key, features.AvgPool_1a);
   * }
   *
   * @param images An iterable or async iterable of images.
   * @throws as `features`; with `onError: "skip"`, an image that cannot be read gives an item with its error instead.
   */
  stream<I extends ImageSource | Own>(
    images: Iterable<I> | AsyncIterable<I>,
    options?: StreamOptions & { readonly onError?: "throw" },
  ): AsyncGenerator<StreamedFeatures<I>, void, undefined>;
  stream<I extends ImageSource | Own>(
    images: Iterable<I> | AsyncIterable<I>,
    options: StreamOptions,
  ): AsyncGenerator<StreamedFeatures<I> | StreamedFailure<I>, void, undefined>;

  /** Stops what is under way, and lets go of the device and all threads: until then, the process may not end. */
  close(): Promise<void>;
  /** `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Opens an extractor on a platform's parts. @throws UsageError, CheckpointError, DeviceError. */
export async function openExtractor<Own = never>(
  options: ExtractorOptions | undefined,
  parts: ExtractorParts,
): Promise<Extractor<Own>> {
  checkArguments("createExtractor", options, extractorRules);
  const { exif, jpeg, icc, background, maxPixels, preprocess: mode = "slim" } = options ?? {};
  const { onNotice, batchSize = "auto", workers } = options ?? {};
  const notice = onNotice && ((sentence: string) => onNotice(asTyped(sentence)));
  const decode = parts.decodeRules(mode, { exif, jpeg, icc, background, maxPixels });
  const model = await parts.chooseModel(options ?? {});
  checkPreprocess(mode, model.inputChannels);
  const network = await parts.openNetwork(model, options ?? {}, notice);
  const [size, , channels] = network.inputShape;
  const recipe: Recipe = { decode, preprocess: { family: model.preprocess, mode, size, channels } };
  const reader = parts.openReader(recipe, workers);

  /** Work that the device and the threads still have. */
  const busy = new Set<Promise<unknown>>();
  const closing = new AbortController();
  let closed: Promise<void> | undefined;

  function track<T>(work: Promise<T>): Promise<T> {
    busy.add(work);
    const done = () => busy.delete(work);
    work.then(done, done);
    return work;
  }

  function checkOpen(): void {
    if (!closed) return;
    throw new UsageError("The extractor is closed.", "Open another one with createExtractor().");
  }

  /** The features of a batch's inputs; where they are not all numbers, the sentence's end with the layer that is to blame. */
  async function compute(inputs: readonly Float32Array[]): Promise<(Features | string)[]> {
    const { outputs } = await network.run(inputs);
    const results: (Features | string)[] = [];
    for (const [i, input] of inputs.entries()) {
      const entries = network.endPoints.map(({ name, shape }, k) => {
        const width = sizeOf(shape);
        return [name, outputs[k].slice(i * width, (i + 1) * width)] as const;
      });
      const bad = entries.find(([, values]) => notFinite(values) !== undefined);
      results.push(
        bad ? `${bad[0]} is not all numbers: ${await network.explain(input)}` : Object.fromEntries(entries),
      );
    }
    return results;
  }

  const streaming = {
    recipe,
    reader,
    batchSize: batchSizeFor({ batchSize }, network),
    compute,
    notice,
    track,
    checkOpen,
    closing: closing.signal,
  };

  async function closeAll(): Promise<void> {
    closing.abort("close()");
    while (busy.size > 0) await Promise.allSettled(busy);
    await reader.close();
    await network.close();
  }

  function close(): Promise<void> {
    closed ??= closeAll();
    return closed;
  }

  async function features(images: unknown, given?: FeaturesOptions): Promise<Features | Features[]> {
    checkOpen();
    checkArguments("features", given, featuresRules);
    const all = Array.isArray(images) ? (images as unknown[]) : [images];
    const found: Features[] = [];
    const placeOf = (i: number) => (all === images ? `images[${i}]` : "image");
    for await (const item of openStream(all, { ...given, total: all.length, placeOf }, streaming)) {
      if (item.error) throw item.error;
      found.push(item.features);
    }
    return all === images ? found : found[0];
  }

  function stream<I>(images: Iterable<I> | AsyncIterable<I>, given?: StreamOptions) {
    checkOpen();
    checkArguments("stream", given, streamRules);
    if (!isIterable(images)) {
      throw new UsageError(
        `stream: \`images\` must be an iterable or async iterable of images, not ${shown(images)}.`,
        "An array is one. listFolder(path) gives the images of a folder.",
      );
    }
    const total = Array.isArray(images) ? images.length : images instanceof Set ? images.size : undefined;
    return openStream(images, { ...given, total, placeOf: (i) => `image ${i}` }, streaming);
  }

  return {
    model: network.model,
    endPoints: network.endPoints,
    weights: network.weights,
    get backend() {
      return network.backend;
    },
    get adapter() {
      return network.adapter;
    },
    preprocess: describePreprocess(recipe.preprocess),
    features: features as Extractor<Own>["features"],
    stream: stream as Extractor<Own>["stream"],
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A text and bytes are iterables too, and not of images. */
const isIterable = (value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  !ArrayBuffer.isView(value) &&
  (Symbol.iterator in value || Symbol.asyncIterator in value);
