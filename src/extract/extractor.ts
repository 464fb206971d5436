/** The library's extractor on this machine: its files, its devices. */
import { decodeRules } from "../images/index.ts";
import { type Extractor, openExtractor } from "../library/extractor.ts";
import type { ExtractorOptions } from "../library/options.ts";
import type { ExtractorParts } from "../library/parts.ts";
import { findModel } from "../nets/index.ts";
import { identifyCheckpoint, openNetwork } from "../network/network.ts";
import { chooseModel, chooseWeights } from "../network/weights.ts";
import { nativeDecoder } from "../node/images/index.ts";
import { nodePlatform } from "../node/platform.ts";
import { openReader } from "./reader.ts";

const ownParts: ExtractorParts = {
  chooseModel: (options) =>
    chooseModel(options, (path, wishes) => identifyCheckpoint(path, wishes, nodePlatform)),
  async openNetwork(model, options, notice) {
    const { layers, imageSize, globalPool, ema, scope, threads, precision, device = "auto" } = options;
    const weights = await chooseWeights(
      findModel(model.name),
      { ...options, samplesOnly: false },
      nodePlatform,
    );
    const wishes = { layers, imageSize, globalPool, ema, scope, threads, precision, device, notice };
    return openNetwork({ ...wishes, model: model.name, ...weights }, nodePlatform);
  },
  decodeRules: (mode, wishes) => decodeRules(mode, wishes, nativeDecoder),
  openReader,
};

/**
 * Opens a network for use from a program: without arguments mobilenet_v1, whose trained weights are included. Close it when
 * it is no longer needed (`await using` does), or the process may not end.
 *
 * @example
 * await using extractor = await createExtractor();
 * const { AvgPool_1a } = await extractor.features("photo.jpg"); // a Float32Array of 1024 numbers
 *
 * @throws UsageError for wrong arguments, by their names; CheckpointError where there are no weights, or they do not fit;
 * DeviceError where the device that was asked for cannot be used.
 */
export const createExtractor = (options?: ExtractorOptions): Promise<Extractor> =>
  openExtractor(options, ownParts);
