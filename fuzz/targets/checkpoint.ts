/** Checkpoints: TensorFlow's own small files, and kinds that it writes and that are not among these. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32c, maskCrc } from "../../src/checkpoint/crc32c.ts";
import type { TensorValue } from "../../src/checkpoint/tensor.ts";
import { UserError } from "../../src/errors.ts";
import { openCheckpoint } from "../../src/node/checkpoint.ts";
import { sizeOf } from "../../src/tensor.ts";
import {
  floats,
  goodHeader,
  message,
  shapeProto,
  sliceProto,
  v1Table,
} from "../../test/checkpoint/support.ts";
import { ownReference } from "../../test/support/reference.ts";
import { changes, cut, damage } from "../damage.ts";
import type { Dice } from "../dice.ts";
import { numbersIn, withFixed32 } from "../protos.ts";
import { allRecords, damageTable, tableOf } from "../tables.ts";
import { digestOf, type Files, type Mutant, type Reading, type Seed, type Target } from "../target.ts";

const dir = join(ownReference, "checkpoints");
const stored = (prefix: string): Files =>
  new Map(
    readdirSync(dir)
      .filter((name) => name.startsWith(prefix))
      .map((name) => [name, readFileSync(join(dir, name))]),
  );

/** Two files, each with one row of a tensor, as partitioned variables are saved. */
function shards(): Files {
  const shard = (row: number) =>
    v1Table([
      {
        name: "w",
        shape: [2, 3],
        slices: [
          {
            slice: [
              { start: row, length: 1 },
              { start: 0, length: -1 },
            ],
            tensor: message([5, floats(row, 2, 3)]),
          },
        ],
      },
    ]);
  return new Map([0, 1].map((row) => [`s.ckpt-0000${row}-of-00002`, shard(row)]));
}

/** Numbers with their largest byte first, whole and in two parts. */
function bigEndian(): Files {
  const data = Buffer.from(floats(1, 2, 3, 4, 5, 6)).swap32();
  const entry = (from: number, to: number, shape: readonly number[]) =>
    message(
      [1, 1],
      [2, shapeProto(shape)],
      [4, from],
      [5, to - from],
      [6, { fixed32: maskCrc(crc32c(data.subarray(from, to))) }],
    );
  const part = (start: number) => [
    { start, length: 1 },
    { start: 0, length: 3 },
  ];
  const joined = message(
    [1, 1],
    [2, shapeProto([2, 3])],
    ...[0, 1].map((i) => [7, sliceProto(part(i))] as const),
  );
  const key = (at: number) => Buffer.from([0, 0x70, 0, 1, 1, 2, 0x80 + at, 0x81, 0x80, 0x83]);
  const records = [
    { key: Buffer.alloc(0), value: message([1, 1], [2, 1], [3, message([1, 1])]) },
    { key: key(0), value: entry(0, 12, [1, 3]) },
    { key: key(1), value: entry(12, 24, [1, 3]) },
    { key: Buffer.from("p"), value: joined },
    { key: Buffer.from("w"), value: entry(0, 24, [2, 3]) },
  ];
  return new Map([
    ["big.ckpt.index", tableOf(records)],
    ["big.ckpt.data-00000-of-00001", data],
  ]);
}

/** What the table of nothing holds: a header alone. */
const bare = (): Files =>
  new Map([["bare.ckpt.index", tableOf([{ key: Buffer.alloc(0), value: goodHeader }])]]);

const seeds: readonly Seed[] = [
  { name: "dtypes_v1", files: stored("dtypes_v1.ckpt"), open: "dtypes_v1.ckpt" },
  { name: "dtypes_v2", files: stored("dtypes_v2.ckpt"), open: "dtypes_v2.ckpt" },
  { name: "object_v2", files: stored("object_v2.ckpt"), open: "object_v2.ckpt.index" },
  { name: "sharded_v2", files: stored("sharded_v2.ckpt"), open: "" },
  { name: "shards_v1", files: shards(), open: "s.ckpt" },
  { name: "big_endian_v2", files: bigEndian(), open: "big.ckpt.data-00000-of-00001" },
  { name: "bare_v2", files: bare(), open: "bare.ckpt", weight: 0.1 },
  {
    name: "mobilenet_v1",
    files: stored("mobilenet_v1_025_v1.ckpt"),
    open: "mobilenet_v1_025_v1.ckpt",
    weight: 0.02,
  },
  {
    name: "mobilenet_v2",
    files: stored("mobilenet_v1_025_v2.ckpt"),
    open: "mobilenet_v1_025_v2.ckpt",
    weight: 0.03,
  },
];

