/**
 * How results lie, so that others read them as they are. `parquet`: a folder that Spark, DuckDB, pyarrow, Ray and autofaiss
 * take as one table. `clip-retrieval`: arrays and metadata apart, as that program and autofaiss name them
 * (https://github.com/rom1504/clip-retrieval). Beside both, in folders that begin with _: what became of each image, how it
 * was made, and statistics by img2dataset's names, whose file is a shard's last and says that it is done.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ManifestRecord } from "../extract/manifest.ts";
import type { Metadata } from "../extract/metadata.ts";
import { openAtomic } from "../node/atomic.ts";
import { describeTable } from "../tables/formats/batches.ts";
import { npy } from "../tables/formats/npy.ts";
import { parquet, writeTexts } from "../tables/formats/parquet.ts";
import {
  dtypeWidth,
  type FeatureFormat,
  type FeatureTable,
  type TextColumn,
} from "../tables/formats/table.ts";
import { sizeOf } from "../tensor.ts";
import type { About, LayoutName } from "./model.ts";
import { shardName } from "./names.ts";

/** A computed shard, in the scratch folder. */
export interface ComputedShard {
  /** Its array, as NPY. */
  readonly array: string;
  readonly metadata: Metadata;
  /** All of its images, those with a row in order. */
  readonly records: readonly ManifestRecord[];
  /** What came with an image, by its place among the records. */
  readonly about: (image: number) => About;
  /** Whether captions and addresses are columns. */
  readonly captions: boolean;
}

/** A file to be put under a name. */
export interface MadeFile {
  readonly name: string;
  readonly file: string;
}

interface Layout {
  readonly description: string;
  /** What `format` in the metadata says. */
  readonly format: string;
  /** Whether features must be vectors. */
  readonly flat: boolean;
  /** The name of the file that has the features. */
  readonly features: (shard: number) => string;
  /** Writes the files of features of a shard into a local folder, under the names they will have. */
  readonly write: (shard: number, computed: ComputedShard, folder: string) => Promise<string[]>;
}

async function writeFormat(path: string, format: FeatureFormat, table: FeatureTable): Promise<void> {
  const file = await openAtomic(path);
  try {
    await format.write(table, file);
    await file.commit();
  } finally {
    await file.abandon();
  }
}

/** The array's rows as a table, with what is known of each image besides. */
async function tableOf(
  { array, metadata, records, about, captions }: ComputedShard,
  paths: string,
): Promise<FeatureTable> {
  const done = records.flatMap((record, i) => (record.status === "ok" ? [{ ...record, ...about(i) }] : []));
  const { dtype, featureShape: shape } = metadata;
  const bytes = await readFile(array);
  const rowBytes = sizeOf(shape) * dtypeWidth[dtype.name];
  const begin = bytes.length - done.length * rowBytes;
  const column = (name: string, value: (record: ManifestRecord & About) => string | null): TextColumn => ({
    name,
    values: done.map(value),
  });
  return {
    paths: done.map(({ path }) => path),
    shape,
    dtype: dtype.name,
    metadata,
    columns: [
      ...(paths === "path" ? [] : [column(paths, ({ path }) => path)]),
      ...(captions ? [column("caption", ({ caption }) => caption)] : []),
      column("key", ({ key }) => key),
      column("sha256", ({ sha256 = null }) => sha256),
      ...(captions ? [column("url", ({ url }) => url)] : []),
    ],
    async *rows() {
      for (let i = 0; i < done.length; i++)
        yield bytes.subarray(begin + i * rowBytes, begin + (i + 1) * rowBytes);
    },
  };
}

export const layouts: Readonly<Record<LayoutName, Layout>> = {
  parquet: {
    description: "features/NNNNN.parquet with columns path, key, sha256, feature",
    format: "parquet",
    flat: false,
    features: (shard) => `features/${shardName(shard)}.parquet`,
    async write(shard, computed, folder) {
      const name = this.features(shard);
      await writeFormat(join(folder, name), parquet, await tableOf(computed, "path"));
      return [name];
    },
  },
  "clip-retrieval": {
    description: "img_emb/img_emb_NNNNN.npy and metadata/metadata_NNNNN.parquet",
    format: "npy",
    flat: true,
    features: (shard) => `img_emb/img_emb_${shardName(shard)}.npy`,
    async write(shard, computed, folder) {
      const array = this.features(shard);
      const texts = `metadata/metadata_${shardName(shard)}.parquet`;
      const table = await tableOf(computed, "image_path");
      await writeFormat(join(folder, array), npy, table);
      const file = await openAtomic(join(folder, texts));
      try {
        await writeTexts(file, table.columns ?? [], describeTable(table));
        await file.commit();
      } finally {
        await file.abandon();
      }
      return [array, texts];
    },
  },
};

/** Where what belongs to a shard lies, whatever the layout. */
export const places = {
  manifest: (shard: number) => `_manifest/${shardName(shard)}.jsonl`,
  metadata: (shard: number) => `_manifest/${shardName(shard)}.json`,
  predictions: (shard: number) => `_predictions/${shardName(shard)}.jsonl`,
  /** A shard's last file: what has it is done. */
  stats: (shard: number) => `_stats/${shardName(shard)}_stats.json`,
  failure: (shard: number) => `_failed/${shardName(shard)}.json`,
  running: (shard: number) => `_running/${shardName(shard)}.json`,
  success: "_SUCCESS",
} as const;
