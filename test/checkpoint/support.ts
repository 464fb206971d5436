/** Builds checkpoints from values, right or wrong on purpose: tables, V2 bundles, V1 files, tar archives. */
import { writeFileSync } from "node:fs";
import { crc32c, maskCrc } from "../../src/checkpoint/crc32c.ts";
import { sliceKey } from "../../src/checkpoint/ordered-code.ts";
import type { Extent } from "../../src/checkpoint/proto.ts";
import { buildTable } from "../../src/node/checkpoint-writer.ts";

/** A field of a message: numbers as varints, buffers as bytes, `{ fixed32 }` as four bytes. */
export type FieldValue = number | bigint | Buffer | { readonly fixed32: number };

export function varint(value: number | bigint): Buffer {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest >= 128n) {
    out.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  return Buffer.from([...out, Number(rest)]);
}

export function message(...fields: (readonly [number: number, value: FieldValue])[]): Buffer {
  return Buffer.concat(
    fields.map(([number, value]) => {
      if (Buffer.isBuffer(value)) return Buffer.concat([varint(number * 8 + 2), varint(value.length), value]);
      if (typeof value !== "object") return Buffer.concat([varint(number * 8), varint(value)]);
      const fixed = Buffer.alloc(4);
      fixed.writeUInt32LE(value.fixed32);
      return Buffer.concat([varint(number * 8 + 5), fixed]);
    }),
  );
}

export const shapeProto = (shape: readonly (number | bigint)[]): Buffer =>
  message(...shape.map((d) => [2, message([1, d])] as const));

export const sliceProto = (slice: readonly Extent[]): Buffer =>
  message(
    ...slice.map(
      ({ start, length }) =>
        [1, message([1, start], ...(length === -1 ? [] : ([[2, length]] as const)))] as const,
    ),
  );

export interface BundleTensor {
  readonly name: string;
  readonly dtype?: number;
  readonly shape: readonly (number | bigint)[];
  readonly offset?: number;
  readonly size?: number;
  readonly shard?: number;
  readonly crc?: number;
  readonly slices?: readonly (readonly Extent[])[];
  /** The key, when it is not the name. */
  readonly key?: Uint8Array;
}

/** The pair of an index entry; the checksum is that of `data` unless it is given. */
export function entryPair(t: BundleTensor, data: Buffer): readonly [Uint8Array, Buffer] {
  const offset = t.offset ?? 0;
  const size = t.size ?? data.length - offset;
  const crc = t.crc ?? maskCrc(crc32c(data.subarray(offset, offset + size)));
  const value = message(
    [1, t.dtype ?? 1],
    [2, shapeProto(t.shape)],
    [3, t.shard ?? 0],
    [4, offset],
    [5, size],
    [6, { fixed32: crc }],
    ...(t.slices ?? []).map((s) => [7, sliceProto(s)] as const),
  );
  return [t.key ?? Buffer.from(t.name), value];
}

export const goodHeader = message([1, 1], [3, message([1, 1])]);

/** Writes a V2 checkpoint of one data file. */
export function writeBundle(
  prefix: string,
  tensors: readonly BundleTensor[],
  data: Buffer,
  header = goodHeader,
): void {
  const pairs = tensors.map((t) => entryPair(t, data)).sort((a, b) => Buffer.compare(a[0], b[0]));
  writeFileSync(`${prefix}.index`, buildTable([[Buffer.alloc(0), header], ...pairs]));
  writeFileSync(`${prefix}.data-00000-of-00001`, data);
}

export interface V1Tensor {
  readonly name: string;
  readonly dtype?: number;
  readonly shape: readonly number[];
  readonly slices: readonly {
    readonly slice: readonly Extent[];
    readonly tensor: Buffer;
    readonly innerName?: string;
    readonly absent?: true;
  }[];
}

export const whole = (rank: number): Extent[] =>
  Array.from({ length: rank }, () => ({ start: 0, length: -1 }));

/** A V1 table; `tensor` is the TensorProto of a slice. */
export function v1Table(tensors: readonly V1Tensor[]): Buffer {
  const metas = tensors.map(
    (t) =>
      [
        1,
        message(
          [1, Buffer.from(t.name)],
          [2, shapeProto(t.shape)],
          [3, t.dtype ?? 1],
          ...t.slices.map((s) => [4, sliceProto(s.slice)] as const),
        ),
      ] as const,
  );
  const description = message([1, message(...metas, [2, message([1, 1])])]);
  const records = tensors.flatMap((t) =>
    t.slices
      .filter((s) => !s.absent)
      .map((s) => {
        const saved = message(
          [1, Buffer.from(s.innerName ?? t.name)],
          [2, sliceProto(s.slice)],
          [3, s.tensor],
        );
        return [sliceKey(t.name, s.slice), message([2, saved])] as const;
      }),
  );
  records.sort((a, b) => Buffer.compare(a[0], b[0]));
  return buildTable([[Buffer.alloc(0), description], ...records]);
}

export const floats = (...values: number[]): Buffer => Buffer.from(Float32Array.from(values).buffer);

export interface TarMember {
  readonly name: string;
  readonly data?: Buffer;
  readonly type?: string;
  /** Writes the size in base 256, as GNU tar does for large files. */
  readonly base256?: true;
}

export function tar(members: readonly TarMember[], end = true): Buffer {
  const blocks = members.map(({ name, data = Buffer.alloc(0), type = "0", base256 }) => {
    const header = Buffer.alloc(512);
    header.write(name, 0, 100);
    header.write("0000644\0", 100);
    if (base256) {
      header[124] = 0x80;
      header.writeUInt32BE(data.length, 132);
    } else header.write(`${data.length.toString(8).padStart(11, "0")}\0`, 124);
    header.write(type, 156);
    header.write("ustar\x0000", 257);
    header.fill(" ", 148, 156);
    const sum = header.reduce((a, b) => a + b, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    return Buffer.concat([header, data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
  });
  return Buffer.concat([...blocks, Buffer.alloc(end ? 1024 : 0)]);
}

/** A node with a constant: `tensor` is its TensorProto without type and shape. */
export const constant = (
  name: string,
  shape: readonly (number | bigint)[],
  tensor: Buffer,
  dtype = 1,
): Buffer => {
  const value = Buffer.concat([message([1, dtype], [2, shapeProto(shape)]), tensor]);
  return message(
    [1, Buffer.from(name)],
    [2, Buffer.from("Const")],
    [5, message([1, Buffer.from("value")], [2, message([8, value])])],
  );
};
