/**
 * A numpy archive: a ZIP of uncompressed arrays `features`, `paths` (text), `metadata` (text) and, for eight bits, `scale`.
 * The features are streamed, so their checksum stands behind them; above 4 GiB the sizes are those of ZIP64.
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, https://numpy.org/doc/stable/reference/generated/numpy.savez.html
 */
import { bytesOfUtf8, concat, viewOf } from "../../bytes.ts";
import { crc32 } from "../../crc32.ts";
import { sizeOf } from "../../tensor.ts";
import { descriptions, npyHeader } from "./npy.ts";
import { dtypeWidth, type FeatureFormat, type TableFile } from "./table.ts";

interface Member {
  readonly name: string;
  readonly offset: number;
  readonly crc: number;
  readonly size: number;
}

/** Numbers of 2, 4 and 8 bytes, little-endian. */
function fields(...parts: readonly (readonly [bytes: 2 | 4 | 8, value: number])[]): Uint8Array {
  return concat(
    parts.map(([bytes, value]) => {
      const field = new Uint8Array(bytes);
      if (bytes === 8) viewOf(field).setBigUint64(0, BigInt(value), true);
      else if (bytes === 4) viewOf(field).setUint32(0, value, true);
      else viewOf(field).setUint16(0, value, true);
      return field;
    }),
  );
}

const full = 0xffffffff;
const version64 = 45;

/** A local header with room for sizes of 64 bits. */
const localHeader = ({ name, crc, size }: Omit<Member, "offset">): Uint8Array =>
  concat([
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
    bytesOfUtf8(name),
    fields([2, 1], [2, 16], [8, size], [8, size]),
  ]);

const centralHeader = ({ name, offset, crc, size }: Member): Uint8Array =>
  concat([
    fields([4, 0x02014b50], [2, version64], [2, version64], [2, 0x800], [2, 0], [2, 0], [2, 0x21], [4, crc]),
    fields([4, full], [4, full], [2, name.length], [2, 28], [2, 0], [2, 0], [2, 0], [4, 0], [4, full]),
    bytesOfUtf8(name),
    fields([2, 1], [2, 24], [8, size], [8, size], [8, offset]),
  ]);

const archiveEnd = (count: number, start: number, length: number): Uint8Array =>
  concat([
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
function textArray(texts: readonly string[], shape: readonly number[]): Uint8Array {
  const points = texts.map((text) => Array.from(text, (c) => c.codePointAt(0) as number));
  const width = Math.max(
    1,
    points.reduce((most, p) => Math.max(most, p.length), 0),
  );
  const numbers = new Uint32Array(texts.length * width);
  for (const [i, p] of points.entries()) numbers.set(p, i * width);
  return concat([npyHeader(`<U${width}`, shape), new Uint8Array(numbers.buffer)]);
}

export const npz: FeatureFormat<TableFile> = {
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
    const add = async (name: string, content: Uint8Array) => {
      const member = { name, offset: at, crc: crc32(content), size: content.length };
      await append(localHeader(member));
      await append(content);
      members.push(member);
    };

    const header = npyHeader(descriptions[dtype], [paths.length, ...shape]);
    const size = header.length + paths.length * sizeOf(shape) * dtypeWidth[dtype];
    let crc = crc32(header);
    await append(localHeader({ name: "features.npy", crc: 0, size }));
    await append(header);
    for await (const row of table.rows()) {
      crc = crc32(row, crc);
      await append(row);
    }
    await file.patch(0, localHeader({ name: "features.npy", crc, size }));
    members.push({ name: "features.npy", offset: 0, crc, size });

    await add("paths.npy", textArray(paths, [paths.length]));
    if (scale !== undefined) {
      await add("scale.npy", concat([npyHeader("<f8", []), new Uint8Array(Float64Array.of(scale).buffer)]));
    }
    await add("metadata.npy", textArray([JSON.stringify(metadata)], []));
    const start = at;
    for (const member of members) await append(centralHeader(member));
    await append(archiveEnd(members.length, start, at - start));
  },
};
