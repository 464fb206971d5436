/**
 * A numpy archive: a ZIP of uncompressed arrays `features`, `paths` (text), `metadata` (text) and, for eight bits, `scale`.
 * The features are streamed, so their checksum stands behind them; above 4 GiB the sizes are those of ZIP64.
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, https://numpy.org/doc/stable/reference/generated/numpy.savez.html
 */
import { open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { UserError } from "../../errors.ts";
import { sizeOf } from "../../tensor.ts";
import { numbersOf } from "../numbers.ts";
import { descriptions, npyHeader, parseNpyHeader } from "./npy.ts";
import { dtypeWidth, type FeatureDtype, type FeatureFormat, type FeatureRow } from "./table.ts";

interface Member {
  readonly name: string;
  readonly offset: number;
  readonly crc: number;
  readonly size: number;
}

/** Numbers of 2, 4 and 8 bytes, little-endian. */
function fields(...parts: readonly (readonly [bytes: 2 | 4 | 8, value: number])[]): Buffer {
  return Buffer.concat(
    parts.map(([bytes, value]) => {
      const field = Buffer.alloc(bytes);
      if (bytes === 8) field.writeBigUInt64LE(BigInt(value));
      else field.writeUIntLE(value, 0, bytes);
      return field;
    }),
  );
}

const full = 0xffffffff;
const version64 = 45;

/** A local header with room for sizes of 64 bits. */
const localHeader = ({ name, crc, size }: Omit<Member, "offset">): Buffer =>
  Buffer.concat([
    fields(
      [4, 0x04034b50],
      [2, version64],
      [2, 0x800],
      [2, 0],
      [2, 0],
      [2, 0x21],
      [4, crc],
      [4, full],
      [4, full],
    ),
    fields([2, name.length], [2, 20]),
    Buffer.from(name),
    fields([2, 1], [2, 16], [8, size], [8, size]),
  ]);

const centralHeader = ({ name, offset, crc, size }: Member): Buffer =>
  Buffer.concat([
    fields([4, 0x02014b50], [2, version64], [2, version64], [2, 0x800], [2, 0], [2, 0], [2, 0x21], [4, crc]),
    fields([4, full], [4, full], [2, name.length], [2, 28], [2, 0], [2, 0], [2, 0], [4, 0], [4, full]),
    Buffer.from(name),
    fields([2, 1], [2, 24], [8, size], [8, size], [8, offset]),
  ]);

const archiveEnd = (count: number, start: number, length: number): Buffer =>
  Buffer.concat([
    fields([4, 0x06064b50], [8, 44], [2, version64], [2, version64], [4, 0], [4, 0], [8, count], [8, count]),
    fields([8, length], [8, start]),
    fields([4, 0x07064b50], [4, 0], [8, start + length], [4, 1]),
    fields(
      [4, 0x06054b50],
      [2, 0],
      [2, 0],
      [2, full & 0xffff],
      [2, full & 0xffff],
      [4, full],
      [4, full],
      [2, 0],
    ),
  ]);

/** Texts as numpy keeps them: UTF-32, each as wide as the longest. */
function textArray(texts: readonly string[], shape: readonly number[]): Buffer {
  const points = texts.map((text) => Array.from(text, (c) => c.codePointAt(0) as number));
  const width = Math.max(
    1,
    points.reduce((most, p) => Math.max(most, p.length), 0),
  );
  const numbers = new Uint32Array(texts.length * width);
  for (const [i, p] of points.entries()) numbers.set(p, i * width);
  return Buffer.concat([npyHeader(`<U${width}`, shape), Buffer.from(numbers.buffer)]);
}

export const npz: FeatureFormat = {
  name: "npz",
  description: "a numpy archive with the arrays features and paths",
  pathsBeside: false,
  async write(table, file) {
    const { paths, shape, dtype, scale, metadata } = table;
    const members: Member[] = [];
    let at = 0;
    const append = async (bytes: Uint8Array) => {
      await file.append(bytes);
      at += bytes.length;
    };
    const add = async (name: string, content: Buffer) => {
      const member = { name, offset: at, crc: crc32(content), size: content.length };
      await append(localHeader(member));
      await append(content);
      members.push(member);
    };

    const header = npyHeader(descriptions[dtype], [paths.length, ...shape]);
    const size = header.length + paths.length * sizeOf(shape) * dtypeWidth[dtype];
    let crc = crc32(header as Buffer);
    await append(localHeader({ name: "features.npy", crc: 0, size }));
    await append(header);
    for await (const row of table.rows()) {
      crc = crc32(row as Buffer, crc);
      await append(row);
    }
    await file.patch(0, localHeader({ name: "features.npy", crc, size }));
    members.push({ name: "features.npy", offset: 0, crc, size });

    await add("paths.npy", textArray(paths, [paths.length]));
    if (scale !== undefined) {
      await add(
        "scale.npy",
        Buffer.concat([npyHeader("<f8", []), Buffer.from(Float64Array.of(scale).buffer)]),
      );
    }
    await add("metadata.npy", textArray([JSON.stringify(metadata)], []));
    const start = at;
    for (const member of members) await append(centralHeader(member));
    await append(archiveEnd(members.length, start, at - start));
  },
};

interface StoredArray {
  readonly descr: string;
  readonly shape: readonly number[];
  /** Where its numbers begin in the file, and how many bytes they take. */
  readonly start: number;
  readonly bytes: number;
  /** The checksum of the whole member, and that of its header alone. */
  readonly crc: number;
  readonly headerCrc: number;
}

/** The directory at the end of the archive; undefined where it is damaged. */
function membersIn(directory: Buffer): Member[] | undefined {
  const members: Member[] = [];
  for (let at = 0; at < directory.length; ) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== 0x02014b50) return undefined;
    const nameEnd = at + 46 + directory.readUInt16LE(at + 28);
    const next = nameEnd + directory.readUInt16LE(at + 30);
    if (next > directory.length || next - nameEnd !== 28) return undefined;
    members.push({
      name: directory.toString("utf8", at + 46, nameEnd),
      crc: directory.readUInt32LE(at + 16),
      size: Number(directory.readBigUInt64LE(nameEnd + 4)),
      offset: Number(directory.readBigUInt64LE(nameEnd + 20)),
    });
    at = next;
  }
  return members;
}

