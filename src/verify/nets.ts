/** Verifies whole networks on seeded weights against reference values: a folder with NET.json and NET.f32. */
import { access, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { compile } from "../engine/compile.ts";
import type { Device } from "../engine/device.ts";
import { variablesOf } from "../engine/graph.ts";
import { UsageError, UserError } from "../errors.ts";
import { type Pixels, preprocess } from "../images/index.ts";
import { buildNetwork, findModel, type Model } from "../nets/index.ts";
import { seededWeights } from "../nets/seeded-weights.ts";
import { folderOf, ownFolders } from "../node/folder.ts";
import { decodeImage } from "../node/images/index.ts";
import { seededUnits } from "../seeded.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../tensor.ts";
import { relativeError, type Verdict } from "./measure.ts";

interface EndPointReference {
  readonly name: string;
  readonly shape: Shape;
  /** How many values are stored: all of a small end point, drawn places of a larger one. */
  readonly samples: number;
  /** Counts floats inside one image's block. */
  readonly offset: number;
  /** One entry an image. */
  readonly stats: readonly { readonly maxAbs: number; readonly tfFloat32MaxErr: number }[];
}

interface NetReference {
  readonly net: string;
  readonly inputSize: number;
  readonly inputChannels: number;
  readonly variables: readonly (readonly [string, Shape])[];
  readonly endPoints: readonly EndPointReference[];
  readonly images: readonly string[];
}

export interface NetsOptions {
  /** Only this network. */
  readonly net?: string;
  /** Folder of the images; `images` here or beside `dir` when left out. */
  readonly images?: string;
  /** Folder of the moving statistics; `nets` beside `dir`, `dir`, or the project's own when left out. */
  readonly stats?: string;
  /** Only the first image of each network. */
  readonly first?: boolean;
  /** Images in one run; their results must not depend on it. */
  readonly batch?: number;
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

async function firstExisting(
  what: string,
  option: string,
  paths: readonly string[],
  probe = "",
): Promise<string> {
  for (const path of paths) if (await exists(join(path, probe))) return path;
  throw new UsageError(
    `The ${what} were not found in ${paths.join(" or ")}.`,
    `Name their folder with ${option} DIR.`,
  );
}

/** The names of the networks that a folder has references of. @throws UsageError when it has none. */
export async function listNets(dir: string): Promise<string[]> {
  const files = await readdir(dir).catch((cause: unknown) => {
    throw new UsageError(`The folder ${dir} cannot be read.`, undefined, { cause });
  });
  const names = files
    .filter(
      (f) => f.endsWith(".json") && files.includes(f.replace(/json$/, "f32")) && !f.endsWith(".bn.json"),
    )
    .map((f) => f.slice(0, -".json".length))
    .sort();
  if (names.length === 0) throw new UsageError(`There are no references (NET.json with NET.f32) in ${dir}.`);
  return names;
}

/** The stored places of an end point: all, or drawn from the stream called after it. */
function placesOf(net: string, { name, samples, shape }: EndPointReference): number[] {
  const size = sizeOf(shape);
  if (samples === size) return Array.from({ length: size }, (_, i) => i);
  const units = seededUnits(`sample:${net}/${name}`, samples);
  return Array.from(units, (u) => Math.min(Math.floor(((u + 1) / 2) * size), size - 1));
}

/** The top-left corner of `size` x `size` pixels. */
function topLeft(pixels: Pixels, size: number): Pixels {
  if (pixels.width < size || pixels.height < size) {
    throw new UserError(
      `An image of ${pixels.width}x${pixels.height} is too small for a corner of ${size}x${size}.`,
    );
  }
  const data = new Uint8Array(3 * size * size);
  for (let row = 0; row < size; row++) {
    const start = 3 * row * pixels.width;
    data.set(pixels.data.subarray(start, start + 3 * size), 3 * row * size);
  }
  return { ...pixels, width: size, height: size, data };
}

async function readInput(model: Model, path: string): Promise<Float32Array> {
  const corner = topLeft(await decodeImage(path, { exif: "ignore" }), model.inputSize);
  return preprocess(corner, {
    family: model.preprocess,
    mode: "resize",
    size: model.inputSize,
    channels: model.inputChannels,
  });
}

/** Our graph against the reference's own list of variables and end points; throws where they differ. */
function checkDeclaration(
  reference: NetReference,
  ours: readonly { name: string; shape: Shape }[],
  endPoints: Iterable<string>,
): void {
  const known = new Map(ours.map((v) => [v.name, v.shape]));
  const names = new Set(endPoints);
  const faults = [
    ...reference.variables
      .filter(([name, shape]) => !sameShape(known.get(name) ?? [Number.NaN], shape))
      .map(([name, shape]) => `variable ${name} ${formatShape(shape)}`),
    ...reference.endPoints.filter((e) => !names.has(e.name)).map((e) => `end point ${e.name}`),
  ];
  if (faults.length > 0) {
    throw new UserError(
      `${reference.net} lacks ${faults.length} of the reference's parts: ${faults.slice(0, 8).join(", ")}.`,
    );
  }
}

async function* verifyNet(
  dir: string,
  net: string,
  device: Device,
  options: NetsOptions,
): AsyncGenerator<Verdict> {
  const reference = JSON.parse(await readFile(join(dir, `${net}.json`), "utf8")) as NetReference;
  const bytes = await readFile(join(dir, `${net}.f32`));
  const stored = new Float32Array(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer,
  );
  const imageDir =
    options.images ??
    (await firstExisting("images", "--images", [join(dir, "images"), join(dir, "..", "images")]));
  const model = findModel(reference.net);

  const batch = options.batch ?? 1;
  const graph = buildNetwork(model, batch);
  const variables = variablesOf(graph);
  checkDeclaration(reference, variables, graph.endPoints.keys());
  const needsStatistics = variables.some((v) => v.name.endsWith("moving_mean"));
  const candidates = [join(dir, "..", "nets"), dir, join(dir, "nets"), ownFolders.statistics.path];
  const stats =
    options.stats ??
    (needsStatistics
      ? await firstExisting("moving statistics", "--stats", candidates, `${net}.bn.json`)
      : dir);
  const source = await seededWeights(reference.net, variables, folderOf(stats));

  const program = compile(
    graph,
    reference.endPoints.map((e) => e.name),
  );
  const session = await device.load(program, source);
  try {
    const block = stored.length / reference.images.length;
    const used = options.first ? reference.images.slice(0, 1) : reference.images;
    for (const [i, image] of used.entries()) {
      const input = await readInput(model, join(imageDir, image));
      // Further places of the batch hold the same image; the last one is compared.
      const images = new Float32Array(batch * input.length);
      for (let k = 0; k < batch; k++) images.set(input, k * input.length);
      const results = await session.run([images]);
      for (const [k, endPoint] of reference.endPoints.entries()) {
        const size = sizeOf(endPoint.shape);
        const last = results[k].subarray((batch - 1) * size, batch * size);
        const start = i * block + endPoint.offset;
        const { maxAbs, tfFloat32MaxErr } = endPoint.stats[i];
        const ours = placesOf(reference.net, endPoint).map((at) => last[at]);
        yield {
          name: `${net} ${image} ${endPoint.name}`,
          error: relativeError(ours, stored.subarray(start, start + endPoint.samples), maxAbs),
          bound: 4 * Math.max(tfFloat32MaxErr, 1e-6),
        };
      }
    }
  } finally {
    session.close();
  }
}

/** Verifies every end point of every network that a folder has references of, on all their images. */
export async function* verifyNets(
  dir: string,
  device: Device,
  options: NetsOptions = {},
): AsyncGenerator<Verdict> {
  const nets = await listNets(dir);
  if (options.net !== undefined && !nets.includes(options.net)) {
    throw new UsageError(
      `There is no reference of ${options.net} in ${dir}.`,
      `There are: ${nets.join(", ")}.`,
    );
  }
  for (const net of options.net === undefined ? nets : [options.net])
    yield* verifyNet(dir, net, device, options);
}
