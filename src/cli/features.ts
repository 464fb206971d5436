/** What the commands that look at a features file have in common: reading it, the device, and how results are told. */
import { statSync } from "node:fs";
import { Option } from "commander";
import { counted } from "../counted.ts";
import type { Device } from "../engine/device.ts";
import type { DeviceName } from "../engine/devices.ts";
import { UsageError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import type { FoundImages } from "../node/images/index.ts";
import type { StoredRows } from "../tables/row-store.ts";
import type { Vectors } from "../tables/vectors.ts";
import type { Io } from "./io.ts";
import { threadsOption } from "./numbers.ts";
import { makeProgress } from "./progress.ts";
import { type Column, csvTable, textTable } from "./table.ts";

export interface FeaturesFlags {
  readonly layer?: string;
  readonly metric: "euclidean" | "cosine";
  readonly device: DeviceName;
  readonly threads?: number;
  readonly json?: boolean;
  readonly csv?: boolean;
}

export const layerOption = (): Option =>
  new Option("--layer <name>", "of several files that one run wrote, the one of this end point");
export const metricOption = (): Option =>
  new Option("--metric <metric>", "how distances are taken")
    .choices(["cosine", "euclidean"])
    .default("cosine");
const deviceOption = (): Option =>
  new Option("--device <device>", "what computes").choices(["auto", "webgpu", "cpu"]).default("auto");
/** Of every such command, the last ones. */
export const commonOptions = (): Option[] => [
  layerOption(),
  deviceOption(),
  threadsOption(),
  new Option("--json", "as JSON").conflicts("csv"),
  new Option("--csv", "as CSV"),
];

/** Does `work` with a features file, and tells what of it is left out. */
export async function withVectors<T>(
  io: Io,
  file: string,
  layer: string | undefined,
  work: (vectors: Vectors<StoredRows>) => Promise<T>,
): Promise<T> {
  const { openVectors } = await import("../tables/vectors.ts");
  const { vectors, close } = await openVectors(file, layer);
  try {
    const { spoiled, madeBy } = vectors;
    if (spoiled.length > 0) {
      const more = spoiled.length > 3 ? ` and ${spoiled.length - 3} more` : "";
      io.err(
        `left out, since their features are not all numbers: ${spoiled.slice(0, 3).join(", ")}${more}\n`,
      );
    }
    if (madeBy.weights?.trained === false)
      io.err("UNTRAINED: these features are of seeded weights; what is near in them means nothing.\n");
    return await work(vectors);
  } finally {
    close();
  }
}

/** As `withVectors`, with all rows in memory: for work that goes over them many times. */
export const withRows = <T>(
  io: Io,
  file: string,
  layer: string | undefined,
  work: (vectors: Vectors) => Promise<T>,
): Promise<T> =>
  withVectors(io, file, layer, async (vectors) => {
    const { rows } = vectors;
    const { count, width } = rows;
    const data = "data" in rows ? rows.data : await rows.read(0, count);
    return work({ ...vectors, rows: { count, width, data } });
  });

/** @throws UsageError where there is one image, which has nothing to be compared with */
export function refuseOne({ paths, file }: Pick<Vectors, "paths" | "file">): void {
  if (paths.length > 1) return;
  throw new UsageError(`${file} holds ${paths[0]} alone.`, "Two images at least have something to compare.");
}

/**
 * The images of a file, in folders or archives; those that are not there are told.
 * @param asked whether a user named these: then they must be there
 * @throws UsageError where they are not
 */
export async function imagesIn(
  io: Io,
  places: readonly string[],
  { paths }: Pick<Vectors<unknown>, "paths">,
  asked = true,
): Promise<FoundImages["inputs"]> {
  const { findImages } = await import("../node/images/index.ts");
  const { inputs, where } = await findImages(paths, places, asked);
  const gone = paths.filter((_, row) => inputs[row] === undefined);
  if (gone.length > 0) {
    const more = gone.length > 3 ? ` and ${gone.length - 3} more` : "";
    io.err(
      `${gone.length} of ${counted(paths.length, "image is", "images are")} not in ${where}: ${gone.slice(0, 3).join(", ")}${more}\n`,
    );
  }
  return inputs;
}

export const isFolder = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** The row of the image `path`. @throws UsageError where there is none, naming those that are like it */
export function rowNamed({ paths, spoiled, file }: Vectors<unknown>, path: string): number {
  const row = paths.indexOf(path);
  if (row >= 0) return row;
  if (spoiled.includes(path)) throw new UsageError(`The features of ${path} are not all numbers.`);
  throw new UsageError(
    `${file} has no image ${path}.`,
    didYouMean(path, paths) ?? `It has, for one: ${paths[0]}.`,
  );
}

/** Multiply-adds that no GPU is looked for. */
const little = 1e9;

/**
 * Does `work` on the device that is asked for. Under "auto", little work of `macs` multiply-adds is left to the processor, which is
 * at hand.
 */
export async function onDevice<T>(
  io: Io,
  { device: name, threads }: Pick<FeaturesFlags, "device" | "threads">,
  macs: number,
  work: (device: Device) => Promise<T>,
): Promise<T> {
  const { openTuned } = await import("../network/tuned.ts");
  const { nodePlatform } = await import("../node/platform.ts");
  const wanted = name === "auto" && macs < little ? "cpu" : name;
  const device = await openTuned(wanted, nodePlatform, {
    threads,
    notice: (sentence) => io.err(`${sentence}\n`),
  });
  try {
    return await work(device);
  } finally {
    await device.close();
  }
}

/** Shows how far `work` is while it goes on. */
export async function withProgress<T>(
  io: Io,
  unit: string,
  work: (told: (done: number, total: number) => void) => Promise<T>,
): Promise<T> {
  // Billions of pairs are not read by anyone.
  const show = (n: number) => (n >= 1e7 ? `${Math.round(n / 1e6)} M` : String(Math.round(n)));
  const progress = makeProgress(io, { unit, show });
  try {
    return await work((done, total) => progress.update(done, total));
  } finally {
    progress.end();
  }
}

/** Prints rows as a table, as CSV, or `json` as JSON. */
export async function print<Row>(
  io: Io,
  { json: asJson, csv }: Pick<FeaturesFlags, "json" | "csv">,
  { columns, rows, json }: { columns: readonly Column<Row>[]; rows: readonly Row[]; json: unknown },
): Promise<void> {
  if (asJson) return io.out(`${JSON.stringify(json, null, 2)}\n`);
  await io.out(csv ? csvTable(columns, rows) : textTable(columns, rows));
}
