/** Every tensor of the files that TensorFlow wrote (test/reference/checkpoints), whatever names the checkpoint. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { TensorValue } from "../../src/checkpoint/index.ts";
import { openCheckpoint } from "../../src/node/checkpoint.ts";
import { needsShared, ownReference, sharedReference } from "../support/reference.ts";

type Scalar = number | string | boolean | [number, number];

interface ReferenceTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Places of the values; all of them, in order, for strings. */
  readonly index?: readonly number[];
  readonly values: readonly Scalar[];
}

type Reference = Record<string, { files: string[]; tensors: Record<string, ReferenceTensor> }>;

const own = join(ownReference, "checkpoints");
const reference = (dir: string) =>
  JSON.parse(readFileSync(join(dir, "checkpoints.json"), "utf8")) as Reference;

const scratch = mkdtempSync(join(tmpdir(), "checkpoints-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A value in the form that the reference lists. */
function valueAt({ dtype, data }: TensorValue, i: number): Scalar {
  if (Array.isArray(data)) return Buffer.from(data[i]).toString("latin1");
  if (dtype.startsWith("complex")) return [Number(data[2 * i]), Number(data[2 * i + 1])];
  if (dtype === "bool") return data[i] !== 0;
  return /int/.test(dtype) ? String(data[i]) : Number(data[i]);
}

async function expectTensors(path: string, tensors: Record<string, ReferenceTensor>): Promise<void> {
  const checkpoint = await openCheckpoint(path);
  try {
    expect(checkpoint.names).toEqual(expect.arrayContaining(Object.keys(tensors)));
    for (const [name, { dtype, shape, index, values }] of Object.entries(tensors)) {
      expect(checkpoint.entry(name), name).toMatchObject({ name, dtype, shape });
      const value = await checkpoint.read(name);
      expect(value, name).toMatchObject({ dtype, shape });
      const ours = values.map((_, i) => valueAt(value, index ? index[i] : i));
      expect(ours, name).toEqual(values);
    }
  } finally {
    await checkpoint.close();
  }
}

describe.each(Object.entries(reference(own)))("%s", (_, { files, tensors }) => {
  it.each(files)("reads back named by its file %s", (file) => expectTensors(join(own, file), tensors));

  it("reads back named by its prefix", () =>
    expectTensors(join(own, files[0].replace(/\.(index|data-.*)$/, "")), tensors));

  it("reads back named by a folder, with and without a state file", async () => {
    const folder = mkdtempSync(join(scratch, "folder-"));
    for (const file of files) cpSync(join(own, file), join(folder, file));
    await expectTensors(folder, tensors);
    const prefix = files[0].replace(/\.(index|data-.*)$/, "");
    // As TensorFlow leaves it after training on another machine.
    writeFileSync(join(folder, "checkpoint"), `model_checkpoint_path: "/gone/${prefix}"\n`);
    await expectTensors(folder, tensors);
    await expectTensors(join(folder, "checkpoint"), tensors);
  });
});

describe("an archive as it is published", () => {
  it.skipIf(!sharedReference)(
    `is read without unpacking it by hand, and leaves nothing behind${needsShared}`,
    async () => {
      const dir = join(sharedReference as string, "checkpoints");
      const temporary = () => readdirSync(tmpdir()).filter((f) => f.startsWith("checkpoint-")).length;
      const before = temporary();
      await expectTensors(
        join(dir, "inception_v1_seeded.tar.gz"),
        reference(dir).inception_v1_seeded.tensors,
      );
      expect(temporary()).toBe(before);
    },
  );
});

describe("reading", () => {
  it("names a tensor that is not there", async () => {
    const checkpoint = await openCheckpoint(join(own, "dtypes_v1.ckpt"));
    await expect(checkpoint.read("no/such/tensor")).rejects.toThrow(
      /There is no tensor no\/such\/tensor in .*dtypes_v1/,
    );
    await checkpoint.close();
  });

  it("gives floating types as float32 and refuses others", async () => {
    const checkpoint = await openCheckpoint(join(own, "dtypes_v2.ckpt"));
    for (const dtype of ["float32", "float64", "float16", "bfloat16"]) {
      expect(await checkpoint.readFloat32(`d/${dtype}`)).toBeInstanceOf(Float32Array);
    }
    await expect(checkpoint.readFloat32("d/int64")).rejects.toThrow("of type int64, not a floating one");
    await expect(checkpoint.readFloat32("d/complex64")).rejects.toThrow("of type complex64");
    await checkpoint.close();
  });

  it("finds an object-based tensor by its path", async () => {
    const checkpoint = await openCheckpoint(join(own, "object_v2.ckpt"));
    expect(checkpoint.entry("model/kernel/.ATTRIBUTES/VARIABLE_VALUE")?.shape).toEqual([3, 3, 4, 5]);
    await checkpoint.close();
  });
});
