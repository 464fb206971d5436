/** Damaged and hostile checkpoints: each gives an error that names the place, or the right values; nothing else. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { crc32c, maskCrc } from "../../src/checkpoint/crc32c.ts";
import { sliceKey } from "../../src/checkpoint/ordered-code.ts";
import { CheckpointError } from "../../src/errors.ts";
import { openCheckpoint } from "../../src/node/checkpoint.ts";
import { buildTable } from "../../src/node/checkpoint-writer.ts";
import {
  type BundleTensor,
  entryPair,
  floats,
  goodHeader,
  message,
  shapeProto,
  sliceProto,
  v1Table,
  varint,
  whole,
  writeBundle,
} from "./support.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hostile-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
const fresh = () => join(folder, `case-${count++}`);

async function readAll(path: string): Promise<Record<string, unknown>> {
  const checkpoint = await openCheckpoint(path);
  try {
    const values: Record<string, unknown> = {};
    for (const name of checkpoint.names) values[name] = (await checkpoint.read(name)).data;
    return values;
  } finally {
    await checkpoint.close();
  }
}

/** What reading everything throws. */
async function fault(path: string): Promise<string> {
  const error = await readAll(path).then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(CheckpointError);
  return (error as CheckpointError).message;
}

const data = floats(1, 2, 3, 4, 5, 6);
const good: BundleTensor = { name: "w", shape: [2, 3] };

function bundle(change: Partial<BundleTensor>, bytes = data): string {
  const prefix = fresh();
  writeBundle(prefix, [{ ...good, ...change }], bytes);
  return prefix;
}

/** A V2 index of given pairs, with `data` beside it. */
function index(
  pairs: readonly (readonly [Uint8Array, Buffer])[],
  change: (table: Buffer) => Buffer = (t) => t,
): string {
  const prefix = fresh();
  writeFileSync(`${prefix}.index`, change(buildTable(pairs)));
  writeFileSync(`${prefix}.data-00000-of-00001`, data);
  return prefix;
}

const empty = Buffer.alloc(0);
const goodPairs = [[empty, goodHeader], entryPair(good, data)] as const;

