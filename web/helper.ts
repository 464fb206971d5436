/** The page's helper: knows the networks, writes files of features, and lays out maps. Runs in a worker. */
import { duplicates } from "../src/analysis/duplicates.ts";
import { findSpots } from "../src/analysis/hdbscan.ts";
import { layout, mapNeighbours } from "../src/analysis/layout.ts";
import type { Neighbours } from "../src/analysis/matrix.ts";
import { nearest } from "../src/analysis/neighbours.ts";
import { outliersAmong } from "../src/analysis/outliers.ts";
import { kmeansAuto } from "../src/analysis/silhouette.ts";
import { givenFiles } from "../src/browser/files.ts";
import { platformOf } from "../src/browser/platform.ts";
import { compile } from "../src/engine/compile.ts";
import type { Device } from "../src/engine/device.ts";
import { openDevice } from "../src/engine/devices.ts";
import { buildNetwork, models } from "../src/nets/index.ts";
import type { Colouring } from "../src/page/data.ts";
import { spread } from "../src/page/spread.ts";
import { counted } from "../src/page/words.ts";
import { bytesOf } from "../src/tables/numbers.ts";
import { sizeOf } from "../src/tensor.ts";
import { openCpuWorker, ownFolder } from "../src/web/places.ts";
import type { FeatureRows, HelperCalls, LaidOut, MapArgument, SaveArgument } from "./calls.ts";
import { formats } from "./formats.ts";

declare const navigator: { readonly gpu?: GPU; readonly hardwareConcurrency?: number };
declare const self: {
  readonly crossOriginIsolated: boolean;
  onmessage:
    | ((event: { readonly data: { id: number; name: string; argument: unknown } }) => Promise<void>)
    | null;
  postMessage(message: unknown): void;
};

type Functions = {
  readonly [K in keyof HelperCalls]: (
    argument: HelperCalls[K]["argument"],
  ) => Promise<HelperCalls[K]["value"]>;
};

const widthOf = (name: string): number => {
  const model = models.find((m) => m.name === name) as (typeof models)[number];
  const { outputs } = compile(buildNetwork(model, 1), [model.featureEndPoint]);
  return sizeOf(outputs[0].shape);
};

const functions: Functions = {
  networks: async () =>
    models.map(({ name, inputSize, accuracy, included, archive }) => ({
      name,
      inputSize,
      width: widthOf(name),
      ...(accuracy && { top1: accuracy[0] }),
      included: included !== undefined,
      ...(archive && { archive: archive.url }),
    })),
  save,
  map,
};

/** A file in the browser's memory. */
async function save({ format: name, paths, shape, data, metadata }: SaveArgument): Promise<Blob> {
  const format = formats.find((f) => f.name === name);
  if (!format) throw new Error(`there is no format ${name}`);
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const width = sizeOf(shape);
  await format.write(
    {
      paths,
      shape,
      dtype: "float32",
      metadata,
      async *rows() {
        for (let row = 0; row < paths.length; row++)
          yield bytesOf(data.subarray(row * width, (row + 1) * width));
      },
    },
    {
      append: async (bytes) => void pieces.push(new Uint8Array(bytes)),
      async patch(position, bytes) {
        let start = 0;
        for (const piece of pieces) {
          const from = position - start;
          if (from >= 0 && from + bytes.length <= piece.length) return piece.set(bytes, from);
          start += piece.length;
        }
        throw new Error("a format patches what it has not written as one piece");
      },
    },
  );
  return new Blob(pieces);
}

const open = (count: number, width: number): Promise<Device> =>
  openDevice(count * count * width < littleWork ? "cpu" : "auto", {
    ...platformOf({
      gpu: navigator.gpu,
      cores: navigator.hardwareConcurrency ?? 1,
      isolated: self.crossOriginIsolated,
      openWorker: openCpuWorker,
      own: ownFolder(),
      files: givenFiles([]),
    }),
  });

/** Multiply-adds for which no GPU is looked for. */
const littleWork = 1e9;
const neighboursShown = 12;
const outliersTold = 60;
const mostGroups = 24;

async function map({ paths, shape, data, about, notes }: MapArgument): Promise<LaidOut> {
  const rows = { count: paths.length, width: sizeOf(shape), data };
  const device = await open(rows.count, rows.width);
  try {
    const many = rows.count > 1;
    const neighbours: Neighbours = many
      ? await nearest(rows, Math.min(mapNeighbours, rows.count - 1), { metric: "cosine", device })
      : { k: 0, indices: new Int32Array(0), distances: new Float32Array(0) };
    const { groups } = many
      ? await duplicates(rows, { metric: "cosine", facts: [], device })
      : { groups: [] };
    const { xy, method } = await layout(rows, {
      method: "auto",
      seed: 0,
      neighbours: rows.count > 2 ? neighbours : undefined,
    });
    const places = spread(xy);
    const how = method === "umap" ? "UMAP" : "principal components";
    return {
      title: "Images on a map",
      about: `${counted(rows.count, "image")} · ${about} · ${how}`,
      notes,
      paths,
      ...places,
      neighbours: firstOf(neighbours, rows.count),
      colourings: [...(await clustersOf({ paths, shape, data }, xy, device)), ...foldersOf(paths)],
      duplicates: groups.map(({ keep, others }) => ({
        kind: "Nearly the same",
        images: [keep, ...others.map(({ row }) => row)],
        distance: Math.max(...others.map(({ distance }) => distance)),
      })),
      outliers: many
        ? outliersAmong(neighbours)
            .slice(0, Math.min(outliersTold, Math.ceil(rows.count / 4)))
            .map(({ row, distance }) => ({ image: row, distance }))
        : [],
    };
  } finally {
    await device.close();
  }
}

/** Of each image's neighbours those that are shown. */
function firstOf({ k: known, indices, distances }: Neighbours, count: number): Neighbours {
  const k = Math.min(neighboursShown, known);
  const kept = { k, indices: new Int32Array(count * k), distances: new Float32Array(count * k) };
  for (let row = 0; row < count; row++) {
    kept.indices.set(indices.subarray(row * known, row * known + k), row * k);
    kept.distances.set(distances.subarray(row * known, row * known + k), row * k);
  }
  return kept;
}

/** The dense spots of the map, or, where it has none, groups by k-means. */
async function clustersOf(
  { paths, shape, data }: FeatureRows,
  xy: Float32Array,
  device: Device,
): Promise<Colouring[]> {
  const rows = { count: paths.length, width: sizeOf(shape), data };
  if (rows.count < 4) return [];
  const { labels, spots } = await findSpots(xy);
  const found = spots.length > 0 ? labels : (await kmeansAuto(rows, { seed: "map 0", device })).labels;
  const count = Math.max(0, ...found) + 1;
  return [
    { name: "Cluster", groups: Array.from({ length: count }, (_, i) => `cluster ${i + 1}`), of: found },
  ];
}

function foldersOf(paths: readonly string[]): Colouring[] {
  const folders = paths.map((path) => path.slice(0, Math.max(0, path.lastIndexOf("/"))) || "(top)");
  const groups = [...new Set(folders)];
  if (groups.length < 2 || groups.length > mostGroups) return [];
  return [{ name: "Folder", groups, of: Int32Array.from(folders, (folder) => groups.indexOf(folder)) }];
}

self.onmessage = async ({ data: { id, name, argument } }) => {
  try {
    self.postMessage({ id, value: await functions[name as keyof Functions](argument as never) });
  } catch (error) {
    const { message, hint } = error as { message: string; hint?: string };
    self.postMessage({ id, error: [message, hint].filter(Boolean).join(" ") });
  }
};