/** A V2 index whose checksums are those of damaged data. */
function resealed(index: Buffer, data: Buffer): Buffer {
  const records = allRecords(index).map((record) => {
    const numbers = numbersIn(record.value);
    const size = numbers.get(5) ?? 0;
    const offset = numbers.get(4) ?? 0;
    if (record.key.length === 0 || size === 0) return record;
    const crc = maskCrc(crc32c(data.subarray(offset, offset + size)));
    return { ...record, value: withFixed32(record.value, 6, crc) };
  });
  return tableOf(records);
}

const put = (files: Files, name: string, bytes: Buffer): Files => new Map([...files, [name, bytes]]);

/** The same damage for checkpoints in folders and in archives. */
export function damageCheckpoint(
  { files }: Pick<Seed, "files">,
  dice: Dice,
  all: readonly Seed[],
): { files: Files; how: string; promise: Mutant["promise"] } {
  const [name, bytes] = dice.pick([...files]);
  const isData = name.includes(".data-");
  const kind = dice.below(10);
  if (kind === 0) return { files: put(files, name, cut(bytes, dice)), how: `${name} cut`, promise: "exact" };
  if (kind <= 3) {
    const donor = dice.pick([...dice.pick(all).files.values()]);
    const harmed = damage(bytes, dice, { donor });
    return { files: put(files, name, harmed.bytes), how: `${name}: ${harmed.how}`, promise: "exact" };
  }
  if (!isData) {
    const { bytes: harmed, how } = damageTable(bytes, dice);
    return {
      files: put(files, name, harmed),
      how: `${name}: ${how}, resealed`,
      promise: how === "footer" ? "exact" : "any",
    };
  }
  const index = [...files.keys()].find((n) => n.endsWith(".index"));
  const harmed = dice.chance(0.5) ? changes.flip(bytes, dice, {}) : damage(bytes, dice).bytes;
  if (!index || files.size > 2)
    return { files: put(files, name, harmed), how: `${name}: damaged`, promise: "exact" };
  const sealed = resealed(files.get(index) as Buffer, harmed);
  return {
    files: put(put(files, name, harmed), index, sealed),
    how: `${name}: damaged, resealed`,
    promise: "any",
  };
}

/** Every tensor's digest. Ones that are refused leave the others readable. */
export async function readCheckpoint(path: string): Promise<Reading> {
  const values = new Map<string, string>();
  let refusal: Error | undefined;
  try {
    const checkpoint = await openCheckpoint(path);
    try {
      for (const name of checkpoint.names) {
        try {
          values.set(name, digestTensor(name, await checkpoint.read(name)));
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
          refusal ??= error;
        }
      }
      await checkpoint.identify();
    } finally {
      await checkpoint.close();
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    refusal ??= error;
  }
  return { values, refusal };
}

function digestTensor(name: string, { dtype, shape, data }: TensorValue): string {
  const cells = sizeOf(shape) * (dtype.startsWith("complex") ? 2 : 1);
  if (data.length !== cells)
    throw new Error(`${name}: ${data.length} values for ${dtype} ${shape.join("x")}`);
  const bytes = Array.isArray(data) ? data : [new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];
  return digestOf(dtype, shape.join(), ...bytes);
}

export const checkpoint: Target = {
  name: "checkpoint",
  seeds: async () => seeds,
  mutate(seed, dice, all) {
    const { files, how, promise } = damageCheckpoint(seed, dice, all);
    const ways = [seed.open, ...(seed.open === "" ? [] : [...files.keys()]), ""];
    // A whole file more or less is damage too.
    const [gone] = dice.pick([...files]);
    const kept = dice.chance(0.02) ? new Map([...files].filter(([name]) => name !== gone)) : files;
    return { files: kept, how, promise, open: dice.chance(0.8) ? seed.open : dice.pick(ways) };
  },
  read: readCheckpoint,
};

/** Small ones, for archives. */
export const smallSeeds: readonly Seed[] = seeds.filter((s) => !s.name.startsWith("mobilenet"));
