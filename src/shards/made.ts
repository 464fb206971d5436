/** The files of a computed shard, written into its scratch folder under the names that they will have. */
import { copyFile, mkdir, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type ManifestRecord, writeManifest } from "../extract/manifest.ts";
import type { Metadata } from "../extract/metadata.ts";
import { weightsDirectory } from "../node/package.ts";
import { layouts, type MadeFile, places } from "./layouts.ts";
import type { About, ShardPlan } from "./model.ts";
import { jsonBytes } from "./storage/index.ts";

export interface MakeOptions {
  readonly plan: ShardPlan;
  readonly shard: number;
  readonly scratch: string;
  readonly records: readonly ManifestRecord[];
  /** Absent where there was not one input. */
  readonly metadata: Metadata | undefined;
  readonly about: (image: number) => About;
}

/**
 * What is published of the metadata: nothing that depends on which machine it was. Processors compute the same bits, and
 * which one it was stands in the statistics; a GPU is named. Weights that come with the program lie elsewhere on each machine.
 */
export function ofAnyMachine(metadata: Metadata, { layout }: Pick<ShardPlan, "layout">): Metadata {
  const { weights, backend, adapter } = metadata;
  const own = (path: string | undefined) =>
    path?.startsWith(weightsDirectory) ? `weights/${basename(path)}` : path;
  return {
    ...metadata,
    weights: { ...weights, path: own(weights.path), checkpoint: own(weights.checkpoint) },
    adapter: backend === "cpu" ? anyProcessor : adapter,
    format: layouts[layout].format,
  };
}

/** The processors of shards that any may compute. */
export const anyProcessor = "any processor";

/** In the order in which they are to be published. A shard without a row has no file of features. */
export async function makeFiles(options: MakeOptions): Promise<MadeFile[]> {
  const { plan, shard, scratch, metadata, about } = options;
  const folder = join(scratch, "publish");
  const array = join(scratch, "features.npy");
  const records = options.records.map((record) => (record.row === undefined ? record : { ...record, shard }));
  const names = [places.manifest(shard), places.metadata(shard)];
  await writeManifest(join(folder, names[0]), records);
  await writeFile(join(folder, names[1]), jsonBytes(metadata ?? {}));
  const predictions = `${array}.predictions.jsonl`;
  if (plan.settings.topk && (await stat(predictions).catch(() => undefined))) {
    names.push(places.predictions(shard));
    await mkdir(dirname(join(folder, places.predictions(shard))), { recursive: true });
    await copyFile(predictions, join(folder, places.predictions(shard)));
  }
  if (metadata && records.some(({ status }) => status === "ok")) {
    const computed = { array, metadata, records, about, captions: plan.captions };
    names.push(...(await layouts[plan.layout].write(shard, computed, folder)));
  }
  return names.map((name) => ({ name, file: join(folder, name) }));
}
