import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { UsageError, UserError } from "../../src/errors.ts";
import { npyHeader } from "../../src/tables/formats/npy.ts";
import { readFeatures } from "../../src/tables/readers/index.ts";
import { itWithPython, runPython, temporaryFolder } from "../support/features.ts";

const folder = temporaryFolder();

function fileOf(name: string, bytes: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

async function read(path: string) {
  const rows: unknown[] = [];
  for await (const row of readFeatures(path)) rows.push([row.path, row.shape, Array.from(row.data)]);
  return rows;
}

describe("a Python pickle", async () => {
  for (const protocol of [2, 3, 4, 5]) {
    itWithPython(`of protocol ${protocol} is read`, async () => {
      const path = join(folder, `python-${protocol}.pkl`);
      runPython(
        `import pickle, sys, numpy as np
d = {f'é {i}.jpg': np.arange(i, i + 300, dtype=np.float32) for i in range(1500)}
d['double'] = np.array([0.1, 0.2])
d['map'] = np.arange(12, dtype='>f4').reshape(2, 3, 2)
d['empty'] = np.zeros(0, np.float32)
pickle.dump(d, open(sys.argv[1], 'wb'), protocol=int(sys.argv[2]))
print(0)`,
        path,
        String(protocol),
      );
      const rows = await read(path);
      expect(rows).toHaveLength(1503);
      expect(rows[7]).toEqual(["é 7.jpg", [300], Array.from({ length: 300 }, (_, i) => 7 + i)]);
      expect(rows[1500]).toEqual(["double", [2], [0.1, 0.2]]);
      expect(rows[1501]).toEqual(["map", [2, 3, 2], Array.from({ length: 12 }, (_, i) => i)]);
      expect(rows[1502]).toEqual(["empty", [0], []]);
    });
  }

  itWithPython("that Python 2 wrote, with byte strings for text, is read", async () => {
    const name = Buffer.from("caf\u00e9.jpg");
    const header = "\x80\x02}q\x00U";
    const array =
      "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x01\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x04\x00\x00\x80?tb";
    const path = fileOf(
      "python2.pkl",
      Buffer.concat([
        Buffer.from(`${header}${String.fromCharCode(name.length)}`, "latin1"),
        name,
        Buffer.from(`${array}s.`, "latin1"),
      ]),
    );
    expect(await read(path)).toEqual([["café.jpg", [1], [1]]]);
    expect(
      runPython(
        "import pickle, json, sys\nprint(json.dumps([a.tolist() for a in pickle.load(open(sys.argv[1], 'rb'), encoding='latin1').values()]))",
        path,
      ),
    ).toEqual([[1]]);
  });
});

describe("a file that is none of ours is refused", async () => {
  const array = (dtype: string, data: string, fortran = "\x89", dims = "K\x01\x85") =>
    `\x80\x03}X\x01\x00\x00\x00acnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01${dims}cnumpy\ndtype\nX\x02\x00\x00\x00${dtype}\x89\x88\x87R(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb${fortran}C${String.fromCharCode(data.length)}${data}tbs.`;
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ["a call of the system", "\x80\x03cos\nsystem\nX\x04\x00\x00\x00true\x85R.", /wants to use os\.system/],
    [
      "a call by stack",
      "\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.",
      /wants to use builtins\.eval/,
    ],
    ["a name that every object has", "\x80\x03cconstructor\n\n.", /wants to use constructor/],
    ["an instance", "\x80\x03(cos\nsystem\no.", /wants to use os\.system/],
    ["an opcode of instances", "\x80\x02(ios\nsystem\n.", /opcode "i"/],
    ["another protocol", "\x80\x06}.", /protocol 6/],
    ["a number", "\x80\x03K\x05.", /no dictionary/],
    ["a dictionary of numbers", "\x80\x03}X\x01\x00\x00\x00aK\x05s.", /not an array/],
    ["whole numbers", array("i4", "\0\0\0\0"), /type i4/],
    ["too few bytes", array("f4", "\0\0"), /do not fit its shape/],
    ["Fortran order", array("f4", "\0\0\0\0", "\x88", "K\x01K\x01\x86"), /Fortran order/],
    ["an empty stack", "\x80\x03R.", /stack is empty/],
    ["a missing mark", "\x80\x03t.", /mark is missing/],
    ["an empty memo", "\x80\x03h\x05.", /memo 5 is empty/],
    ["a huge length", "\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xff.", /longer than 4 GiB/],
    ["a file cut off", "\x80\x03}X\x05\x00\x00\x00ab", /cut off/],
    ["a web page", "<!DOCTYPE html>", /is no features file/],
    ["nothing", "", /is no features file/],
    ["a JSON line without a feature", '{"path":"a"}\n', /line 1 is no object/],
    ["a broken JSON line", '{"path":"a","feature":[1]}\n{"path"', /line 2 is no object/],
    ["half an NPY file", "\x93NUMPY\x01\x00", /cut off/],
  ];
  it.each(cases)("%s", async (name, bytes, message) => {
    const path = fileOf(name.replaceAll(" ", "-"), Buffer.from(bytes, "latin1"));
    await expect(read(path)).rejects.toThrow(message);
    await expect(read(path)).rejects.toThrow(UserError);
  });

  it("a missing file and a folder, as wrong arguments", async () => {
    await expect(read(join(folder, "missing"))).rejects.toThrow(UsageError);
    await expect(read(folder)).rejects.toThrow(/that is a folder/);
  });

  it.each<[string, readonly (string | null)[], readonly (readonly (number | null)[] | null)[]]>([
    ["a feature", ["a", "b"], [[1, 2], null]],
    [
      "a number",
      ["a", "b"],
      [
        [1, 2],
        [null, 3],
      ],
    ],
    [
      "a path",
      ["a", null],
      [
        [1, 2],
        [3, 4],
      ],
    ],
  ])("an Arrow file in which %s is null, where other bytes stand", async (_, paths, features) => {
    const { Field, FixedSizeList, Float32, Table, tableToIPC, Utf8, vectorFromArray } = await import(
      "apache-arrow"
    );
    const lists = new FixedSizeList(2, new Field("item", new Float32(), true));
    const table = new Table({
      path: vectorFromArray(paths, new Utf8()),
      feature: vectorFromArray(features as number[][], lists),
    });
    const path = fileOf("null.arrow", tableToIPC(table, "file"));
    await expect(read(path)).rejects.toThrow(
      /null\.arrow is no features file: a row of it has no path, or no/,
    );
  });

  it("an NPY file whose metadata has another number of paths", async () => {
    const path = fileOf("x.npy", Buffer.concat([npyHeader("<f4", [1, 1]), new Uint8Array(4)]));
    expect(await read(path)).toEqual([["row 0", [1], [0]]]);
    fileOf("x.npy.json", '{"paths":["a","b"]}');
    await expect(read(path)).rejects.toThrow(/1 rows, but .* 2 paths/);
  });
});

