/**
 * HDF5: datasets `features` [images, ...feature] and `paths`, with the metadata as an attribute of the file and the scale
 * of eight bits as one of `features`. Rows are added in slices, so memory stays flat.
 * https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
 */
import { UserError } from "../../errors.ts";
import { outputError } from "../../node/atomic.ts";
import { sizeOf } from "../../tensor.ts";
import { numbersOf } from "../numbers.ts";
import { piecesOf } from "./batches.ts";
import { dtypeWidth, type FeatureDtype, type FeatureFormat, type FeatureRow } from "./table.ts";

/** Half precision is widened: the library writes it only where the runtime has a Float16Array. */
const names: Readonly<Record<FeatureDtype, string>> = { float32: "<f", float16: "<f", int8: "<b" };

async function library() {
  const hdf5 = await import("h5wasm/node");
  const { activate_throwing_error_handler } = await hdf5.ready;
  // Errors are thrown then, and not printed.
  activate_throwing_error_handler();
  return hdf5;
}

/** Stored numbers as the library takes and gives them. */
function typed(dtype: FeatureDtype, bytes: Uint8Array) {
  const { buffer } = new Uint8Array(bytes);
  if (dtype === "float32") return new Float32Array(buffer);
  return dtype === "int8" ? new Int8Array(buffer) : numbersOf({ dtype }, bytes);
}

/**
 * Calls the library. It tells of a full disk in a trace of its own; the system's words are somewhere in it. And it
 * stamps what it makes with the time of day, while equal features are to give equal bytes: it is told the same time
 * always, for as long as the call lasts.
 */
function told<T>(path: string, work: () => T): T {
  const { now } = Date;
  Date.now = () => 0;
  try {
    return work();
  } catch (error) {
    const trace = String((error as Error)?.message ?? error);
    const reason = /error message = '([^']*)'/.exec(trace)?.[1] ?? trace.split("\n")[0];
    throw outputError(path, new Error(reason, { cause: error }));
  } finally {
    Date.now = now;
  }
}

export const hdf5: FeatureFormat = {
  name: "hdf5",
  description: "HDF5 with the datasets features and paths (f16 is widened to f32); for h5py, MATLAB, R",
  pathsBeside: false,
  async write(table, file) {
    const { File } = await library();
    const { paths, shape, dtype, scale, metadata } = table;
    // The library writes files itself: into the temporary one, which is sealed and renamed as any other.
    const sheet = told(file.path, () => new File(file.temporary, "w"));
    try {
      told(file.path, () => sheet.create_attribute("metadata", JSON.stringify(metadata)));
      let first = 0;
      for await (const piece of piecesOf(table)) {
        const data = typed(dtype, piece.bytes);
        const rows = piece.paths.length;
        const last = first + rows;
        if (first === 0) {
          const chunk = Math.max(
            1,
            Math.min(paths.length, Math.floor(2 ** 18 / (sizeOf(shape) * dtypeWidth[dtype]))),
          );
          told(file.path, () =>
            sheet.create_dataset({
              name: "features",
              data,
              shape: [rows, ...shape],
              dtype: names[dtype],
              maxshape: [null, ...shape],
              chunks: [chunk, ...shape],
            }),
          );
        } else {
          told(file.path, () => {
            const features = datasetOf(sheet.get("features"));
            features.resize([last, ...shape]);
            features.write_slice([[first, last], ...shape.map((d): [number, number] => [0, d])], data);
          });
        }
        first = last;
      }
      told(file.path, () => sheet.create_dataset({ name: "paths", data: [...paths] }));
      if (scale !== undefined)
        told(file.path, () => datasetOf(sheet.get("features")).create_attribute("scale", scale, null, "<d"));
    } finally {
      told(file.path, () => sheet.close());
    }
  },
};

interface Dataset {
  resize(shape: number[]): number;
  write_slice(ranges: [number, number][], data: unknown): void;
  create_attribute(name: string, data: number, shape: null, dtype: string): void;
}

function datasetOf(entity: unknown): Dataset {
  if (typeof entity === "object" && entity !== null && "write_slice" in entity)
    return entity as unknown as Dataset;
  throw new UserError("A dataset is missing.");
}

interface Readable {
  readonly shape: number[] | null;
  readonly value: unknown;
  readonly attrs: Record<string, { readonly value: unknown }>;
  slice(ranges: [number, number][]): unknown;
}

function readableOf(entity: unknown, name: string): Readable {
  if (typeof entity === "object" && entity !== null && "slice" in entity)
    return entity as unknown as Readable;
  throw new Error(`it has no dataset ${name}`);
}

/**
 * The rows of an HDF5 file with the datasets `features` and `paths`, about a megabyte at a time.
 * @throws what the library throws, and errors in words
 */
export async function* readHdf5(path: string): AsyncGenerator<FeatureRow> {
  const { File, ready } = await library();
  const { FS } = (await ready) as unknown as { FS: FileSystem };
  let sheet: InstanceType<typeof File> | undefined;
  try {
    sheet = new File(path, "r");
    yield* rowsOf(sheet);
  } finally {
    sheet?.close();
    // A file that the library could not open is left open by it.
    for (const stream of FS.streams) if (stream && stream.fd > 2) FS.close(stream);
  }
}

interface FileSystem {
  readonly streams: readonly ({ readonly fd: number } | null | undefined)[];
  close(stream: { readonly fd: number }): void;
}

function* rowsOf(sheet: { get(name: string): unknown }): Generator<FeatureRow> {
  const features = readableOf(sheet.get("features"), "features");
  const [rows = 0, ...shape] = features.shape ?? [];
  const width = sizeOf(shape);
  if (features.shape === null || features.shape.length === 0 || width < 1 || width > 2 ** 28)
    throw new Error("its rows hold no numbers");
  const names = readableOf(sheet.get("paths"), "paths");
  if (names.shape?.length !== 1 || names.shape[0] !== rows) throw new Error("its paths are not one a row");
  const paths = names.value;
  if (!Array.isArray(paths) || paths.length !== rows || paths.some((p) => typeof p !== "string"))
    throw new Error("its paths are not text");
  const scale = features.attrs.scale === undefined ? 1 : Number(features.attrs.scale.value);
  const whole = shape.map((d): [number, number] => [0, d]);
  const each = Math.max(1, Math.floor(2 ** 18 / width));
  for (let first = 0; first < rows; first += each) {
    const last = Math.min(rows, first + each);
    const values = features.slice([[first, last], ...whole]);
    const known =
      values instanceof Float32Array || values instanceof Float64Array || values instanceof Int8Array;
    if (!known) throw new Error("its numbers are of no type that is read");
    if (values.length !== (last - first) * width) throw new Error("its numbers are not all there");
    for (let i = first; i < last; i++) {
      const own = values.subarray((i - first) * width, (i - first + 1) * width);
      yield { path: paths[i], shape, data: Float32Array.from(own, (v) => v * scale) };
    }
  }
}
