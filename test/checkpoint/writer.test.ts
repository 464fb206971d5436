/** The V2 writer, by our own reader; its files were read by TensorFlow 2.21 too. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OutputError } from "../../src/errors.ts";
import { openCheckpoint, type WritableTensor, writeCheckpoint } from "../../src/node/checkpoint.ts";
import { seededTensor } from "../../src/seeded.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "writer-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tensors: WritableTensor[] = [
  { name: "z/weights", shape: [3, 5], data: seededTensor("w", [3, 5]) },
  { name: "a/scalar", shape: [], data: Float32Array.of(3.5) },
  { name: "double", shape: [2], data: Float64Array.of(Math.PI, -1e300) },
  { name: "int", shape: [3], data: Int32Array.of(-1, 0, 2 ** 31 - 1) },
  { name: "global_step", shape: [], data: BigInt64Array.of(-(2n ** 63n)) },
  { name: "bytes", shape: [2], data: Uint8Array.of(0, 255) },
  { name: "empty", shape: [0, 7], data: new Float32Array(0) },
  { name: "text", shape: [3], data: ["hello", "", "\0é"].map((s) => new Uint8Array(Buffer.from(s))) },
  ...Array.from({ length: 6000 }, (_, i) => ({
    name: `many/variables_that_share_a_long_prefix_${i}`,
    shape: [2],
    data: seededTensor(`v${i}`, [2]),
  })),
];

describe("a checkpoint that is written", () => {
  it("reads back, over several blocks", async () => {
    const prefix = join(folder, "all.ckpt");
    await writeCheckpoint(prefix, tensors);
    // A block is closed once its keys and values reach 256 KiB.
    expect(tensors.reduce((n, t) => n + t.name.length, 0)).toBeGreaterThan(2 ** 18);
    const checkpoint = await openCheckpoint(prefix);
    expect(checkpoint.names.length).toBe(tensors.length);
    for (const { name, shape, data } of tensors) {
      const value = await checkpoint.read(name);
      expect(value.shape, name).toEqual(shape);
      expect(value.data, name).toEqual(data);
    }
    await checkpoint.close();
    expect(readdirSync(folder).filter((f) => f.includes("unfinished"))).toEqual([]);
  });

  it("refuses a name twice and a folder that is not there, and leaves nothing", async () => {
    await expect(writeCheckpoint(join(folder, "twice"), [tensors[0], tensors[0]])).rejects.toThrow(
      "two tensors are called",
    );
    await expect(writeCheckpoint(join(folder, "no/such/folder"), tensors)).rejects.toThrow(OutputError);
    expect(readdirSync(folder).filter((f) => !f.startsWith("all"))).toEqual([]);
  });
});
