/**
 * NPY 1.0: one float32 array [rows, ...shape]. `numpy.load(file, mmap_mode="r")` opens it without reading it.
 * The paths of its rows are in the list `paths` of the metadata file beside it, in the order of the rows.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import type { Shape } from "../../tensor.ts";
import { bytesOf, type FeatureFormat } from "./format.ts";

const alignment = 64;
const preamble = 10;
/** The digits of the largest safe integer: the header keeps its length whatever the number of rows. */
const widestCount = 16;

export const npy: FeatureFormat = {
  name: "npy",
  description: "one numpy array [images, ...feature]; the paths are in the metadata file",
  head(shape, rows) {
    const room = widestCount - String(rows).length;
    const text = header(shape, rows) + " ".repeat(room);
    const length = Math.ceil((preamble + text.length + 1) / alignment) * alignment;
    const bytes = Buffer.alloc(length, " ");
    bytes.set([0x93, ...Buffer.from("NUMPY"), 1, 0]);
    bytes.writeUInt16LE(length - preamble, 8);
    bytes.write(text, preamble, "latin1");
    bytes[length - 1] = 0x0a;
    return bytes;
  },
  row: (_path, feature) => bytesOf(feature),
  tail: new Uint8Array(0),
  headTellsRows: true,
  pathsBeside: true,
};

function header(shape: Shape, rows: number): string {
  const dimensions = [rows, ...shape].join(", ");
  const comma = shape.length === 0 ? "," : "";
  return `{'descr': '<f4', 'fortran_order': False, 'shape': (${dimensions}${comma}), }`;
}
