/** A whole file of features as one array of rows, with what stands beside it. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { UsageError, UserError } from "../errors.ts";
import { formatShape, sizeOf } from "../tensor.ts";
import { textIn } from "../text.ts";
import { besidePlaces, withLayer } from "./formats/index.ts";
import { readFeatures } from "./readers/index.ts";
import { createRowStore, type RowStore, type StoredRows } from "./row-store.ts";

/** What the metadata beside a file say of how it was made; any of it may be missing in a file from elsewhere. */
export interface MadeBy {
  readonly model?: string;
  readonly endPoint?: string;
  readonly imageSize?: number;
  readonly globalPool?: boolean;
  readonly pool?: string;
  readonly pca?: {
    readonly components: number;
    readonly file: string;
    /** The share of the variance that each explains. */
    readonly explained?: readonly number[];
  };
  readonly l2?: boolean;
  readonly weights?: {
    readonly kind?: string;
    readonly trained?: boolean;
    readonly path?: string;
    readonly checkpoint?: string;
    readonly scope?: string;
    readonly sha256?: string;
    readonly ema?: boolean;
  };
  readonly preprocess?: {
    readonly mode?: string;
    readonly exif?: string;
    readonly jpeg?: string;
    readonly icc?: boolean;
    readonly background?: readonly [number, number, number];
  };
  readonly dataDir?: string | readonly string[];
}

export interface Vectors<
  R = { readonly count: number; readonly width: number; readonly data: Float32Array },
> {
  /** The file that was read. */
  readonly file: string;
  /** The images, one a row. */
  readonly paths: readonly string[];
  /** Row-major, `count` rows of `width` numbers. */
  readonly rows: R;
  /** Images whose features are not all numbers (NaN or infinite); they have no row. */
  readonly spoiled: readonly string[];
  readonly madeBy: MadeBy;
}

function chosenFile(file: string, layer: string | undefined): string {
  if (layer === undefined) return file;
  const other = withLayer(file, layer);
  if (existsSync(other)) return other;
  const { endPoint } = existsSync(file) ? madeByOf(file) : {};
  if (endPoint === layer) return file;
  throw new UsageError(
    `There are no features of ${layer}: ${file} ${endPoint ? `is of ${endPoint}` : "does not say of which layer it is"}, and there is no ${other}.`,
    "Name the file of the layer, or extract it with --layer.",
  );
}

/** The types of what the metadata say, where they say it. */
const saidOf = {
  model: "string",
  endPoint: "string",
  imageSize: "number",
  globalPool: "boolean",
  pool: "string",
  l2: "boolean",
  pca: { components: "number", file: "string", explained: "object" },
  weights: {
    kind: "string",
    trained: "boolean",
    path: "string",
    checkpoint: "string",
    scope: "string",
    sha256: "string",
    ema: "boolean",
  },
  preprocess: { mode: "string", exif: "string", jpeg: "string", icc: "boolean", background: "object" },
} as const;
type Said = { readonly [name: string]: string | Said };

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

/** The name of the first value that is not of its type. */
function wrongIn(value: Record<string, unknown>, said: Said): string | undefined {
  for (const [name, kind] of Object.entries(said)) {
    const own = value[name];
    if (own === undefined) continue;
    if (typeof kind === "string" ? own === null || typeof own !== kind : !isRecord(own)) return name;
    const inner = typeof kind !== "string" && isRecord(own) ? wrongIn(own, kind) : undefined;
    if (inner !== undefined) return `${name}.${inner}`;
  }
  return undefined;
}

/** What stands beside a features file of its making; nothing for a file from elsewhere. @throws UserError when it is damaged */
export function madeByOf(file: string): MadeBy {
  const place = besidePlaces(file, ".json").find((path) => existsSync(path));
  if (place === undefined) return {};
  const damaged = (why: string, cause?: unknown) =>
    new UserError(`${place} cannot be read: ${why}`, "Give the same extract command again.", {
      cause,
    });
  let found: unknown;
  try {
    found = JSON.parse(textIn(readFileSync(place)));
  } catch (cause) {
    throw damaged((cause as Error).message, cause);
  }
  if (!isRecord(found)) throw damaged("it is no object.");
  const wrong = wrongIn(found, saidOf);
  if (wrong !== undefined) throw damaged(`its ${wrong} is of a wrong type.`);
  return found as MadeBy;
}

/**
 * Reads a features file of any format into memory: float16 and int8 are widened, float64 are rounded to float32. Rows that
 * are not all numbers are set apart by name.
 * @param layer of several files that one run wrote, the one of this end point
 * @throws UsageError when there is no such file, UserError when it holds maps, nothing, or features of several shapes
 */
export async function readVectors(file: string, layer?: string): Promise<Vectors> {
  const { vectors } = await openVectors(file, layer, Number.POSITIVE_INFINITY);
  if (!("data" in vectors.rows)) throw new Error("rows went to a file");
  return { ...vectors, rows: vectors.rows };
}

/**
 * As `readVectors`, but with rows of more than `memory` bytes (by default a quarter of the machine's) in a temporary file, from
 * which they are read in blocks. `close` removes it.
 */
export async function openVectors(
  file: string,
  layer?: string,
  memory?: number,
): Promise<{ readonly vectors: Vectors<StoredRows>; close(): void }> {
  const path = chosenFile(file, layer);
  const paths: string[] = [];
  const spoiled: string[] = [];
  let width = 0;
  let store: RowStore | undefined;
  try {
    for await (const row of readFeatures(path)) {
      if (!store) {
        width = vectorLength(path, row.shape);
        store = createRowStore(width, Math.ceil(statSync(path).size / (4 * width)) + 1, memory);
      }
      if (row.data.length !== width || sizeOf(row.shape) !== width) {
        throw new UserError(
          `${path} holds features of several lengths: ${width}, and ${row.data.length} for ${row.path}.`,
          "Features are compared where they are of one network and layer.",
        );
      }
      if (row.data.every((v) => Number.isFinite(Math.fround(v)))) {
        store.add(row.data);
        paths.push(row.path);
      } else spoiled.push(row.path);
    }
    if (!store || paths.length === 0) {
      throw new UserError(
        spoiled.length === 0
          ? `${path} holds no features.`
          : `${path} holds no features that are numbers: all ${spoiled.length} are NaN or infinite.`,
        "Extract them again.",
      );
    }
    const vectors = { file: path, paths, rows: store.rows(), spoiled, madeBy: madeByOf(path) };
    return { vectors, close: store.close };
  } catch (error) {
    store?.close();
    throw error;
  }
}

/** [1024], and [1, 1, 1024] as TF-Slim pools leave it, are vectors. @throws UserError for maps */
function vectorLength(path: string, shape: readonly number[]): number {
  const length = sizeOf(shape);
  if (length > 0 && shape.filter((d) => d !== 1).length <= 1) return length;
  throw new UserError(
    `${path} holds maps of shape ${formatShape(shape)}, not vectors.`,
    "Extract them again with --pool avg (or max, gem, flatten), or name the file of a layer that gives vectors.",
  );
}
