/** What a plan, and the shards of it, are: as they stand in files. */
import type { ExtractRequest } from "../extract/request.ts";
import type { ImageInput } from "../node/images/index.ts";
import type { AddressTable, RowRange } from "./addresses.ts";

export type LayoutName = "parquet" | "clip-retrieval";

/** What a plan fixes of a request. What only says how fast it is done is each worker's own. */
export type ShardSettings = Omit<
  ExtractRequest,
  | (
      | "inputs"
      | "source"
      | "list"
      | "order"
      | "out"
      | "format"
      | "pickleProtocol"
      | "overwrite"
      | "retryFailed"
    )
  | ("commitEvery" | "workers" | "threads" | "batchSize" | "pca" | "mayBeEmpty")
> & {
  readonly model: string;
  readonly device: "cpu" | "webgpu";
  readonly jpeg: "fast" | "accurate";
};

/** What one shard is made of. */
export type ShardInput =
  /** An archive; its members' keys begin with `prefix`. */
  | { readonly kind: "tar"; readonly place: string; readonly prefix: string; readonly bytes?: number }
  /** Files by a list beside the plan. */
  | { readonly kind: "files"; readonly list: string; readonly sha256: string; readonly count: number }
  /** Rows of the table of that number. */
  | ({ readonly kind: "rows"; readonly table: number } & RowRange);

export interface ShardPlan {
  readonly version: 1;
  /** Of the tool that planned; results of two versions may differ in their bytes. */
  readonly tool: string;
  readonly settings: ShardSettings;
  /** The weights' hash, or "seeded". */
  readonly weights: string;
  /** Files that settings name, by their hashes: they must be the same wherever a worker runs. */
  readonly files: Readonly<Record<string, string>>;
  readonly featureShape: readonly number[];
  readonly layout: LayoutName;
  /** Whether images come with captions and addresses, which then are columns. */
  readonly captions: boolean;
  /** What the metadata call the source, as it was named. */
  readonly source: readonly string[];
  readonly tables: readonly AddressTable[];
  readonly shards: readonly ShardInput[];
  /** Of all that stands above. */
  readonly hash: string;
}

/** A file as it stands in a shard's list. Paths that are no UTF-8 stand in base64. */
export interface ListedFile extends Pick<ImageInput, "key" | "part" | "fault" | "claimed"> {
  readonly at?: string;
  readonly base64?: string;
}

/** What comes with an image: as img2dataset keeps it. */
export interface About {
  readonly key: string;
  readonly caption: string | null;
  readonly url: string | null;
}