/** UTF-32 texts of `width` characters, zeros at their ends left out; undefined where a character is none. */
function textsIn(bytes: Buffer, width: number): string[] | undefined {
  const points = new Uint32Array(new Uint8Array(bytes).buffer);
  if (points.some((p) => p > 0x10ffff)) return undefined;
  return Array.from({ length: points.length / width }, (_, i) => {
    const own = points.subarray(i * width, (i + 1) * width);
    const end = own.indexOf(0);
    return Array.from(end < 0 ? own : own.subarray(0, end), (p) => String.fromCodePoint(p)).join("");
  });
}

/** Larger texts than these are no list of paths. */
const mostTextBytes = 2 ** 32;

/**
 * The rows of an archive with the arrays `features` and `paths`. Their checksums are verified, that of the features behind
 * the last row.
 * @throws UserError
 */
export async function* readNpz(path: string): AsyncGenerator<FeatureRow> {
  const damaged = (what: string) =>
    new UserError(`${path} is no features file: ${what}.`, "It may have been cut off.");
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const read = async (position: number, length: number): Promise<Buffer> => {
      if (!(position >= 0 && length >= 0 && position + length <= size)) throw damaged("it ends too early");
      const bytes = Buffer.alloc(length);
      const { bytesRead } = await file.read(bytes, 0, length, position);
      if (bytesRead !== length) throw damaged("it ends too early");
      return bytes;
    };
    const arrayOf = async ({ name, offset, crc, size: memberSize }: Member): Promise<StoredArray> => {
      const local = await read(offset, 30);
      if (local.readUInt32LE(0) !== 0x04034b50 || local.readUInt16LE(8) !== 0)
        throw damaged("a member is compressed or not there");
      const start = offset + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
      const preamble = await read(start, 10);
      const length = preamble.readUInt16LE(8);
      if (10 + length > memberSize || start + memberSize > size)
        throw damaged(`the member ${name} does not fit`);
      const text = await read(start + 10, length);
      const header = parseNpyHeader(text);
      if (!header || header.fortran) throw damaged(`the member ${name} has no header of an array`);
      const headerCrc = crc32(text as Buffer, crc32(preamble as Buffer));
      return { ...header, crc, headerCrc, start: start + 10 + length, bytes: memberSize - 10 - length };
    };
    const content = async (array: StoredArray, most: number): Promise<Buffer> => {
      if (array.bytes > most) throw damaged("an array is too long");
      const bytes = await read(array.start, array.bytes);
      if (crc32(bytes as Buffer, array.headerCrc) !== array.crc) throw damaged("a checksum is wrong");
      return bytes;
    };

    const end = await read(size - 98, 98);
    if (end.readUInt32LE(0) !== 0x06064b50) throw damaged("it has not the end that extract writes");
    const [length, start] = [Number(end.readBigUInt64LE(40)), Number(end.readBigUInt64LE(48))];
    if (length > 2 ** 16) throw damaged("its directory is too long");
    const members = membersIn(await read(start, length));
    if (!members) throw damaged("its directory is damaged");
    const find = async (name: string): Promise<StoredArray | undefined> => {
      const member = members.find((m) => m.name === name);
      return member && arrayOf(member);
    };
    const [features, pathsArray, scaleArray] = [
      await find("features.npy"),
      await find("paths.npy"),
      await find("scale.npy"),
    ];
    const dtype = (Object.keys(descriptions) as FeatureDtype[]).find(
      (d) => descriptions[d] === features?.descr,
    );
    if (!features || !pathsArray || !dtype) throw damaged("it has no arrays features and paths");

    const width = Number(/^<U([1-9]\d{0,8})$/.exec(pathsArray.descr)?.[1]);
    const [rows, ...shape] = features.shape;
    if (sizeOf(pathsArray.shape) * width * 4 !== pathsArray.bytes || pathsArray.shape[0] !== rows)
      throw damaged("its paths are not all there");
    const paths = textsIn(await content(pathsArray, mostTextBytes), width);
    if (!paths) throw damaged("a path holds what is no character");
    if (scaleArray && scaleArray.bytes !== 8) throw damaged("its scale is no number");
    const scale = scaleArray && (await content(scaleArray, 8)).readDoubleLE();

    const rowBytes = sizeOf(shape) * dtypeWidth[dtype];
    if (rowBytes === 0 || rows * rowBytes !== features.bytes) throw damaged("its numbers are not all there");
    let crc = features.headerCrc;
    for (let i = 0; i < rows; i++) {
      const bytes = await read(features.start + i * rowBytes, rowBytes);
      crc = crc32(bytes as Buffer, crc);
      yield { path: paths[i], shape, data: numbersOf({ dtype, scale }, bytes) };
    }
    if (crc !== features.crc) throw damaged("the checksum of its features is wrong");
  } finally {
    await file.close();
  }
}
