/** What damaged files once did to the readers of features, found by the fuzzer: each must end in a typed error, soon. */
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tableFromArrays, tableToIPC } from "apache-arrow";
import { parquetWriteBuffer } from "hyparquet-writer";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import { findFormat, writeTable } from "../../src/tables/formats/index.ts";
import { npyHeader } from "../../src/tables/formats/npy.ts";
import { readFeatures } from "../../src/tables/readers/index.ts";
import { temporaryFolder } from "../support/features.ts";

const folder = temporaryFolder();
let files = 0;

function fileOf(bytes: string | Uint8Array): string {
  const path = join(folder, `${files++}`);
  writeFileSync(path, bytes);
  return path;
}

/** A good file of three rows of four numbers. */
async function goodFile(format: string): Promise<string> {
  const path = join(folder, `${files++}.${format}`);
  await writeTable(path, findFormat(format), {
    paths: ["a.jpg", "b.jpg", "c.jpg"],
    shape: [4],
    dtype: "float32",
    scale: undefined,
    metadata: { model: "m" },
    async *rows() {
      for (const i of [1, 2, 3]) yield Buffer.from(Float32Array.of(i, 2 * i, -i, 0.5).buffer);
    },
  });
  return path;
}

async function read(path: string) {
  const rows: unknown[] = [];
  for await (const row of readFeatures(path)) rows.push(row);
  return rows;
}

async function expectRefused(path: string, message: RegExp): Promise<void> {
  const refusal = await read(path).catch((error) => error);
  expect(refusal).toBeInstanceOf(UserError);
  expect(refusal.message).toMatch(message);
}

describe("npz", () => {
  const changed = async (change: (bytes: Buffer) => void) => {
    const path = await goodFile("npz");
    const bytes = readFileSync(path);
    change(bytes);
    return fileOf(bytes);
  };

  it("with a number that was changed: its checksum is verified", async () => {
    const one = Buffer.from(Float32Array.of(1, 2, -1, 0.5).buffer);
    await expectRefused(
      await changed((bytes) => bytes.writeFloatLE(7, bytes.indexOf(one))),
      /checksum of features.npy is wrong/,
    );
  });

  it("with a path that was changed: its checksum is verified", async () => {
    const name = Buffer.from(Uint32Array.from("b.jpg", (c) => c.charCodeAt(0)).buffer);
    await expectRefused(
      await changed((bytes) => bytes.writeUInt32LE(65, bytes.indexOf(name))),
      /checksum of paths.npy is wrong/,
    );
  });

  it.each([2n ** 40n, 2n ** 63n + 5n])("with a member %i bytes behind its beginning", async (offset) => {
    const central = Buffer.from([0x50, 0x4b, 1, 2]);
    await expectRefused(
      await changed((bytes) => {
        const at = bytes.indexOf(central);
        bytes.writeBigUInt64LE(offset, at + 46 + bytes.readUInt16LE(at + 28) + 20);
      }),
      /ends too early/,
    );
  });
});

describe("CSV", () => {
  it.each(["constructor", "toString", "", " ", "0x10", "1e", "Infinity"])(
    "with %j where a number belongs",
    async (field) => {
      await expectRefused(fileOf(`path,f0,f1\r\na.jpg,1,${field}\r\n`), /a line has not 2 numbers/);
    },
  );

  it("with a quote that nothing closes, before a hundred thousand lines", async () => {
    const began = process.cpuUsage();
    await expectRefused(fileOf(`path,f0\r\n"a.jpg,1\r\n${"b.jpg,1\r\n".repeat(100_000)}`), /inside quotes/);
    // The square of its lines would take minutes.
    expect(process.cpuUsage(began).user / 1e6).toBeLessThan(10);
  });
});

describe("JSON lines", () => {
  it.each([
    ["a path that is a number", '{"path":1,"feature":[1]}'],
    ["no path", '{"feature":[1]}'],
    ["numbers in text", '{"path":"a","feature":["1"]}'],
    ["lists in a list", '{"path":"a","feature":[[1]]}'],
    ["a shape of other numbers", '{"path":"a","feature":[1,2],"shape":[3]}'],
    ["a shape below zero", '{"path":"a","feature":[1],"shape":[-1,-1]}'],
    ["null", "null"],
  ])("with %s", async (_, line) => {
    await expectRefused(fileOf(`{"path":"first","feature":[1]}\n${line}\n`), /line 2 is no object/);
  });
});

