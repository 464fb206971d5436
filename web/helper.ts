/** The page's helper: knows the networks, writes files of features, and lays out maps. Runs in a worker. */
import { duplicates } from "../src/analysis/duplicates.ts";
import { findSpots } from "../src/analysis/hdbscan.ts";
import { layout } from "../src/analysis/layout.ts";
import {
  firstOf,
  isLittleWork,
  neighboursForMap,
  neighboursShown,
  outliersForMap,
} from "../src/analysis/map.ts";
import { kmeansAuto } from "../src/analysis/silhouette.ts";
import { givenFiles } from "../src/browser/files.ts";
import { folderAt } from "../src/browser/folder.ts";
import { platformOf } from "../src/browser/platform.ts";
import { counted } from "../src/counted.ts";
import { compile } from "../src/engine/compile.ts";
import type { Device } from "../src/engine/device.ts";
import { openDevice } from "../src/engine/devices.ts";
import { imagenetNames } from "../src/nets/imagenet.ts";
import { buildNetwork, findModel, models, usualModel } from "../src/nets/index.ts";
import { colouringBy, folderColouring, toldApart } from "../src/page/colourings.ts";
import type { Colouring } from "../src/page/data.ts";
import { spread } from "../src/page/spread.ts";
import { methodName } from "../src/page/words.ts";
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
  openDevice(isLittleWork(count, width) ? "cpu" : "auto", {
    ...platformOf({
      gpu: navigator.gpu,
      cores: navigator.hardwareConcurrency ?? 1,
      isolated: self.crossOriginIsolated,
      openWorker: openCpuWorker,
      own: ownFolder(),
      files: givenFiles([]),
    }),
  });

async function map({ paths, shape, data, about, notes, classes }: MapArgument): Promise<LaidOut> {
  const rows = { count: paths.length, width: sizeOf(shape), data };
  const device = await open(rows.count, rows.width);
  try {
    const many = rows.count > 1;
    const neighbours = await neighboursForMap(rows, neighboursShown, device);
    const { groups } = many
      ? await duplicates(rows, { metric: "cosine", facts: [], device })
      : { groups: [] };
    const { xy, method } = await layout(rows, {
      method: "auto",
      seed: 0,
      neighbours: rows.count > 2 ? neighbours : undefined,
    });
    const names = await classNames(classes);
    const places = spread(xy);
    return {
      title: "Images on a map",
      about: `${counted(rows.count, "image")} · ${about} · ${methodName[method]}`,
      notes,
      paths,
      ...places,
      neighbours: firstOf(neighbours, rows.count, neighboursShown),
      colourings: [
        ...(await clustersOf({ paths, shape, data }, xy, names, device)),
        ...[folderColouring(paths), names && colouringBy("Likeliest class", names)].filter(
          (c) => c !== undefined,
        ),
      ],
      duplicates: groups.map(({ keep, others }) => ({
        kind: "Nearly the same",
        images: [keep, ...others.map(({ row }) => row)],
        distance: Math.max(...others.map(({ distance }) => distance)),
      })),
      outliers: outliersForMap(neighbours, rows.count),
    };
  } finally {
    await device.close();
  }
}

/** The dense spots of the map, or, where it has none, groups by k-means. */
async function clustersOf(
  { paths, shape, data }: FeatureRows,
  xy: Float32Array,
  classes: readonly string[] | undefined,
  device: Device,
): Promise<Colouring[]> {
  const rows = { count: paths.length, width: sizeOf(shape), data };
  if (rows.count < 4) return [];
  const { labels, spots } = await findSpots(xy);
  const found = spots.length > 0 ? labels : (await kmeansAuto(rows, { seed: "map 0", device })).labels;
  const count = found.reduce((most, label) => Math.max(most, label), 0) + 1;
  const names = Array.from({ length: count }, (_, i) => nameOf(i, found, classes));
  return [{ name: "Cluster", groups: toldApart(names), of: found }];
}

/** The name of each image's likeliest class; nothing where the network tells none. */
async function classNames(classes: Int32Array | undefined): Promise<string[] | undefined> {
  if (!classes) return undefined;
  const model = findModel(usualModel);
  const names = await imagenetNames(model, model.classes, folderAt(new URL("dist/nets/", ownFolder())));
  return names && Array.from(classes, (number) => names[number].split(",")[0]);
}

/** A cluster's name: the class that most of its images have, where more than a third do, else its number. */
function nameOf(cluster: number, labels: Int32Array, classes: readonly string[] | undefined): string {
  const members = classes?.filter((_, image) => labels[image] === cluster) ?? [];
  const { groups, of } = colouringBy("class", members);
  const share = of.filter((group) => group === 0).length / members.length;
  return share > 1 / 3 ? groups[0] : `cluster ${cluster + 1}`;
}

self.onmessage = async ({ data: { id, name, argument } }) => {
  try {
    self.postMessage({ id, value: await functions[name as keyof Functions](argument as never) });
  } catch (error) {
    const { message, hint } = error as { message: string; hint?: string };
    self.postMessage({ id, error: [message, hint].filter(Boolean).join(" ") });
  }
};
