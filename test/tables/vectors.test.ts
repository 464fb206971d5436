/** A whole file of features as rows. */
import { readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { convertFeatures } from "../../src/tables/convert.ts";
import { findFormat, formats } from "../../src/tables/formats/index.ts";
import { createRowStore, eachRow, type StoredRows } from "../../src/tables/row-store.ts";
import { openVectors, readVectors } from "../../src/tables/vectors.ts";
import { temporaryFolder } from "../support/features.ts";

const folder = temporaryFolder();
function jsonl(
  name: string,
  rows: readonly (readonly [string, readonly (number | null)[], number[]?])[],
): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    rows
      .map(([p, feature, shape]) => `${JSON.stringify({ path: p, feature, ...(shape && { shape }) })}\n`)
      .join(""),
  );
  return path;
}
const some = Array.from({ length: 40 }, (_, i) => [`${i}.jpg`, [i, i / 2, -1 - i]] as const);
/** A place for temporary files where nobody else leaves any. */
const temporary = temporaryFolder();
process.env.TMPDIR = temporary;
const filesOfOurs = () => readdirSync(tmpdir());

async function all(rows: StoredRows): Promise<number[][]> {
  const found: number[][] = [];
  for await (const row of eachRow(rows)) found.push(Array.from(row));
  return found;
}

describe("a file of features as rows", () => {
  it.each(formats.map((f) => f.name))("is the same from %s", async (name) => {
    const to = join(folder, `same.${name}`);
    await convertFeatures({
      from: [jsonl("some.jsonl", some)],
      to,
      format: findFormat(name),
      dtype: "float32",
    });
    const { paths, rows, spoiled } = await readVectors(to);
    expect([paths, spoiled, rows.count, rows.width]).toEqual([some.map(([p]) => p), [], 40, 3]);
    expect(await all(rows)).toEqual(some.map(([, f]) => f.map((v) => v)));
  });

  it.each(["float16", "int8"] as const)("widens %s", async (dtype) => {
    const to = join(folder, `${dtype}.npy`);
    await convertFeatures({ from: [jsonl("some.jsonl", some)], to, format: findFormat("npy"), dtype });
    const { rows } = await readVectors(to);
    for (const [i, v] of some.flatMap(([, f]) => f).entries())
      expect(Math.abs(rows.data[i] - v)).toBeLessThan(dtype === "int8" ? 0.17 : 1e-6);
  });

  it("sets rows apart by name that are not all numbers", async () => {
    const file = jsonl("spoiled.jsonl", [["a", [1, 2]], ["b", [null, 2]], ["c", [1, 1e300]], ["d", [3, 4]]]); // biome-ignore format: rows
    const { paths, rows, spoiled } = await readVectors(file);
    expect([paths, spoiled]).toEqual([["a", "d"], ["b", "c"]]); // biome-ignore format: names
    expect(Array.from(rows.data)).toEqual([1, 2, 3, 4]);
    await expect(readVectors(jsonl("none.jsonl", [["b", [null]]]))).rejects.toThrow(/all 1 are NaN/);
  });

  it("refuses maps, features of several lengths, and none at all, in a sentence", async () => {
    const { writeTable } = await import("../../src/tables/formats/index.ts");
    const maps = join(folder, "maps.npy");
    await writeTable(maps, findFormat("npy"), {
      paths: ["a"],
      shape: [2, 2, 3],
      dtype: "float32",
      metadata: {},
      async *rows() {
        yield new Uint8Array(48);
      },
    });
    await expect(readVectors(maps)).rejects.toThrow(/holds maps of shape 2x2x3, not vectors/);
    await expect(readVectors(maps)).rejects.toMatchObject({ hint: expect.stringContaining("`pool`") });
    await expect(
      readVectors(
        jsonl("lengths.jsonl", [
          ["a", [1]],
          ["b", [1, 2]],
        ]),
      ),
    ).rejects.toThrow(/several lengths: 1, and 2 for b/);
    await expect(readVectors(join(folder, "nothing.npy"))).rejects.toThrow(/nothing.npy/);
  });

  it("takes maps of one place as vectors", async () => {
    const { writeTable } = await import("../../src/tables/formats/index.ts");
    const file = join(folder, "pooled.npy");
    await writeTable(file, findFormat("npy"), {
      paths: ["a"],
      shape: [1, 1, 3],
      dtype: "float32",
      metadata: {},
      async *rows() {
        yield new Uint8Array(Float32Array.of(1, 2, 3).buffer);
      },
    });
    expect((await readVectors(file)).rows.width).toBe(3);
  });

  it("is that of the layer that is asked for, of several that one run wrote", async () => {
    const base = jsonl("layers.jsonl", [["a", [1]]]);
    const other = jsonl("layers.Mixed_5c.jsonl", [["a", [2]]]);
    writeFileSync(`${base}.json`, JSON.stringify({ endPoint: "AvgPool_1a" }));
    expect((await readVectors(base, "Mixed_5c")).file).toBe(other);
    expect((await readVectors(base, "AvgPool_1a")).file).toBe(base);
    await expect(readVectors(base, "Mixed_6a")).rejects.toThrow(
      /no features of Mixed_6a: .* is of AvgPool_1a, and there is no .*layers.Mixed_6a.jsonl/,
    );
  });

  it.each([0, 12, 100, 300])("goes to a temporary file beyond %i bytes, and leaves none", async (memory) => {
    const before = filesOfOurs();
    const { vectors, close } = await openVectors(jsonl("large.jsonl", some), undefined, memory);
    expect("read" in vectors.rows).toBe(true);
    // Not even while it is read, so that a killed process leaves none.
    if (process.platform !== "win32") expect(filesOfOurs()).toEqual(before);
    expect(await all(vectors.rows)).toEqual(some.map(([, f]) => f.map((v) => v)));
    if ("read" in vectors.rows) {
      expect(Array.from(await vectors.rows.read(7, 9))).toEqual([7, 3.5, -8, 8, 4, -9]);
      await expect(vectors.rows.read(39, 41)).rejects.toThrow(/not there/);
    }
    close();
    expect(filesOfOurs()).toEqual(before);
    await expect(openVectors(jsonl("bad.jsonl", [...some, ["x", [1]]]), undefined, memory)).rejects.toThrow(
      /several lengths/,
    );
    expect(filesOfOurs()).toEqual(before);
  });

  it.each([
    ['{"model": 5}', /its model is of a wrong type/],
    ['{"weights": null}', /its weights is of a wrong type/],
    ['{"weights": {"sha256": []}}', /its weights.sha256 is of a wrong type/],
    ['{"preprocess": "slim"}', /its preprocess is of a wrong type/],
    ["[", /cannot be read/],
    ["null", /it is no object/],
  ])("refuses metadata of %s", async (text, sentence) => {
    const file = jsonl("metadata.jsonl", [["a", [1]]]);
    writeFileSync(`${file}.json`, text);
    await expect(readVectors(file)).rejects.toThrow(sentence);
    writeFileSync(`${file}.json`, '{"from": "elsewhere", "dataDir": ["a", "b"], "weights": {}}');
    expect((await readVectors(file)).madeBy.model).toBeUndefined();
  });

  it("stays in memory where it fits, however many were expected", () => {
    for (const expected of [1, 2, 1000]) {
      const store = createRowStore(2, expected, 8000);
      for (let i = 0; i < 900; i++) store.add(Float32Array.of(i, -i));
      const rows = store.rows();
      expect("data" in rows && rows.data.length).toBe(1800);
      expect("data" in rows && rows.data[1799]).toBe(-899);
    }
  });
});