describe("a V2 checkpoint", () => {
  it("that is right is read", async () =>
    expect(await readAll(bundle({}))).toEqual({ w: Float32Array.of(1, 2, 3, 4, 5, 6) }));

  it.each<[string, Partial<BundleTensor>, RegExp]>([
    ["a wrong checksum", { crc: 12345 }, /the tensor w .* its checksum is wrong/],
    ["an offset past the end", { offset: 100, size: 24 }, /the tensor w .*past the end/],
    ["a size that is not that of its values", { size: 20 }, /20 bytes are stored for 6 values/],
    ["a negative offset", { offset: -8, size: 24 }, /the tensor w/],
    ["a negative dimension", { shape: [-2n, 3n] }, /the entry of w.*a dimension is -2/],
    ["a product past all numbers", { shape: [2n ** 40n, 2n ** 40n] }, /the entry of w/],
    ["a data file out of range", { shard: 7 }, /data file 7 of 1/],
    ["a negative data file", { shard: -1 }, /data file -1 of 1/],
    ["a type that is not known", { dtype: 99 }, /dtype 99 2x3.*cannot be read/],
    ["a resource", { dtype: 20 }, /cannot be read/],
  ])("with %s is refused", async (_, change, words) => expect(await fault(bundle(change))).toMatch(words));

  it("lists what it cannot read", async () => {
    const checkpoint = await openCheckpoint(bundle({ dtype: 99 }));
    expect(checkpoint.entry("w")).toMatchObject({ dtype: "dtype 99", shape: [2, 3] });
    await checkpoint.close();
  });

  it("of big-endian bytes is swapped", async () => {
    const swapped = Buffer.from(data).swap32();
    const prefix = fresh();
    writeBundle(prefix, [good], swapped, message([1, 1], [2, 1]));
    expect(await readAll(prefix)).toEqual({ w: Float32Array.of(1, 2, 3, 4, 5, 6) });
  });

  it("whose data file is missing lists its tensors and names the file", async () => {
    const prefix = bundle({});
    rmSync(`${prefix}.data-00000-of-00001`);
    const checkpoint = await openCheckpoint(prefix);
    expect(checkpoint.names).toEqual(["w"]);
    await expect(checkpoint.read("w")).rejects.toThrow(`${prefix}.data-00000-of-00001 is missing`);
    await checkpoint.close();
  });

  it.each<[string, Buffer, RegExp]>([
    ["no data files", message([3, message([1, 1])]), /announces 0 data files/],
    ["an absurd number of data files", message([1, 200_000]), /announces 200000 data files/],
    ["an unknown byte order", message([1, 1], [2, 5]), /byte order/],
    ["a newer reader wanted", message([1, 1], [3, message([2, 9])]), /version 9/],
    ["bytes that are no message", Buffer.from([0x0b]), /wire type 3/],
  ])("with a header of %s is refused", async (_, header, words) => {
    const prefix = fresh();
    writeBundle(prefix, [good], data, header);
    expect(await fault(prefix)).toMatch(words);
  });

  it("without a header is refused", async () =>
    expect(await fault(index([entryPair(good, data)]))).toMatch(/no header/));

  it("with keys out of order or twice is refused", async () => {
    const [header, w] = goodPairs;
    const a = entryPair({ ...good, name: "a" }, data);
    expect(await fault(index([header, w, a]))).toMatch(/out of order/);
    expect(await fault(index([header, w, w]))).toMatch(/out of order/);
  });

  it("with a name that is not UTF-8 is refused", async () => {
    const odd = entryPair({ ...good, key: Buffer.from([0xff, 0xfe]) }, data);
    expect(await fault(index([goodPairs[0], odd]))).toMatch(/not UTF-8/);
  });

  it("with a flipped bit in its index is refused", async () => {
    const path = index(goodPairs, (table) => {
      table[12] ^= 4;
      return table;
    });
    expect(await fault(path)).toMatch(/checksum of the block at 0 is wrong/);
  });

  it("whose index points beyond the file is refused", async () => {
    const path = index(goodPairs, (table) => {
      const footer = Buffer.concat([Buffer.from([0, 0]), Buffer.from("ffffffffffffff0f7f", "hex")]);
      footer.copy(table, table.length - 48);
      return table;
    });
    expect(await fault(path)).toMatch(/a block of 127 bytes at 9007199254740991 does not fit/);
  });

  it("truncated anywhere is refused", async () => {
    const prefix = bundle({});
    const table = readFileSync(`${prefix}.index`);
    for (let length = 0; length < table.length; length += 5) {
      writeFileSync(`${prefix}.index`, table.subarray(0, length));
      await fault(prefix);
    }
  });

  it("over 4 GiB is read at its high end", async () => {
    const prefix = bundle({ offset: 5 * 2 ** 30, size: 24, crc: maskCrc(crc32c(data)) });
    const path = `${prefix}.data-00000-of-00001`;
    truncateSync(path, 5 * 2 ** 30);
    const file = await open(path, "r+");
    await file.write(data, 0, data.length, 5 * 2 ** 30);
    await file.close();
    expect(await readAll(prefix)).toEqual({ w: Float32Array.of(1, 2, 3, 4, 5, 6) });
    rmSync(path);
  });
});

/** A table of one block whose every key is its predecessor and one byte more. */
function growingKeys(count: number): Buffer {
  const entries = Array.from({ length: count }, (_, i) =>
    Buffer.concat([varint(i), Buffer.from([1, 0, 1 + (i % 100)])]),
  );
  const block = Buffer.concat([...entries, Buffer.from([0, 0, 0, 0, 1, 0, 0, 0, 0])]);
  const seal = (bytes: Buffer) => {
    const crc = Buffer.alloc(4);
    crc.writeUInt32LE(maskCrc(crc32c(bytes)));
    return Buffer.concat([bytes, crc]);
  };
  const last = Buffer.concat([Buffer.from([0]), varint(1), varint(4), Buffer.from([0xff])]);
  const handle = Buffer.concat([varint(0), varint(block.length - 1)]);
  const index = Buffer.concat([
    last.subarray(0, 2),
    varint(handle.length),
    Buffer.from([0xff]),
    handle,
    Buffer.from([0, 0, 0, 0, 1, 0, 0, 0, 0]),
  ]);
  const at = block.length + 4;
  const handles = Buffer.concat([varint(0), varint(0), varint(at), varint(index.length - 1)]);
  const magic = Buffer.from("57fb808b247547db", "hex");
  return Buffer.concat([seal(block), seal(index), handles, Buffer.alloc(40 - handles.length), magic]);
}

