/**
 * A numpy archive: a ZIP of uncompressed arrays `features`, `paths` (text), `metadata` (text) and, for eight bits, `scale`.
 * The features are streamed, so their checksum stands behind them; above 4 GiB the sizes are those of ZIP64.
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, https://numpy.org/doc/stable/reference/generated/numpy.savez.html
 */
import { crc32 } from "node:zlib";
import { sizeOf } from "../../tensor.ts";
import { descriptions, npyHeader } from "./npy.ts";
import { dtypeWidth, type FeatureFormat } from "./table.ts";

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
