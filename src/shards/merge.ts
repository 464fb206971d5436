/** All shards of a plan as one file: the rows, metadata and manifest that one run over everything would have given. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { type ManifestRecord, writeManifest } from "../extract/manifest.ts";
import type { Metadata } from "../extract/metadata.ts";
import { encoderFor } from "../tables/encode.ts";
import { besidePath, writeTable } from "../tables/formats/index.ts";
import type { FeatureDtype, FeatureFormat } from "../tables/formats/table.ts";
import { numbersOf } from "../tables/numbers.ts";
import { readFeatures } from "../tables/readers/index.ts";
import { sizeOf } from "../tensor.ts";
import { checkShards } from "./check.ts";
import { layouts, places } from "./layouts.ts";
import { anyProcessor } from "./made.ts";
import type { ShardPlan } from "./model.ts";
import type { Stats } from "./publish.ts";
import { type Content, hashOfContent, type Storage } from "./storage/index.ts";

export interface MergeOptions {
  readonly plan: ShardPlan;
  readonly out: Storage;
  readonly to: string;
  readonly format: FeatureFormat;
  /** The plan's own when left out. */
  readonly dtype?: FeatureDtype;
}

interface Part {
  readonly shard: number;
  readonly stats: Stats;
  readonly records: readonly ManifestRecord[];
  readonly metadata: Metadata | undefined;
}

const notWhole = (shard: number, why: string) =>
  new UserError(
    `Shard ${shard} is not whole: ${why}.`,
    "See: npm run shards -- check --thorough; with --requeue, too, it is computed again.",
  );

/** What is merged is what was published, to the byte. @throws UserError */
async function checkBytes({ objects }: Stats, shard: number, name: string, content: Content): Promise<void> {
  if ((await hashOfContent(content)) !== objects[name]?.sha256)
    throw notWhole(shard, `${name} has other bytes than were published`);
}

async function readPart(out: Storage, stats: Stats, shard: number): Promise<Part> {
  const names = [places.manifest(shard), places.metadata(shard)];
  const [manifest, about] = await Promise.all(
    names.map(async (name) => {
      const bytes = await out.read(name);
      if (!bytes) throw notWhole(shard, `${name} is missing`);
      await checkBytes(stats, shard, name, bytes);
      return bytes.toString("utf8");
    }),
  );
  const lines = manifest.split("\n").filter(Boolean);
  const metadata = JSON.parse(about) as Partial<Metadata>;
  return {
    shard,
    stats,
    records: lines.map((line) => JSON.parse(line) as ManifestRecord),
    metadata: "model" in metadata ? (metadata as Metadata) : undefined,
  };
}

/** Writes one file of all shards, in their order. @throws UserError where shards are missing or none has a row; OutputError */
export async function mergeShards(options: MergeOptions): Promise<{ readonly rows: number }> {
  const { plan, out, to, format } = options;
  const { missing, foreign, done } = await checkShards(plan, out);
  if (missing.length + foreign.length > 0) {
    throw new UserError(
      `${missing.length + foreign.length} of ${plan.shards.length} shards are not there.`,
      "Compute them first: npm run shards -- check names them.",
    );
  }
  const parts: Part[] = [];
  for (const [shard, stats] of [...done].sort(([a], [b]) => a - b))
    parts.push(await readPart(out, stats, shard));
  const records: ManifestRecord[] = [];
  let rows = 0;
  for (const part of parts) {
    for (const record of part.records)
      records.push(record.row === undefined ? record : { ...record, row: rows++ });
  }
  if (rows === 0) throw new UserError("No shard has a feature.", "Their manifests say why, in _manifest.");
  const dtype = options.dtype ?? plan.settings.dtype ?? "float32";
  const shape = plan.featureShape;
  const scratch = await mkdtemp(join(tmpdir(), "slimfeatures-merge-"));
  try {
    const values = () => featuresOf(plan, out, parts, scratch);
    const paths = records.flatMap(({ status, path }) => (status === "ok" ? [path] : []));
    const encoder = await encoderFor(dtype, paths, values);
    const merged = metadataOf(parts);
    const metadata = {
      ...merged,
      dtype: { ...merged.dtype, name: dtype, ...(dtype === plan.settings.dtype ? {} : encoder.cost) },
      format: format.name,
    };
    await writeTable(to, format, {
      paths,
      shape,
      dtype,
      scale: encoder.scale,
      metadata,
      rows: encoder.rows,
    });
    await writeManifest(besidePath(to, ".manifest.jsonl", format), records);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return { rows };
}

/** The features of all shards, in order; of those elsewhere, one file at a time lies here. */
async function* featuresOf(
  plan: ShardPlan,
  out: Storage,
  parts: readonly Part[],
  scratch: string,
): AsyncGenerator<Float32Array> {
  const width = sizeOf(plan.featureShape);
  for (const { shard, stats } of parts) {
    const name = layouts[plan.layout].features(shard);
    if (!stats.objects[name]) continue;
    const path = join(scratch, name.slice(name.lastIndexOf("/") + 1));
    await out.download(name, path);
    await checkBytes(stats, shard, name, { file: path });
    if (path.endsWith(".npy")) {
      // The paths of its rows are elsewhere, so it is read as the array that it is.
      const bytes = await readFile(path);
      const dtype = plan.settings.dtype ?? "float32";
      const rowBytes = width * (dtype === "float16" ? 2 : 4);
      const begin = bytes.length - stats.successes * rowBytes;
      for (let i = 0; i < stats.successes; i++)
        yield numbersOf({ dtype }, bytes.subarray(begin + i * rowBytes, begin + (i + 1) * rowBytes));
    } else for await (const { data } of readFeatures(path)) yield Float32Array.from(data);
    await rm(path, { force: true });
  }
}

/** The metadata of all: what differs from shard to shard is counted together. */
function metadataOf(parts: readonly Part[]): Metadata {
  const all = parts.flatMap(({ metadata }) => metadata ?? []);
  const [first] = all;
  const sum = (count: (m: Metadata) => number) => all.reduce((n, m) => n + count(m), 0);
  const devices = [...new Set(parts.flatMap(({ stats }) => stats.device ?? []))];
  const label = ({ backend, adapter }: Metadata) => `${backend} ${adapter}`;
  const others: Record<string, number> = {};
  for (const m of all) {
    for (const [device, rows] of Object.entries(m.otherDevices ?? {}))
      others[device] = (others[device] ?? 0) + rows;
    if (label(m) !== label(first)) others[label(m)] = (others[label(m)] ?? 0) + m.images.written;
  }
  const costs = all.map(({ dtype }) => dtype);
  const most = (values: readonly (number | undefined)[]) => Math.max(...values.map((v) => v ?? 0));
  const [backend, ...adapter] = devices.length === 1 ? devices[0].split(" ") : [first.backend, first.adapter];
  return {
    ...first,
    backend,
    adapter: first.adapter === anyProcessor ? adapter.join(" ") : first.adapter,
    dtype:
      first.dtype.maxError !== undefined
        ? {
            ...first.dtype,
            maxError: most(costs.map((c) => c.maxError)),
            saturated: costs.reduce((n, c) => n + (c.saturated ?? 0), 0),
          }
        : first.dtype,
    ...(Object.keys(others).length > 0 && { otherDevices: others }),
    images: {
      found: sum((m) => m.images.found),
      written: sum((m) => m.images.written),
      failed: sum((m) => m.images.failed),
      skipped: sum((m) => m.images.skipped),
    },
    failures: all.flatMap(({ failures }) => failures),
  };
}