describe("few bytes that ask for much", () => {
  it("as keys that each repeat the one before are refused before they fill the memory", async () => {
    const prefix = fresh();
    writeFileSync(`${prefix}.index`, growingKeys(20_000));
    expect(await fault(prefix)).toMatch(/keys are longer than any names are/);
  });

  it("as a hundred thousand slices of one variable are refused", async () => {
    const slices = Array.from({ length: 100_000 }, (_, i) => [
      { start: 0, length: 1 },
      { start: i, length: 1 },
    ]);
    const table = v1Table([
      {
        name: "w",
        shape: [1, 100_000],
        slices: slices.map((slice) => ({ slice, tensor: empty, absent: true })),
      },
    ]);
    const path = fresh();
    writeFileSync(path, table);
    expect(await fault(path)).toMatch(/has 100000 slices/);
  });

  it("as slices that share their bytes are refused", async () => {
    const rows = Array.from({ length: 60 }, (_, start) => [
      { start, length: 1 },
      { start: 0, length: -1 },
    ]);
    const whole = entryPair({ ...good, shape: [60, 3], slices: rows, size: 0, crc: 0 }, data);
    const parts = rows.map((row) =>
      entryPair({ ...good, key: sliceKey("w", row), shape: [1, 3], size: 12 }, data),
    );
    const pairs = [whole, ...parts].sort((a, b) => Buffer.compare(a[0], b[0]));
    expect(await fault(index([[empty, goodHeader], ...pairs]))).toMatch(/more bytes than their files/);
  });

  it("as a count of values that the record cannot hold is refused", async () => {
    const path = fresh();
    const slices = [{ slice: whole(1), tensor: message([10, Buffer.alloc(100)]) }];
    writeFileSync(path, v1Table([{ name: "w", dtype: 9, shape: [2000], slices }]));
    expect(await fault(path)).toMatch(/100 values are stored where 2000 belong/);
  });
});

describe("a partitioned variable", () => {
  const rows = (start: number, length: number) => [
    { start, length },
    { start: 0, length: -1 },
  ];

  function partitioned(
    slices: readonly { start: number; length: number }[][],
    parts: readonly Partial<BundleTensor>[],
  ): string {
    const whole = entryPair({ ...good, slices, size: 0, crc: 0 }, data);
    const found = parts.map((p, i) => entryPair({ ...good, key: sliceKey("w", slices[i]), ...p }, data));
    return index([[empty, goodHeader], ...[whole, ...found].sort((a, b) => Buffer.compare(a[0], b[0]))]);
  }
  const first = { shape: [1, 3], size: 12 };
  const second = { shape: [1, 3], offset: 12, size: 12 };

  it("is joined", async () => {
    expect(await readAll(partitioned([rows(0, 1), rows(1, 1)], [first, second]))).toEqual({
      w: Float32Array.of(1, 2, 3, 4, 5, 6),
    });
  });

  it.each<[string, { start: number; length: number }[][], Partial<BundleTensor>[], RegExp]>([
    ["overlap", [rows(0, 1), rows(0, 2)], [first, { shape: [2, 3] }], /overlap/],
    ["leave a gap", [rows(0, 1)], [first], /do not cover/],
    [
      "lie outside",
      [rows(0, 1), rows(1, 5)],
      [first, { shape: [5, 3], size: 24 }],
      /does not fit an axis of 2/,
    ],
    ["begin before it", [rows(-1, 1), rows(1, 1)], [first, second], /does not fit/],
    ["have no length", [rows(0, 0), rows(1, 1)], [first, second], /does not fit/],
    [
      "are of another rank",
      [[{ start: 0, length: 1 }], rows(1, 1)],
      [first, second],
      /rank 1 of a tensor of rank 2/,
    ],
    ["are not all there", [rows(0, 1), rows(1, 1)], [first], /slices is missing/],
    [
      "are of another type",
      [rows(0, 1), rows(1, 1)],
      [first, { ...second, dtype: 3 }],
      /another type or size/,
    ],
  ])("whose slices %s is refused", async (_, slices, parts, words) =>
    expect(await fault(partitioned(slices, parts))).toMatch(words),
  );
});

