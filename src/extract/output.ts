/** From the store to what the user asked for: tables of features, predictions, the manifest. */
import type { DecodeRules } from "../images/index.ts";
import type { Network } from "../network/network.ts";
import { openAtomic } from "../node/atomic.ts";
import { fitPca, type Pca, project } from "../pca.ts";
import { encoderFor } from "../tables/encode.ts";
import { besidePath, removeFormer, withLayer, writeTable } from "../tables/formats/index.ts";
import type { FeatureDtype, FeatureFormat } from "../tables/formats/table.ts";
import { numbersOf, unitLength } from "../tables/numbers.ts";
import { loadPca, savePca } from "../tables/pca.ts";
import { sizeOf } from "../tensor.ts";
import { type ManifestRecord, writeManifest } from "./manifest.ts";
import { describeRun, type Metadata } from "./metadata.ts";
import { type LabelNames, named, type Prediction, topClasses } from "./predictions.ts";
import { fewImages, type KeptEndPoint, type SettledRequest } from "./request.ts";
import type { Known, Store } from "./store.ts";

/** A file of features, with what stands beside it. */
export interface ExtractedFile {
  readonly path: string;
  readonly metadata: Metadata;
}

/** The class that an image is most like. */
export interface LikelyClass extends Prediction {
  readonly path: string;
}

export interface OutputOptions {
  readonly request: SettledRequest;
  readonly network: Network;
  readonly endPoints: readonly KeptEndPoint[];
  readonly store: Store;
  readonly records: readonly ManifestRecord[];
  readonly out: string;
  readonly format: FeatureFormat;
  readonly decode: DecodeRules;
  readonly from: readonly string[];
  readonly description: string;
  readonly labels: LabelNames;
}

type Row = Known & { readonly kind: "row" };

/** The end points that get a file: without the logits that only predictions need. */
const askedOf = (request: SettledRequest, endPoints: readonly KeptEndPoint[]): readonly KeptEndPoint[] =>
  request.topk && !isAsked(request, endPoints) ? endPoints.slice(0, -1) : endPoints;

/** Every file that a run writes beside its folder. */
export function outputPaths(
  request: SettledRequest,
  endPoints: readonly KeptEndPoint[],
  { out, format }: Pick<OutputOptions, "out" | "format">,
): string[] {
  const asked = askedOf(request, endPoints);
  return [
    ...asked.flatMap(({ name }) => {
      const path = asked.length === 1 ? out : withLayer(out, name);
      const components = request.pca === undefined ? [] : [besidePath(path, ".pca.json", format)];
      return [path, besidePath(path, ".json", format), ...components];
    }),
    besidePath(out, ".manifest.jsonl", format),
    ...(request.topk ? [besidePath(out, ".predictions.jsonl", format)] : []),
  ];
}

/** A row of the store as float32, for the caller to keep. */
const rowOf = async (store: Store, row: Row, endPoint: number): Promise<Float32Array> =>
  numbersOf({ dtype: "float32" }, await store.readRow(row, endPoint));

