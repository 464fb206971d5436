/** Reads NPY files of [rows, ...feature], with the paths from the metadata beside them. */
import { UserError } from "../../errors.ts";
import { sizeOf } from "../../tensor.ts";
import { parseNpyHeader } from "../formats/npy.ts";
import { type FeatureRow, findDtype, readFloats } from "./array.ts";
import { readBeside } from "./beside.ts";
import type { ByteReader } from "./bytes.ts";

/** @throws UserError for a damaged file or an array that is none of ours. */
export function* readNpy(path: string, bytes: ByteReader): Generator<FeatureRow> {
  const damaged = (what: string) => new UserError(`${path} is no features file: ${what}.`);
  const start = bytes.take(8);
  if (start.toString("latin1", 1, 6) !== "NUMPY") throw damaged("it does not begin as NPY files do");
  const version = start[6];
  const length = version === 1 ? bytes.take(2).readUInt16LE() : bytes.take(4).readUInt32LE();
  if (length > 1 << 20) throw damaged("its header is too long");
  const header = parseNpyHeader(bytes.take(length));
  if (!header) throw damaged("its header has no shape");
  const dtype = findDtype(header.descr);
  if (!dtype) throw damaged(`its numbers are ${header.descr}, not floats`);
  if (header.fortran) throw damaged("its array is in Fortran order");
  const [rows, ...shape] = header.shape;
  if (sizeOf(shape) === 0) throw damaged("its rows hold no numbers");
  const { place, paths, scale } = readBeside(path);
  if (paths && paths.length !== rows) {
    throw damaged(`it has ${rows} rows, but ${place} has ${paths.length} paths`);
  }
  for (let i = 0; i < rows; i++) {
    const data = readFloats(bytes.take(sizeOf(shape) * dtype.width), shape, dtype, scale);
    if (!data) throw damaged("its rows have no fixed length");
    yield { path: paths?.[i] ?? `row ${i}`, shape, data };
  }
}