describe("CSV that went through a spreadsheet", () => {
  const bom = "\ufeff";
  it.each<[string, string]>([
    ["with a byte order mark", `${bom}path,f0,f1\r\nmore/a.jpg,0.5,-2\r\n"b, c.jpg",1E-05,3\r\n`],
    ["with semicolons", `${bom}path;f0;f1\r\nmore/a.jpg;0.5;-2\r\n"b, c.jpg";1E-05;3\r\n`],
    ["with semicolons and decimal commas", `path;f0;f1\r\nmore/a.jpg;0,5;-2\r\nb, c.jpg;1,0E-05;3\r\n`],
    ["with tabs", `path\tf0\tf1\nmore/a.jpg\t0.5\t-2\nb, c.jpg\t1E-05\t3\n`],
    [
      "with its separator in a line before",
      `${bom}sep=;\r\npath;f0;f1\r\nmore/a.jpg;0.5;-2\r\nb, c.jpg;1E-05;3\r\n`,
    ],
    [
      "with quotes around every name, as R writes it",
      `"path","f0","f1"\n"more/a.jpg",0.5,-2\n"b, c.jpg",1e-05,3\n`,
    ],
  ])("%s is read", async (name, text) => {
    expect(await read(fileOf(`${name}.csv`, text))).toEqual([
      ["more/a.jpg", [2], [0.5, -2]],
      ["b, c.jpg", [2], [Math.fround(1e-5), 3]],
    ]);
  });

  it.each<[string, string | Uint8Array, RegExp]>([
    ["in UTF-16", Buffer.from(`${bom}path\tf0\r\na.jpg\t1\r\n`, "utf16le"), /text in UTF-16.*/],
    ["in another code page", Buffer.from("path,f0\r\ncaf\xe9.jpg,1\r\n", "latin1"), /a line is not UTF-8/],
    [
      "with points and commas",
      "path;f0;f1\r\na.jpg;1.234;0,5\r\n",
      /a decimal point and others with a comma/,
    ],
    [
      "with points in one line, commas in another",
      "path;f0\r\na.jpg;1.234\r\nb.jpg;0,5\r\n",
      /a decimal point/,
    ],
    ["with a date for a number", "path;f0\r\na.jpg;01.Feb\r\n", /a line has not 1 numbers/],
    ["with decimal commas between commas", "path,f0,f1\r\na.jpg,0,5,1,5\r\n", /a line has not 2 numbers/],
    ["with an index before it", ",path,f0\n0,a.jpg,1\n", /first column is not called path/],
    ["cut off", `${bom}path;f0\r\na.jpg;1\r\nb.jpg;0.12`, /was cut off/],
  ])("%s is refused", async (name, content, reason) => {
    await expect(read(fileOf(`${name}.csv`, content))).rejects.toThrow(reason);
  });
});

it("JSON lines, and the metadata beside a file, may begin with a byte order mark", async () => {
  const line = JSON.stringify({ path: "a.jpg", feature: [1, 2] });
  expect(await read(fileOf("marked.jsonl", `\ufeff${line}\n${line}\n`))).toEqual([
    ["a.jpg", [2], [1, 2]],
    ["a.jpg", [2], [1, 2]],
  ]);
  const array = Buffer.concat([npyHeader("<f4", [1, 1]), Buffer.from(Float32Array.of(3).buffer)]);
  for (const encoding of ["utf8", "utf16le"] as const) {
    fileOf("marked.npy.json", Buffer.from(`\ufeff${JSON.stringify({ paths: ["b.jpg"] })}`, encoding));
    expect(await read(fileOf("marked.npy", array))).toEqual([["b.jpg", [1], [3]]]);
  }
});

describe("a file that is no features file", () => {
  it.each<[string, string, RegExp]>([
    ["of a pickle in text", "(dp0\nS'a.jpg'\n", /old text protocol/],
    ["of MATLAB", "MATLAB 5.0 MAT-file, Platform", /MATLAB/],
    ["that is empty", "", /is empty/],
    ["of noise", "\x01\x02\x03", /of no format that extract writes/],
  ])("%s is told what it is", async (name, content, reason) => {
    await expect(read(fileOf(name, content))).rejects.toThrow(reason);
  });
});
