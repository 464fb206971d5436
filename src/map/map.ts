/** From a features file to a map of its images in one HTML file. */
import { duplicates, type Sameness } from "../analysis/duplicates.ts";
import { layout } from "../analysis/layout.ts";
import { firstOf, isLittleWork, neighboursForMap, neighboursShown, outliersForMap } from "../analysis/map.ts";
import { rowOf } from "../analysis/matrix.ts";
import { checkArguments, wrongArgument } from "../arguments.ts";
import { counted } from "../counted.ts";
import type { Device } from "../engine/device.ts";
import { manifestOf, readManifest } from "../extract/manifest.ts";
import { includedHead, logitsOfImages } from "../extract/words.ts";
import { openTuned } from "../network/tuned.ts";
import { openAtomic, refuseToReplace } from "../node/atomic.ts";
import { findImages, type ImageInput } from "../node/images/index.ts";
import { mapPageParts } from "../node/page-parts.ts";
import { nodePlatform } from "../node/platform.ts";
import { colouringBy, folderColouring } from "../page/colourings.ts";
import type { Colouring, DuplicateGroup, MapData } from "../page/data.ts";
import { mapPage } from "../page/page.ts";
import { spread } from "../page/spread.ts";
import { methodName } from "../page/words.ts";
import { throwIfStopped } from "../stopped.ts";
import { labelsFrom } from "../tables/labels.ts";
import { readVectors, type Vectors } from "../tables/vectors.ts";
import { classColouring, clusterColouring, type LogitsOf } from "./colourings.ts";
import { titleOf } from "./images.ts";
import { type MapOptions, type MapRequest, type MapUnit, optionRules, requestRules } from "./request.ts";
import { makeThumbnails, write } from "./sheets.ts";

export interface MapReport {
  /** The page, and the folder beside it, where its pictures did not fit into it. */
  readonly path: string;
  readonly folder?: string;
  readonly images: number;
  /** Images of which there is no picture. */
  readonly missing: number;
  readonly method: "umap" | "pca";
  readonly clusters: number;
  readonly duplicates: number;
}

const wordsOf: Readonly<Record<Sameness, string>> = {
  content: "Same content",
  pixels: "Same pixels",
  near: "Nearly the same",
};

/**
 * Writes a map of the images of a features file: `out`, one HTML file that opens from disk and loads nothing from elsewhere.
 *
 * @example
 * const report = await mapFeatures({ features: "photos.parquet", images: "photos", out: "photos.html" });
 *
 * @throws UsageError for wrong arguments, by their names; UserError for features that are no vectors; DeviceError; OutputError
 * where a file cannot be written; an error called AbortError when the signal fires
 */
export async function mapFeatures(request: MapRequest, options: MapOptions = {}): Promise<MapReport> {
  checkArguments("mapFeatures", request ?? {}, requestRules);
  checkArguments("mapFeatures", options, optionRules);
  if (request?.features === undefined)
    throw wrongArgument("mapFeatures", "features", "the path of a features file", undefined);
  const { signal, onNotice: notice = () => {}, onProgress = () => {} } = options;
  const { out = "map.html", seed = 0 } = request;
  const check = () => throwIfStopped(signal);
  const told = (unit: MapUnit) => (done: number, total: number) => {
    check();
    onProgress({ unit, done, total });
  };
  // What cannot be written is told before the work, not after.
  await (await openAtomic(out)).abandon();
  const vectors = await readVectors(request.features, request.layer);
  const { rows, paths, spoiled, madeBy } = vectors;
  const folders = [request.images ?? madeBy.dataDir ?? []].flat();
  await refuseToReplace(out, [vectors.file, request.labels, ...folders]);
  const found = await findImages(paths, folders, request.images !== undefined);
  const labelled = request.labels === undefined ? undefined : await labelsFrom(request.labels, paths);
  const notes = [...notesOf(vectors), ...(labelled?.notes ?? [])];
  for (const note of notes) notice(note);

  const device = await openTuned(
    isLittleWork(rows.count, rows.width) ? "cpu" : (request.device ?? "auto"),
    nodePlatform,
    {
      threads: request.threads,
      notice,
    },
  );
  try {
    const shown = request.neighbours ?? neighboursShown;
    const neighbours = await neighboursForMap(rows, shown, device, told("pairs"));
    const same = await duplicatesOf(vectors, device, told("duplicates"));
    const { xy, method } = await layout(rows, {
      method: request.method ?? "auto",
      seed,
      neighbours: rows.count > 2 ? neighbours : undefined,
      onProgress: told("rounds"),
    });
    const head = await includedHead(madeBy);
    check();
    const clusters = await clusterColouring(vectors, xy, {
      clusters: request.clusters ?? "auto",
      seed: `map ${seed}`,
      device,
      logitsOf: head
        ? async (images) => images.map((row) => head.logits(rowOf(rows, row)))
        : logitsByLooking(found.inputs, request),
    });
    const others = [
      labelled && colouringBy("Label", labelled.labels),
      request.labels === "folders" ? undefined : folderColouring(paths),
      head && (await classColouring(vectors, head)),
    ];
    const colourings = [clusters, ...others.filter((c): c is Colouring => c !== undefined)];
    check();

    const failures = new Map<number, string>();
    const { thumbnails, folder } = await makeThumbnails(
      out,
      found.inputs,
      xy,
      {
        progressed: (done) => told("pictures")(done, paths.length),
        failed: (image, reason) => failures.set(image, reason),
      },
      check,
    );
    const gone = missingNote(paths, found.inputs, found.where, failures);
    if (gone !== undefined) {
      notice(gone);
      notes.push(gone);
    }
    const places = spread(xy);
    const data: MapData = {
      title: request.title ?? titleOf(folders, request.features),
      about: aboutOf(vectors, method),
      notes,
      paths,
      ...places,
      neighbours: firstOf(neighbours, rows.count, shown),
      colourings,
      duplicates: same,
      outliers: outliersForMap(neighbours, rows.count),
      thumbnails,
    };
    await write(out, Buffer.from(mapPage(data, mapPageParts())));
    return {
      path: out,
      folder,
      images: paths.length,
      missing: found.inputs.filter((input, i) => input === undefined || failures.has(i)).length,
      method,
      clusters: clusters.groups.length,
      duplicates: same.length,
    };
  } finally {
    await device.close();
  }

  function notesOf({ file }: Vectors): string[] {
    const untrained = `${file} was computed by untrained weights: what is near here means nothing.`;
    const left = `${counted(spoiled.length, "image is", "images are")} left out, since the features are not all numbers: ${some(spoiled)}.`;
    return [...(madeBy.weights?.trained === false ? [untrained] : []), ...(spoiled.length > 0 ? [left] : [])];
  }
}