/** Writes every file of a run. @throws OutputError */
export async function writeOutputs(options: OutputOptions): Promise<{
  files: ExtractedFile[];
  predictions?: string;
  manifest: string;
  records: ManifestRecord[];
  likeliest: LikelyClass[];
}> {
  const { request, network, endPoints, store, out, format } = options;
  const rows: Row[] = [];
  const records = options.records.map((record): ManifestRecord => {
    const known = record.sha256 === undefined ? undefined : store.find(record.sha256);
    if (record.status !== "ok" || known?.kind !== "row") return record;
    rows.push(known);
    const { shard, device } = known;
    return { ...record, row: rows.length - 1, shard, ...(device === undefined ? {} : { device }) };
  });
  const paths = records.flatMap((r) => (r.status === "ok" ? [r.path] : []));
  const asked = askedOf(request, endPoints);
  const dtype: FeatureDtype = request.dtype ?? "float32";
  const files: ExtractedFile[] = [];
  for (const [k, { name, shape: keptShape }] of asked.entries()) {
    const path = asked.length === 1 ? out : withLayer(out, name);
    const stored = async function* (): AsyncGenerator<Float32Array> {
      for (const row of rows) yield rowOf(store, row, k);
    };
    const pca = await pcaFor(request, besidePath(path, ".pca.json", format), sizeOf(keptShape), stored);
    const shape = pca ? [pca.components.length] : keptShape;
    const values = async function* (): AsyncGenerator<Float32Array> {
      for await (const feature of stored()) {
        const reduced = pca ? project(pca, feature) : feature;
        yield request.l2 ? unitLength(reduced) : reduced;
      }
    };
    const encoder = await encoderFor(dtype, paths, values);
    const metadata = describeRun({
      network,
      device: store.device,
      choice: store.choice,
      endPoint: name,
      shape,
      request,
      dtype: { name: dtype, ...encoder.cost },
      pca: pca && {
        components: pca.components.length,
        explained: pca.explained,
        file: request.pcaFile ?? besidePath(path, ".pca.json", format),
      },
      format: format.name,
      from: options.from,
      preprocess: {
        mode: request.preprocess,
        exif: options.decode.exif,
        jpeg: options.decode.jpeg,
        ...(options.decode.icc && { icc: true }),
        background: options.decode.background,
        description: options.description,
      },
      records,
    });
    const { scale, rows: encoded } = encoder;
    await writeTable(path, format, { paths, shape, dtype, scale, metadata, rows: encoded });
    files.push({ path, metadata });
  }
  const manifest = besidePath(out, ".manifest.jsonl", format);
  await writeManifest(manifest, records);
  await removeFormer(out, ".manifest.jsonl", format);
  const likeliest = records.length <= fewImages ? await likeliestOf(paths, rows, options) : [];
  if (!request.topk) return { files, manifest, records, likeliest };
  const predictions = besidePath(out, ".predictions.jsonl", format);
  await writePredictions(predictions, paths, rows, options);
  await removeFormer(out, ".predictions.jsonl", format);
  return { files, manifest, records, predictions, likeliest };
}

/** What each image is most like, from the logits that are kept or from what was noted beside the features. */
async function likeliestOf(
  paths: readonly string[],
  rows: readonly Row[],
  { network, store, endPoints, labels }: OutputOptions,
): Promise<LikelyClass[]> {
  if (!labels || network.weights.kind === "seeded") return [];
  const logits = endPoints.findIndex((e) => e.name === network.logits);
  const likeliest: LikelyClass[] = [];
  for (const [i, row] of rows.entries()) {
    const [best] = logits < 0 ? [row.likeliest] : topClasses(await rowOf(store, row, logits), 1);
    if (best) likeliest.push({ path: paths[i], ...named(best, labels) });
  }
  return likeliest;
}

/** The principal components that a request wants, fitted and saved, or loaded. */
async function pcaFor(
  { pca, pcaFile }: SettledRequest,
  fitted: string,
  width: number,
  stored: () => AsyncIterable<Float32Array>,
): Promise<Pca | undefined> {
  if (pcaFile !== undefined) return loadPca(pcaFile, width);
  if (pca === undefined) return undefined;
  const components = await fitPca(stored, width, pca);
  await savePca(fitted, components);
  return components;
}

/** Whether the logits that predictions need were asked for as features too. */
function isAsked({ layers = [] }: SettledRequest, endPoints: readonly KeptEndPoint[]): boolean {
  const last = endPoints[endPoints.length - 1].name;
  return layers.includes("logits") || layers.includes(last);
}

async function writePredictions(
  path: string,
  paths: readonly string[],
  rows: readonly Row[],
  { request, network, store, endPoints, labels }: OutputOptions,
): Promise<void> {
  const logits = logitsIndex(network, endPoints);
  const file = await openAtomic(path);
  try {
    for (const [i, row] of rows.entries()) {
      const predictions = topClasses(await rowOf(store, row, logits), request.topk ?? 1, labels);
      const untrained = network.weights.kind === "seeded" ? { untrained: true } : {};
      await file.append(Buffer.from(`${JSON.stringify({ path: paths[i], ...untrained, predictions })}\n`));
    }
    await file.commit();
  } finally {
    await file.abandon();
  }
}

/** The width of the logits that are computed; undefined where none are. */
export function classesOf(
  network: Network,
  endPoints: readonly KeptEndPoint[],
  request: SettledRequest,
): number | undefined {
  if (network.alsoLogits !== undefined) return network.alsoLogits;
  const kept = endPoints.find((e) => e.name === network.logits);
  if (!kept && !request.topk) return undefined;
  return sizeOf((kept ?? endPoints[logitsIndex(network, endPoints)]).networkShape);
}

/** The logits are the end point that `openFor` named last; where they were asked for before, it stands once. */
function logitsIndex(network: Network, endPoints: readonly KeptEndPoint[]): number {
  const index = endPoints.findIndex((e) => e.name === network.logits);
  return index < 0 ? endPoints.length - 1 : index;
}
