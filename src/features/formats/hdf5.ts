/**
 * HDF5: datasets `features` [images, ...feature] and `paths`, with the metadata as an attribute of the file and the scale
 * of eight bits as one of `features`. Rows are added in slices, so memory stays flat.
 * https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
 */
import { UserError } from "../../errors.ts";
import { sizeOf } from "../../tensor.ts";
import { outputError } from "../atomic.ts";
import { numbersOf } from "../numbers.ts";
import { piecesOf } from "./batches.ts";
import { dtypeWidth, type FeatureDtype, type FeatureFormat } from "./table.ts";

/** Half precision is widened: the library writes it only where the runtime has a Float16Array. */
const names: Readonly<Record<FeatureDtype, string>> = { float32: "<f", float16: "<f", int8: "<b" };

/** The library, which is loaded only where a file of it is written or read. */
export async function hdf5Library() {
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

/** The library tells of a full disk in a trace of its own; the system's words are somewhere in it. */
function told<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const trace = String((error as Error)?.message ?? error);
    const reason = /error message = '([^']*)'/.exec(trace)?.[1] ?? trace.split("\n")[0];
    throw outputError(path, new Error(reason, { cause: error }));
  }
}

export const hdf5: FeatureFormat = {
  name: "hdf5",
  description: "HDF5 with the datasets features and paths (f16 is widened to f32); for h5py, MATLAB, R",
  pathsBeside: false,
  async write(table, file) {
    const { File } = await hdf5Library();
    const { paths, shape, dtype, scale, metadata } = table;
    // The library writes files itself: into the temporary one, which is sealed and renamed as any other.
    const sheet = told(file.path, () => new File(file.temporary, "w"));
    try {
      sheet.create_attribute("metadata", JSON.stringify(metadata));
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
      if (scale !== undefined) datasetOf(sheet.get("features")).create_attribute("scale", scale, null, "<d");
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