/** The logits of images that are files, by the included network, which looks at them. */
const logitsByLooking =
  (inputs: readonly (ImageInput | undefined)[], { device, threads }: MapRequest): LogitsOf =>
  async (images) => {
    const asked = images.map((image) => inputs[image]);
    // What cannot be read has no picture either, which is told.
    return logitsOfImages(asked, { device, threads }, () => {});
  };

const some = (names: readonly string[]): string =>
  `${names.slice(0, 3).join(", ")}${names.length > 3 ? " ..." : ""}`;

/** The groups that `duplicates` tells, each under what its least alike image has in common with the one to keep. */
async function duplicatesOf(
  { rows, paths, file, madeBy }: Vectors,
  device: Device,
  onProgress: (done: number, total: number) => void,
): Promise<DuplicateGroup[]> {
  if (rows.count < 2) return [];
  const manifest = manifestOf(file, madeBy.endPoint);
  const records = new Map((manifest ? readManifest(manifest) : []).map((r) => [r.path, r]));
  const facts = paths.map((path) => {
    const { sha256: content, width, height } = records.get(path) ?? {};
    return { content, width, height };
  });
  const { groups } = await duplicates(rows, { metric: "cosine", facts, device, onProgress });
  return groups.map(({ keep, others }) => {
    const same = others.some((o) => o.same === "near") ? "near" : others[0].same;
    const distance = Math.max(...others.map((o) => o.distance));
    return {
      kind: wordsOf[same],
      images: [keep, ...others.map(({ row }) => row)],
      ...(same === "near" ? { distance } : {}),
    };
  });
}

function aboutOf({ rows, madeBy }: Vectors, method: keyof typeof methodName): string {
  const by = madeBy.model && `${madeBy.model}${madeBy.endPoint ? ` ${madeBy.endPoint}` : ""}`;
  return [counted(rows.count, "image"), by, methodName[method]].filter(Boolean).join(" · ");
}

/** A sentence on images that are not shown; undefined where all are. */
function missingNote(
  paths: readonly string[],
  inputs: readonly unknown[],
  where: string,
  failures: ReadonlyMap<number, string>,
): string | undefined {
  const gone = paths.filter((_, i) => inputs[i] === undefined);
  const sentences: string[] = [];
  if (gone.length > 0)
    sentences.push(
      `${counted(gone.length, "image is", "images are")} not in ${where}, and ${gone.length === 1 ? "has" : "have"} no picture: ${some(gone)}.`,
    );
  for (const [image, reason] of failures) {
    const more = failures.size > 1 ? `, and ${failures.size - 1} more have none either` : "";
    sentences.push(`There is no picture of ${paths[image]}: ${reason}${more}.`);
    break;
  }
  return sentences.length > 0 ? sentences.join(" ") : undefined;
}
