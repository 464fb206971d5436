/** What a page and its workers say to each other: calls by name, each with one answer, and events on the way to it. */
import type { DecodeRules, PreprocessOptions } from "../images/index.ts";
import type { ExtractorOptions } from "../library/options.ts";
import type { ModelFacts } from "../library/parts.ts";
import type { EndPoint, Network } from "../network/network.ts";
import type { Computed } from "../network/recovery.ts";

/** A file of a checkpoint, under the path that it has among the others. */
export interface SentFile {
  readonly path: string;
  readonly blob: Blob;
}

/** Where a checkpoint comes from: files that were given, that are kept, or addresses to fetch them from. */
export type SentCheckpoint =
  | { readonly kind: "files"; readonly files: readonly SentFile[] }
  | { readonly kind: "kept"; readonly name: string }
  | { readonly kind: "addresses"; readonly addresses: readonly string[] };

/** How far a file is that is fetched, or copied, in bytes. */
export interface BytesProgress {
  /** The file's name. */
  readonly file: string;
  readonly done: number;
  /** Undefined where the server does not say. */
  readonly total: number | undefined;
}

export interface KeptCheckpoint {
  readonly name: string;
  /** Of all its files. */
  readonly bytes: number;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
}

/** The options of `createExtractor` that the worker needs: those that may be sent. */
export type SentOptions = Pick<
  ExtractorOptions,
  "layers" | "imageSize" | "globalPool" | "ema" | "scope" | "threads" | "precision" | "device" | "weights"
>;

export interface OpenArgument {
  readonly model: string;
  readonly options: SentOptions;
  readonly checkpoint?: SentCheckpoint;
  /** The folder of the site with the package's files. */
  readonly own: string;
}

/** A network that a worker has open, as far as its page has to know it. */
export interface OpenedNetwork
  extends Pick<
    Network,
    "model" | "logits" | "inputShape" | "largestBatch" | "software" | "choice" | "weights" | "halfError"
  > {
  readonly endPoints: readonly EndPoint[];
  readonly backend: Network["backend"];
  readonly adapter: string;
}

export interface Ran extends Computed {
  readonly backend: Network["backend"];
  readonly adapter: string;
}

export interface PrepareArgument {
  readonly image: { readonly bytes: Uint8Array } | { readonly bitmap: object };
  readonly decode: DecodeRules;
  readonly preprocess: PreprocessOptions;
}

/** An input, or the clause that says why there is none. */
export type SentInput =
  | { readonly input: Float32Array; readonly note?: string }
  | { readonly reason: string };

/** What is told while a call is under way: how far a file is, or a sentence that the user should see. */
export type CallEvent = BytesProgress | string;

/** The calls there are: what is sent, and what comes back. */
export interface Calls {
  /** The network that is asked for, or that the checkpoint holds. */
  choose: {
    argument: {
      readonly model?: string;
      readonly checkpoint?: SentCheckpoint;
      readonly layers?: readonly string[];
      readonly scope?: string;
      readonly imageSize?: number;
      readonly globalPool?: boolean;
    };
    value: ModelFacts;
  };
  open: { argument: OpenArgument; value: OpenedNetwork };
  run: { argument: readonly Float32Array[]; value: Ran };
  explain: { argument: Float32Array; value: string };
  close: { argument: undefined; value: undefined };
  prepare: { argument: PrepareArgument; value: SentInput };
  kept: { argument: undefined; value: readonly KeptCheckpoint[] };
  keep: {
    argument: { readonly name: string; readonly checkpoint: SentCheckpoint };
    value: KeptCheckpoint;
  };
  remove: { argument: string; value: undefined };
}
export type CallName = keyof Calls;

/** An error as it is sent. */
export interface SentError {
  /** The name of its class. */
  readonly name: string;
  readonly message: string;
  readonly hint?: string;
}

export type ToWorker =
  | { readonly id: number; readonly name: CallName; readonly argument: unknown }
  | { readonly id: number; readonly cancel: true };

export type FromWorker =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: SentError }
  | { readonly id: number; readonly event: CallEvent };
