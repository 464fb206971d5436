/**
 * NPY 1.0: one array [rows, ...shape]. `numpy.load(file, mmap_mode="r")` opens it without reading it.
 * The paths of its rows are in the list `paths` of the metadata file beside it, in the order of the rows.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { bytesOfLatin1, latin1, viewOf } from "../../bytes.ts";
import { isShape, type Shape } from "../../tensor.ts";
import type { FeatureDtype, FeatureFormat, TableFile } from "./table.ts";

const alignment = 64;
const preamble = 10;
/** numpy's names of the types. */
export const descriptions: Readonly<Record<FeatureDtype, string>> = {
  float32: "<f4",
  float16: "<f2",
  int8: "|i1",
};

/** The header of an array, padded so that its numbers are aligned for a memory map. */
export function npyHeader(descr: string, shape: Shape): Uint8Array {
  const comma = shape.length === 1 ? "," : "";
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(", ")}${comma}), }`;
  const length = Math.ceil((preamble + text.length + 1) / alignment) * alignment;
  const bytes = bytesOfLatin1(`\x93NUMPY\x01\0\0\0${text}`.padEnd(length - 1).concat("\n"));
  viewOf(bytes).setUint16(8, length - preamble, true);
  return bytes;
}

/**
 * What a header's text says. Undefined where it says no shape, or one that nothing can have. An array of no dimensions is
 * given as one row.
 */
export function parseNpyHeader(
  header: Uint8Array,
): { readonly descr: string; readonly fortran: boolean; readonly shape: readonly number[] } | undefined {
  const text = latin1(header);
  const dimensions = /'shape':\s*\(([\d,\s]*)\)/.exec(text)?.[1];
  const fortran = /'fortran_order':\s*(True|False)/.exec(text)?.[1];
  const shape = dimensions
    ?.split(",")
    .filter((d) => d.trim() !== "")
    .map(Number);
  if (!isShape(shape) || fortran === undefined) return undefined;
  const descr = /'descr':\s*'([^']*)'/.exec(text)?.[1] ?? "of no name";
  return { descr, fortran: fortran === "True", shape: shape.length === 0 ? [1] : shape };
}

export const npy: FeatureFormat<TableFile> = {
  name: "npy",
  description: "one numpy array [images, ...feature]; the paths are in the metadata file",
  pathsBeside: true,
  async write({ paths, shape, dtype, rows }, file) {
    await file.append(npyHeader(descriptions[dtype], [paths.length, ...shape]));
    for await (const bytes of rows()) await file.append(bytes);
  },
};
