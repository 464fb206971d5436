/** The extractor in a page: the library's own, with the network in one worker and decoding in others. */
import { checkArguments } from "../arguments.ts";
import { UsageError } from "../errors.ts";
import { decodeRules } from "../images/index.ts";
import { type Extractor, openExtractor } from "../library/extractor.ts";
import type { ExtractorOptions } from "../library/options.ts";
import type { ExtractorParts } from "../library/parts.ts";
import { openCaller } from "./caller.ts";
import type { CallEvent } from "./calls.ts";
import { openRemote } from "./network.ts";
import { sendable, type WebExtractorOptions, webRules } from "./options.ts";
import { ownFolder } from "./places.ts";
import { openReader } from "./reader.ts";

/** What is used of an ImageBitmap: programs that use this package's types need not have a browser's. */
export interface ImageBitmapLike {
  readonly width: number;
  readonly height: number;
  close(): void;
}

export type WebExtractor = Extractor<ImageBitmapLike>;

/**
 * Opens a network in a page: without arguments mobilenet_v1, whose trained weights are included. It computes in a worker, by
 * WebGPU where there is an adapter, else on the processor's cores (one, where the page is not cross-origin isolated). Nothing
 * of the images leaves the page.
 *
 * @example
 * const extractor = await createExtractor({ checkpoint: input.files });
 * for await (const { image, features } of extractor.stream(files)) show(image.name, features);
 *
 * @param options Those of the library in Node, but for `checkpoint`.
 * @throws UsageError for wrong arguments, by their names; CheckpointError where there are no weights, or they do not fit;
 * DeviceError where the device that was asked for cannot be used; an error called AbortError by the signal.
 */
export async function createExtractor(options: WebExtractorOptions = {}): Promise<WebExtractor> {
  checkArguments("createExtractor", options, webRules);
  const { checkpoint: source, assets = ownFolder(), onBytes, signal, ...own } = options;
  const checkpoint = source === undefined ? undefined : sendable("createExtractor", source);
  if (!checkpoint && own.scope !== undefined) {
    throw new UsageError(
      "--scope says where the network stands in a checkpoint, and none is given.",
      "Give it as `checkpoint`, or leave --scope out.",
    );
  }
  const caller = openCaller();
  const { layers, scope, imageSize, globalPool } = own;
  const told = (notice?: (sentence: string) => void) => (event: CallEvent) =>
    typeof event === "string" ? notice?.(event) : onBytes?.(event);

  const parts: ExtractorParts = {
    chooseModel({ model }) {
      const argument = { model, checkpoint, layers, scope, imageSize, globalPool };
      return caller.call("choose", argument, { signal, onEvent: told() });
    },
    openNetwork(model, wishes, notice) {
      const { ema, threads, precision, device, weights } = wishes;
      const sent = { layers, imageSize, globalPool, ema, scope, threads, precision, device, weights };
      const argument = { model: model.name, options: sent, checkpoint, own: assets.href };
      return openRemote(caller, argument, { signal, onEvent: told(notice) });
    },
    decodeRules(mode, wishes) {
      if (wishes.icc)
        throw new UsageError(
          "ICC profiles are not applied in a browser: each does it in its own way.",
          "Leave --icc out, or convert the images to sRGB.",
        );
      return decodeRules(mode, wishes, { platform: "a browser", fastJpeg: true });
    },
    openReader,
  };
  try {
    return await openExtractor<ImageBitmapLike>(own as ExtractorOptions, parts);
  } catch (error) {
    caller.end();
    throw error;
  }
}
