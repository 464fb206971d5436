/**
 * Reads numpy archives with the arrays `features` and `paths`: extract's own, and those of numpy.savez and
 * numpy.savez_compressed.
 */
import { UserError } from "../../errors.ts";
import { type Shape, sizeOf } from "../../tensor.ts";
import { parseNpyHeader } from "../formats/npy.ts";
import { type ArrayLayout, type FeatureRow, findDtype, readFloats } from "./array.ts";
import { type MemberReader, openZip, ZipFault, type ZipFile, type ZipMember } from "./zip.ts";

/** An array that is not what is read, as a clause, with what its owner can do. */
class OtherArray extends Error {
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** Longer texts than these are no list of paths, and longer headers of no array. */
const mostTextBytes = 2 ** 32;
const mostHeader = 2 ** 20;

/**
 * The rows of the archive. Checksums are verified, that of the features behind the last row.
 * @throws UserError
 */
export async function* readNpz(path: string): AsyncGenerator<FeatureRow> {
  let zip: ZipFile | undefined;
  try {
    zip = await openZip(path);
    yield* rowsOf(zip);
  } catch (error) {
    if (error instanceof ZipFault) {
      throw new UserError(`${path} is no features file: ${error.message}.`, "It may have been cut off.");
    }
    if (error instanceof OtherArray)
      throw new UserError(`${path} is no features file: ${error.message}.`, error.hint);
    throw error;
  } finally {
    await zip?.close();
  }
}

interface StoredArray {
  readonly name: string;
  readonly descr: string;
  readonly shape: Shape;
  /** Of its numbers. */
  readonly bytes: number;
  /** At the first of these. */
  readonly reader: MemberReader;
  /** As many are held in memory, at most. */
  readonly most: number;
}

async function* rowsOf(zip: ZipFile): AsyncGenerator<FeatureRow> {
  const find = async (name: string): Promise<StoredArray | undefined> => {
    const member = zip.members.find((m) => m.name === `${name}.npy`);
    return member && arrayOf(name, member, await zip.read(member));
  };
  const [features, pathsArray, scaleArray] = [
    await find("features"),
    await find("paths"),
    await find("scale"),
  ];
  if (!features || !pathsArray) throw withoutFeatures(zip.members);
  const dtype = findDtype(features.descr);
  if (!dtype) {
    throw new OtherArray(
      `its features are of numpy's type ${features.descr}, not floats`,
      "Save them as features.astype(numpy.float32).",
    );
  }
  const [rows, ...shape] = features.shape;
  const paths = await pathsIn(pathsArray);
  if (paths.length !== rows) {
    throw new OtherArray(
      `it has ${rows} rows of features and ${paths.length} paths`,
      "Each row has a path: features[i] is of paths[i].",
    );
  }
  const scale = await scaleIn(scaleArray, dtype);
  const rowBytes = sizeOf(shape) * dtype.width;
  if (rowBytes === 0 || rows * rowBytes !== features.bytes)
    throw new ZipFault("its numbers are not all there");
  if (rowBytes > features.most) throw new ZipFault("a row is too long");
  for (let i = 0; i < rows; i++) {
    const data = readFloats(await features.reader.take(rowBytes), shape, dtype, scale);
    if (!data) throw new ZipFault("its numbers are not all there");
    yield { path: paths[i], shape, data };
  }
  await features.reader.end();
}

/** Reads the header of an array, in any version of the format. */
async function arrayOf(name: string, { size, most }: ZipMember, reader: MemberReader): Promise<StoredArray> {
  const start = await reader.take(Math.min(8, size));
  if (start.toString("latin1", 0, 6) !== "\x93NUMPY") throw new ZipFault(`the member ${name} is no array`);
  const lengthBytes = start[6] === 1 ? 2 : 4;
  const length = (await reader.take(lengthBytes)).readUIntLE(0, lengthBytes);
  if (length > Math.min(size, mostHeader)) throw new ZipFault(`the header of ${name} is too long`);
  const header = parseNpyHeader(await reader.take(length));
  if (!header) throw new ZipFault(`the member ${name} has no header of an array`);
  const { descr, fortran, shape } = header;
  if (fortran && shape.length > 1) {
    throw new OtherArray(
      `its ${name} are in Fortran order`,
      `Save them as numpy.ascontiguousarray(${name}).`,
    );
  }
  return { name, descr, shape, bytes: size - 8 - lengthBytes - length, reader, most };
}

/** All bytes of an array, their checksum verified. */
async function contentOf({ name, bytes, reader, most }: StoredArray): Promise<Buffer> {
  if (bytes > Math.min(most, mostTextBytes)) throw new ZipFault(`the array ${name} is too long`);
  const content = await reader.take(bytes);
  await reader.end();
  return content;
}

/** Texts as numpy keeps them, each as wide as the longest and filled up with zeros: UTF-32, or bytes, which are UTF-8. */
async function pathsIn(array: StoredArray): Promise<string[]> {
  const [, order, kind, digits] = /^([<>|=]?)([US])([1-9]\d{0,8})$/.exec(array.descr) ?? [];
  if (kind === undefined) {
    throw new OtherArray(
      `its paths are of numpy's type ${array.descr}, not text`,
      "Save them as numpy.array(paths, dtype=str).",
    );
  }
  const width = Number(digits) * (kind === "U" ? 4 : 1);
  if (sizeOf(array.shape) * width !== array.bytes) throw new ZipFault("its paths are not all there");
  const content = await contentOf(array);
  const decode = kind === "U" ? (bytes: Buffer) => fromUtf32(bytes, order === ">") : fromUtf8;
  return Array.from({ length: sizeOf(array.shape) }, (_, i) => {
    const text = decode(content.subarray(i * width, (i + 1) * width));
    if (text === undefined) throw new ZipFault("a path holds what is no character");
    return text;
  });
}

function fromUtf32(bytes: Buffer, bigEndian: boolean): string | undefined {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4) {
    const point = bigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
    if (point === 0) break;
    if (point > 0x10ffff) return undefined;
    text += String.fromCodePoint(point);
  }
  return text;
}

function fromUtf8(bytes: Buffer): string | undefined {
  const end = bytes.indexOf(0);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      end < 0 ? bytes : bytes.subarray(0, end),
    );
  } catch {
    return undefined;
  }
}

/** What numbers of eight bits are multiplied by. */
async function scaleIn(array: StoredArray | undefined, features: ArrayLayout): Promise<number | undefined> {
  if (!array) {
    if (features.width > 1) return undefined;
    throw new OtherArray(
      "its features are whole numbers of eight bits, and what they are multiplied by is not there",
      "Save that as the array scale, or the features as floats.",
    );
  }
  const dtype = findDtype(array.descr);
  const value = dtype && dtype.width > 1 && readFloats(await contentOf(array), [1], dtype)?.[0];
  if (typeof value !== "number") throw new ZipFault("its scale is no number");
  return value;
}

function withoutFeatures(members: readonly ZipMember[]): OtherArray {
  const names = members.map(({ name }) => name);
  if (names.includes("[Content_Types].xml")) {
    return new OtherArray(
      "it is a document or workbook of an office program",
      "Save the table as CSV UTF-8.",
    );
  }
  const arrays = names.flatMap((name) => /^(.*)\.npy$/.exec(name)?.[1] ?? []);
  const held = arrays.length === 0 ? "no arrays of numpy" : `the arrays ${arrays.slice(0, 8).join(", ")}`;
  return new OtherArray(
    `it holds ${held}, not features and paths`,
    "Save it in Python as numpy.savez(file, features=features, paths=paths).",
  );
}
