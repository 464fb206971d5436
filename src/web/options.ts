/** What a page asks its extractor for. */
import * as rule from "../arguments.ts";
import { UsageError } from "../errors.ts";
import { type ExtractorOptions, extractorRules } from "../library/options.ts";
import type { BytesProgress, SentCheckpoint } from "./calls.ts";

/**
 * A checkpoint: its files, as they were dropped or chosen (a TF1 or TF2 checkpoint, an archive, a frozen graph, or a SavedModel's
 * files); the addresses of its files; or the name under which `checkpoints.keep` kept it.
 */
export type CheckpointSource = Blob | Iterable<Blob> | URL | readonly URL[] | string;

export interface WebExtractorOptions extends Omit<ExtractorOptions, "checkpoint"> {
  /** When left out, the included weights, which the site has in its folder `weights`. */
  readonly checkpoint?: CheckpointSource;
  /**
   * Where the site has the package's files: an address that ends with a slash, below which `weights/` and `dist/nets/` lie as in
   * the package. When left out, that of the package itself, where no bundler has put its scripts elsewhere.
   */
  readonly assets?: URL;
  /** Is told how far files of weights are that are fetched. */
  readonly onBytes?: (progress: BytesProgress) => void;
  /** Stops the opening: the promise rejects with an error called AbortError. */
  readonly signal?: AbortSignal;
}

const isUrl = (value: unknown): value is URL => value instanceof URL;
const isBlob = (value: unknown): value is Blob => value instanceof Blob;

const isList = (value: unknown): value is Iterable<unknown> =>
  typeof value === "object" && value !== null && Symbol.iterator in value && !ArrayBuffer.isView(value);

/** A file list or an array of URLs, which must not be mixed. */
function isListOfOne(value: unknown): boolean {
  if (!isList(value)) return false;
  const all = [...value];
  return all.length > 0 && (all.every(isBlob) || all.every(isUrl));
}

export const checkpointRule: rule.Rule = {
  must: "a File (or another Blob), several of them, a URL, several of them, or the name of one that is kept",
  fits: (value) => rule.text.fits(value) || isBlob(value) || isUrl(value) || isListOfOne(value),
};

const url: rule.Rule = {
  must: 'a URL that ends with a slash, such as new URL("/slimfeatures/", location.href)',
  fits: (value) => isUrl(value) && value.pathname.endsWith("/"),
};

export const webRules: rule.Rules<WebExtractorOptions> = {
  ...extractorRules,
  checkpoint: checkpointRule,
  assets: url,
  onBytes: rule.callback,
  signal: rule.signal,
};

/** A file's place among the others: with its folders where it came in one. */
function pathOf(blob: Blob): string {
  const { name, webkitRelativePath } = blob as { name?: unknown; webkitRelativePath?: unknown };
  const path = [webkitRelativePath, name].find((text) => typeof text === "string" && text !== "");
  return (path as string | undefined) ?? "checkpoint";
}

/** A checkpoint as it is sent to a worker. @throws UsageError for what is none. */
export function sendable(who: string, source: CheckpointSource): SentCheckpoint {
  if (!checkpointRule.fits(source)) throw rule.wrongArgument(who, "checkpoint", checkpointRule.must, source);
  if (typeof source === "string") return { kind: "kept", name: source };
  const all = isUrl(source) || isBlob(source) ? [source] : [...source];
  if (all.every(isUrl)) return { kind: "addresses", addresses: all.map(({ href }) => href) };
  const files = (all as Blob[]).map((blob) => ({ path: pathOf(blob), blob }));
  const double = files.find(({ path }, i) => files.findIndex((other) => other.path === path) !== i);
  if (double) throw new UsageError(`${who}: two files of the checkpoint are called ${double.path}.`);
  return { kind: "files", files };
}
