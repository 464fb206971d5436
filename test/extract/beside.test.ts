/** What lies beside features: out of the way of programs that read a folder, and found by its present and former names. */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { extract } from "../../src/extract/extract.ts";
import { manifestOf } from "../../src/extract/manifest.ts";
import { convertFeatures } from "../../src/tables/convert.ts";
import { findFormat, formats } from "../../src/tables/formats/index.ts";
import { readFeatures } from "../../src/tables/readers/index.ts";
import { madeByOf } from "../../src/tables/vectors.ts";
import {
  fakeRooms,
  itWithPython,
  requestFor,
  runPython,
  temporaryFolder,
  writeFiles,
} from "../support/features.ts";

let folder = "";
beforeEach(() => {
  folder = temporaryFolder();
  writeFiles(join(folder, "in"), { "a.png": "1", "b.png": "2", "c.png": "3" });
});

const run = (out: string, format: string, change = {}) =>
  extract(
    requestFor(join(folder, "in"), { out: join(folder, "out", out), format, ...change }),
    fakeRooms(folder),
  );

const all = async (path: string) => {
  const rows = [];
  for await (const row of readFeatures(path)) rows.push(row);
  return rows;
};

describe("beside features", () => {
  it.each(formats.filter((f) => f.inFolders).map((f) => f.name))(
    "of a format that is read by the folder, %s, everything begins with _",
    async (format) => {
      await run(`f.${format}`, format, { topk: 1, layers: ["features", "Logits"], pca: 2 });
      const names = readdirSync(join(folder, "out"));
      expect(names.filter((name) => !name.startsWith("_")).sort()).toEqual([
        `f.AvgPool_0a_7x7.${format}`,
        `f.Logits.${format}`,
      ]);
      expect(names.filter((name) => name.startsWith("_")).sort()).toEqual(
        [
          ...["AvgPool_0a_7x7", "Logits"].flatMap((layer) => [
            `_f.${layer}.${format}.json`,
            `_f.${layer}.${format}.pca.json`,
          ]),
          ...[".manifest.jsonl", ".predictions.jsonl", ".run"].map((end) => `_f.${format}${end}`),
        ].sort(),
      );
    },
  );

  it("of other formats all names begin as theirs", async () => {
    await run("f.npy", "npy");
    expect(readdirSync(join(folder, "out")).sort()).toEqual([
      "f.npy",
      "f.npy.json",
      "f.npy.manifest.jsonl",
      "f.npy.run",
    ]);
  });

  it("metadata are found by their present and by their former names", async () => {
    const metadata = async (from: string) => {
      const to = join(folder, "as.npy");
      await convertFeatures({ from: [from], to, format: findFormat("npy"), dtype: "float32" });
      return JSON.parse(readFileSync(`${to}.json`, "utf8"));
    };
    const out = join(folder, "out", "f.csv");
    await run("f.csv", "csv", { dtype: "int8" });
    expect(await metadata(out)).toMatchObject({ model: "inception_v1", backend: "cpu" });
    const rows = await all(out);
    renameSync(join(folder, "out", "_f.csv.json"), `${out}.json`);
    expect(await metadata(out)).toMatchObject({ model: "inception_v1", backend: "cpu" });
    expect(await all(out)).toEqual(rows);
  });

  it("manifests and metadata are found by the analysis of features, too", async () => {
    const out = join(folder, "out", "f.parquet");
    await run("f.parquet", "parquet", { layers: ["features", "Logits"] });
    const layer = join(folder, "out", "f.Logits.parquet");
    const manifest = join(folder, "out", "_f.parquet.manifest.jsonl");
    expect(manifestOf(layer, "Logits")).toBe(manifest);
    expect(madeByOf(layer)).toMatchObject({ model: "inception_v1", endPoint: "Logits" });
    renameSync(manifest, `${out}.manifest.jsonl`);
    renameSync(join(folder, "out", "_f.Logits.parquet.json"), `${layer}.json`);
    expect(manifestOf(layer, "Logits")).toBe(`${out}.manifest.jsonl`);
    expect(madeByOf(layer)).toMatchObject({ endPoint: "Logits" });
    expect(madeByOf(join(folder, "nothing.parquet"))).toEqual({});
  });

  it("what an earlier version wrote goes when it is written anew, and its run goes on", async () => {
    await run("f.parquet", "parquet");
    const at = (name: string) => join(folder, "out", name);
    renameSync(at("_f.parquet.run"), at("f.parquet.run"));
    renameSync(at("_f.parquet.json"), at("f.parquet.json"));
    renameSync(at("_f.parquet.manifest.jsonl"), at("f.parquet.manifest.jsonl"));
    const again = await run("f.parquet", "parquet");
    expect(again).toMatchObject({ computed: 0, known: 3 });
    expect(readdirSync(join(folder, "out")).sort()).toEqual(
      ["_f.parquet.json", "_f.parquet.manifest.jsonl", "f.parquet", "f.parquet.run"].sort(),
    );
  });

  it.each(["parquet", "npz", "pkl"])(
    "copies of one source in two folders give the same bytes: %s",
    async (format) => {
      const bytes = [];
      for (const copy of ["one", "another"]) {
        writeFiles(join(folder, copy), { "a.png": "1", "b.png": "2" });
        const out = join(folder, `${copy}.${format}`);
        const request = requestFor(join(folder, copy), { out, format, source: "s3://bucket/images/" });
        const { files, manifest } = await extract(request, fakeRooms(folder));
        expect(files[0].metadata.dataDir).toBe("s3://bucket/images/");
        bytes.push([
          readFileSync(out, "latin1"),
          JSON.stringify(files[0].metadata),
          readFileSync(manifest, "utf8"),
        ]);
      }
      expect(bytes[0]).toEqual(bytes[1]);
    },
  );

  const folders: Readonly<Record<string, string>> = {
    pyarrow:
      "import pyarrow.dataset as d, json, sys; print(json.dumps(sorted(d.dataset(sys.argv[1], format='parquet').to_table()['path'].to_pylist())))",
    duckdb:
      "import duckdb, json, sys; print(json.dumps(sorted(r[0] for r in duckdb.sql(f\"select path from '{sys.argv[1]}/*.parquet'\").fetchall())))",
  };
  for (const [library, program] of Object.entries(folders)) {
    itWithPython(
      `a folder of several Parquet files is one table to ${library}`,
      async () => {
        await run("1.parquet", "parquet");
        mkdirSync(join(folder, "more"));
        writeFileSync(join(folder, "more", "d.png"), "4");
        const out = join(folder, "out", "2.parquet");
        await extract(requestFor(join(folder, "more"), { out, format: "parquet" }), fakeRooms(folder));
        expect(runPython(program, join(folder, "out"))).toEqual(["a.png", "b.png", "c.png", "d.png"]);
      },
      library,
    );
  }
});