describe("a V1 checkpoint", () => {
  const values = message([5, data]);
  const file = (table: Buffer): string => {
    const path = fresh();
    writeFileSync(path, table);
    return path;
  };
  const tensor = { name: "w", shape: [2, 3], slices: [{ slice: whole(2), tensor: values }] };

  it("that is right is read, packed, single or mixed", async () => {
    const single = Buffer.concat([
      ...[1, 2, 3].map((v) => Buffer.concat([Buffer.from([5 * 8 + 5]), floats(v)])),
      message([5, floats(4, 5, 6)]),
    ]);
    for (const proto of [values, single]) {
      const table = v1Table([{ ...tensor, slices: [{ slice: whole(2), tensor: proto }] }]);
      expect(await readAll(file(table))).toEqual({ w: Float32Array.of(1, 2, 3, 4, 5, 6) });
    }
  });

  it("of several shards is read, and one that lacks a shard is refused", async () => {
    const prefix = fresh();
    const rows = (start: number) => [
      { start, length: 1 },
      { start: 0, length: -1 },
    ];
    for (const [i, part] of [floats(1, 2, 3), floats(4, 5, 6)].entries()) {
      const table = v1Table([{ ...tensor, slices: [{ slice: rows(i), tensor: message([5, part]) }] }]);
      writeFileSync(`${prefix}-0000${i}-of-00002`, table);
    }
    const joined = { w: Float32Array.of(1, 2, 3, 4, 5, 6) };
    expect(await readAll(prefix)).toEqual(joined);
    expect(await readAll(`${prefix}-00001-of-00002`)).toEqual(joined);
    rmSync(`${prefix}-00001-of-00002`);
    expect(await fault(prefix)).toMatch(/1 of 2 shards/);
  });

  it.each<[string, Parameters<typeof v1Table>[0], RegExp]>([
    [
      "too few values",
      [{ ...tensor, slices: [{ slice: whole(2), tensor: message([5, floats(1)]) }] }],
      /1 values are stored where 6 belong/,
    ],
    [
      "too many values",
      [{ ...tensor, slices: [{ slice: whole(2), tensor: message([5, Buffer.concat([data, data])]) }] }],
      /12 values/,
    ],
    [
      "half a value",
      [{ ...tensor, slices: [{ slice: whole(2), tensor: message([5, data.subarray(0, 22)]) }] }],
      /5.5 values/,
    ],
    [
      "a record that is not there",
      [{ ...tensor, slices: [{ slice: whole(2), tensor: values, absent: true }] }],
      /described but not stored/,
    ],
    [
      "a record of another name",
      [{ ...tensor, slices: [{ slice: whole(2), tensor: values, innerName: "v" }] }],
      /names another tensor/,
    ],
    ["a shape that no file holds", [{ ...tensor, shape: [2 ** 20, 2 ** 20] }], /do not fit its file/],
    ["no slices", [{ ...tensor, slices: [] }], /do not cover/],
  ])("with %s is refused", async (_, tensors, words) =>
    expect(await fault(file(v1Table(tensors)))).toMatch(words),
  );

  it("with a nested message past its end is refused", async () => {
    const record = Buffer.concat([Buffer.from([2 * 8 + 2, 100]), message([1, Buffer.from("w")])]);
    const description = message([
      1,
      message([
        1,
        message([1, Buffer.from("w")], [2, shapeProto([2, 3])], [3, 1], [4, sliceProto(whole(2))]),
      ]),
    ]);
    const table = buildTable([
      [empty, description],
      [sliceKey("w", whole(2)), record],
    ]);
    expect(await fault(file(table))).toMatch(/100 bytes are announced/);
  });
});
