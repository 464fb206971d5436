/** The pipeline as programs call it: the library's users, and the command line. */
import { callback, checkArguments, type Rules, wrongArgument } from "../arguments.ts";
import { asTyped } from "../invocation.ts";
import { type FeaturesOptions, featuresRules } from "../library/options.ts";
import type { Network } from "../network/network.ts";
import { type ExtractEvents, type ExtractReport, extract as extractIn } from "./extract.ts";
import type { Failure } from "./metadata.ts";
import { type ExtractRequest, requestRules } from "./request.ts";
import { ownRooms } from "./rooms.ts";

/** What a run is begun with. */
export interface ExtractStart {
  /** Images that were found, and those whose features are known from an earlier run into the same output. */
  readonly total: number;
  readonly known: number;
  /** The network, and what computes it. */
  readonly model: string;
  readonly backend: "webgpu" | "cpu";
  readonly adapter: string;
}

/** How a run is watched and stopped. */
export interface ExtractOptions extends FeaturesOptions {
  /** Receives sentences that the user should see. */
  readonly onNotice?: (sentence: string) => void;
  /** Is told when images were found and the network is open. */
  readonly onStart?: (start: ExtractStart) => void;
  /** Is told of each image that gives no features; `report.files[0].metadata.failures` has them all. */
  readonly onFailure?: (failure: Failure) => void;
}

const optionRules: Rules<ExtractOptions> = {
  ...featuresRules,
  onNotice: callback,
  onStart: callback,
  onFailure: callback,
};

/**
 * Writes the features of folders, archives or lists of images into a file for each end point, with the metadata beside it
 * (<out>.json) and what became of every image (<out>.manifest.jsonl). What is computed is kept in <out>.run as it goes: the
 * same request goes on where an earlier one stopped, and images that failed do not stop it.
 *
 * @example
 * const report = await extract({ inputs: "photos", out: "photos.parquet" });
 * console.log(report.files[0].metadata.images); // { found, written, failed, skipped }
 *
 * @param request What is read, computed and written. Only `inputs` (or `list`) has no default.
 * @throws UsageError for wrong arguments, by their names; CheckpointError, DeviceError; OutputError where a file cannot be
 * written; NothingToDoError when no image gives a feature; an error called AbortError when the signal fires, with all that was
 * computed kept. An older result is untouched until the new one is whole.
 */
export async function extract(request: ExtractRequest, options: ExtractOptions = {}): Promise<ExtractReport> {
  checkArguments("extract", request ?? {}, requestRules);
  checkArguments("extract", options, optionRules);
  if (request?.inputs === undefined && request?.list === undefined) {
    throw wrongArgument(
      "extract",
      "inputs",
      "the path of a folder, an archive or an image, or an array of them",
      undefined,
    );
  }
  return extractIn(request, ownRooms, eventsOf(options), options.signal);
}

/** What the pipeline tells, to those who want to know. */
export function eventsOf({ onNotice, onStart, onProgress, onFailure }: ExtractOptions): ExtractEvents {
  let total = 0;
  return {
    notice: onNotice && ((sentence: string) => onNotice(asTyped(sentence))),
    started(count: number, { model, backend, adapter }: Network, known: number) {
      total = count;
      onStart?.({ total, known, model, backend, adapter });
    },
    progressed: onProgress && ((done: number, failed: number) => onProgress({ done, failed, total })),
    failed: onFailure,
  };
}