describe("npy", () => {
  it("with a billion rows of no numbers", async () => {
    await expectRefused(fileOf(npyHeader("<f4", [1_000_000_000, 0])), /rows hold no numbers/);
  });

  it("with fewer numbers than its shape", async () => {
    await expectRefused(fileOf(Buffer.concat([npyHeader("<f4", [2, 2]), Buffer.alloc(12)])), /cut off/);
  });
});

describe("safetensors", () => {
  const withHeader = (header: unknown, numbers: number) => {
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return fileOf(Buffer.concat([length, text, Buffer.alloc(4 * numbers)]));
  };
  const tensor = (shape: unknown, offsets: unknown) => ({
    features: { dtype: "F32", shape, data_offsets: offsets },
  });

  it.each([
    ["offsets of another length", tensor([2, 2], [0, 12]), /numbers are not all there/],
    ["offsets behind the end", tensor([2, 2], [8, 24]), /numbers are not all there/],
    ["offsets in text", tensor([2, 2], ["0", "16"]), /numbers are not all there/],
    ["a shape below zero", tensor([-2, -2], [0, 16]), /no type and shape/],
    ["a billion rows of no numbers", tensor([1e9, 0], [0, 0]), /rows hold no numbers/],
    [
      "fewer paths than rows",
      { __metadata__: { paths: '["a"]' }, ...tensor([2, 2], [0, 16]) },
      /paths are not one a row/,
    ],
    [
      "paths that are numbers",
      { __metadata__: { paths: "[1,2]" }, ...tensor([2, 2], [0, 16]) },
      /paths are not one a row/,
    ],
  ] as const)("with %s", async (_, header, message) => {
    await expectRefused(withHeader(header, 4), message);
  });
});

describe("Arrow and Parquet", () => {
  const arrow = (columns: Record<string, unknown[]>) =>
    fileOf(tableToIPC(tableFromArrays(columns as Record<string, string[]>), "file"));

  it.each([
    ["paths that are numbers", { path: [1, 2], feature: [3, 4] }],
    ["no features", { path: ["a", "b"] }],
    ["features that are texts", { path: ["a", "b"], feature: ["1", "2"] }],
    ["features that are single numbers", { path: ["a", "b"], feature: [1, 2] }],
  ])("an Arrow file with %s", async (_, columns) => {
    await expectRefused(arrow(columns), /is no features file/);
  });

  it.each([
    ["paths that are numbers", [{ name: "path", data: [1, 2], type: "INT32" }]],
    ["no features", [{ name: "path", data: ["a", "b"], type: "STRING" }]],
    [
      "features that are single numbers",
      [
        { name: "path", data: ["a", "b"], type: "STRING" },
        { name: "feature", data: [1, 2], type: "FLOAT" },
      ],
    ],
  ] as const)("a Parquet file with %s", async (_, columns) => {
    const columnData = columns.map((c) => ({ ...c, data: [...c.data] }));
    await expectRefused(fileOf(new Uint8Array(parquetWriteBuffer({ columnData }))), /is no features file/);
  });
});

describe("a library's file", () => {
  it.each(["arrow", "parquet", "hdf5"])(
    "of %s that is cut or overwritten leaves no file open",
    async (format) => {
      const path = await goodFile(format);
      const bytes = readFileSync(path);
      const half = fileOf(bytes.subarray(0, bytes.length >> 1));
      const zeros = fileOf(Buffer.concat([bytes.subarray(0, 16), Buffer.alloc(bytes.length - 16)]));
      await expectRefused(half, /is no features file/);
      await expectRefused(zeros, /is no features file/);
      expect(await read(path)).toHaveLength(3);
      if (process.platform !== "linux") return;
      const opened = readdirSync("/proc/self/fd").map((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`);
        } catch {
          return "";
        }
      });
      expect(opened).not.toContain(half);
      expect(opened).not.toContain(zeros);
    },
  );
});

describe("a pickle", () => {
  it("that remembers more values than any file of features needs", async () => {
    const memoize = Buffer.alloc(2 ** 23 + 1, 0x94);
    await expectRefused(
      fileOf(Buffer.concat([Buffer.from("\x80\x04}", "latin1"), memoize, Buffer.from(".")])),
      /keeps more values/,
    );
  });
});
