/** Pickles for Python 2, which every Python reads. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { UsageError } from "../../src/errors.ts";
import { findFormat, writeTable } from "../../src/tables/formats/index.ts";
import type { FeatureDtype } from "../../src/tables/formats/table.ts";
import { bytesOf } from "../../src/tables/numbers.ts";
import { readFeatures } from "../../src/tables/readers/index.ts";
import { runMain } from "../cli/helpers.ts";
import { itWithPython, python2, runBy, runPython, temporaryFolder } from "../support/features.ts";

const folder = temporaryFolder();
const rows = { "a.jpg": [0.5, -3, 7.5, 60], "sub/\u00e9.png": [1, 2, 3, -128 + 255 / 2] };

async function write(dtype: FeatureDtype, protocol: 2 | 3 = 2): Promise<string> {
  const path = join(folder, `${dtype}-${protocol}.pkl`);
  const encode = { float32: Float32Array, float16: undefined, int8: Int8Array }[dtype];
  await writeTable(path, findFormat("pkl", protocol), {
    paths: Object.keys(rows),
    shape: [2, 2],
    dtype,
    scale: dtype === "int8" ? 0.5 : undefined,
    metadata: { dtype: { name: dtype, ...(dtype === "int8" && { scale: 0.5 }) } },
    async *rows() {
      for (const values of Object.values(rows)) {
        // Every byte value from 0 to 255 must survive the way through text.
        yield encode ? bytesOf(encode.from(values)) : Uint8Array.from([0, 128, 255, 254, 10, 13, 127, 1]);
      }
    },
  });
  return path;
}

async function read(path: string) {
  const all: [string, readonly number[], number[]][] = [];
  for await (const row of readFeatures(path)) all.push([row.path, row.shape, Array.from(row.data)]);
  return all;
}

const loaded = `import pickle, json, sys
d = pickle.load(open(sys.argv[1], 'rb'))
print(json.dumps([[k, list(a.shape), a.dtype.str, a.ravel().tolist(), bool(a.flags.writeable)] for k, a in sorted(d.items())]))`;

const expected = [
  ["a.jpg", [2, 2], "<f4", [0.5, -3, 7.5, 60], true],
  ["sub/\u00e9.png", [2, 2], "<f4", [1, 2, 3, -0.5], true],
];

describe("a pickle of protocol 2", () => {
  it.each(["float32", "float16", "int8"] as const)(
    "of %s is read back as one of protocol 3 is",
    async (dtype) => {
      expect(await read(await write(dtype))).toEqual(await read(await write(dtype, 3)));
    },
  );

  itWithPython(
    "uses no opcode that Python 2 lacks, and is read by Python 3 without an encoding",
    async () => {
      const path = await write("float32");
      expect(runPython(loaded, path)).toEqual(expected);
      const newest = "print(max(op.proto for op, _, _ in pickletools.genops(open(sys.argv[1], 'rb'))))";
      expect(runPython(`import pickletools, sys\n${newest}`, path)).toBe(2);
      expect(runPython(`import pickletools, sys\n${newest}`, await write("float32", 3))).toBe(3);
    },
  );

  it.skipIf(!python2)("is read by Python 2, where there is one with numpy (PYTHON2)", async () => {
    for (const load of [loaded, loaded.replace("pickle", "cPickle as pickle")])
      expect(runBy(python2, load, await write("float32"))).toEqual(expected);
  });

  it("is written by extract, convert and merge, and refused of another format", async () => {
    const [first, out] = [await write("float32", 3), join(folder, "two.pkl")];
    for (const command of [
      ["convert", first, out],
      ["merge", out, first],
    ]) {
      expect(await runMain(...command, "--pickle-protocol", "2")).toMatchObject({ code: 0 });
      expect(await read(out)).toEqual(await read(first));
    }
    const refused = await runMain("convert", first, join(folder, "two.npy"), "--pickle-protocol", "2");
    expect(refused).toMatchObject({ code: 2, err: expect.stringMatching(/--pickle-protocol is of pickles/) });
    expect((await runMain("extract", "--pickle-protocol", "4")).err).toMatch(/It must be 2 or 3/);
    expect(() => findFormat("csv", 2)).toThrow(UsageError);
  });
});
