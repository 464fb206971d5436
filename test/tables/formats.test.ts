import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { OutputError, UserError } from "../../src/errors.ts";
import { storedShape } from "../../src/extract/request.ts";
import { fromHalf, toHalf } from "../../src/half.ts";
import { openAtomic } from "../../src/node/atomic.ts";
import { besidePath, findFormat, formats, writeTable } from "../../src/tables/formats/index.ts";
import { dtypeWidth, type FeatureDtype, type FeatureTable } from "../../src/tables/formats/table.ts";
import { numbersOf, shortestFloat32 } from "../../src/tables/numbers.ts";
import { type FeatureRow, readFeatures } from "../../src/tables/readers/index.ts";
import { type Shape, sizeOf } from "../../src/tensor.ts";
import { itWithPython, runPython, temporaryFolder } from "../support/features.ts";

const folder = temporaryFolder();
let files = 0;

const rows: readonly (readonly [string, readonly number[]])[] = [
  ["a.jpg", [0, -0, 1.5, -2.25, 0.1, 3.4028234663852886e38]],
  ["sub folder/é 漢 😀.png", [1e-45, 1 / 3, 12345678, -1e-7, 7, 8]],
  ['quote " and \n newline.bmp', [1, 2, 3, 4, 5, 6]],
];
const shapes: readonly Shape[] = [[6], [1, 2, 3], [2, 3, 1], [3, 1, 2]];

/** A table of rows, whose generator gives one buffer again and again, as a careful producer may. */
function tableOf(
  shape: Shape,
  dtype: FeatureDtype = "float32",
  named: readonly (readonly [string, readonly number[]])[] = rows,
): FeatureTable {
  const [width, scale] = [dtypeWidth[dtype], dtype === "int8" ? 0.5 : undefined];
  return {
    paths: named.map(([path]) => path),
    shape,
    dtype,
    scale,
    metadata: { model: "m", dtype: { name: dtype, scale } },
    async *rows() {
      const buffer = Buffer.alloc(width * sizeOf(shape));
      for (const [, values] of named) {
        buffer.set(encode(values, dtype));
        yield buffer;
      }
    },
  };
}

function encode(values: readonly number[], dtype: FeatureDtype): Uint8Array {
  if (dtype === "float32") return new Uint8Array(Float32Array.from(values).buffer);
  if (dtype === "float16") return new Uint8Array(Uint16Array.from(values, toHalf).buffer);
  return new Uint8Array(Int8Array.from(values, (v) => v / 0.5).buffer);
}

/** What comes back of values that were stored as `dtype`. */
const kept = (values: readonly number[], dtype: FeatureDtype) =>
  numbersOf({ dtype, scale: 0.5 }, encode(values, dtype));

async function writeAs(format: string, table: FeatureTable): Promise<string> {
  const path = join(folder, `${files++}.${format}`);
  await writeTable(path, findFormat(format), table);
  return path;
}

const write = (format: string, shape: Shape = [6]) => writeAs(format, tableOf(storedShape(shape)));

async function rowsIn(path: string): Promise<FeatureRow[]> {
  const read: FeatureRow[] = [];
  for await (const row of readFeatures(path)) read.push(row);
  return read;
}

const names = formats.map((f) => f.name);
/** CSV has no place for the shape of a map. */
const shapeIn = (format: string, shape: Shape) => (format === "csv" ? [sizeOf(shape)] : shape);

describe.each(names)("the format %s", (format) => {
  it.each(shapes)("gives back every path, shape and bit of %j", async (...shape) => {
    const read = await rowsIn(await write(format, shape));
    expect(read.map((r) => r.path)).toEqual(rows.map(([path]) => path));
    for (const [i, row] of read.entries()) {
      expect(row.shape).toEqual(shapeIn(format, storedShape(shape)));
      expect(row.data).toEqual(Float32Array.from(rows[i][1]));
    }
  });

  it.each(["float16", "int8"] as const)("gives back what %s keeps", async (dtype) => {
    const own = [
      ["a, b.jpg", [0.5, -3, 7.5, 60, -60.5, 0]],
      ["b.jpg", [1, 2, 3, 4, 5, 6]],
    ] as const;
    const read = await rowsIn(await writeAs(format, tableOf([6], dtype, own)));
    expect(read.map((r) => r.path)).toEqual(own.map(([path]) => path));
    for (const [i, row] of read.entries()) expect(row.data).toEqual(kept(own[i][1], dtype));
  });

  it("keeps many rows in their order", async () => {
    const many = Array.from(
      { length: 3000 },
      (_, i) => [`${i}.jpg`, Array.from({ length: 512 }, (_, k) => i + k / 512)] as const,
    );
    const read = await rowsIn(await writeAs(format, tableOf([512], "float32", many)));
    expect(read).toHaveLength(3000);
    for (const i of [0, 1, 2047, 2048, 2049, 2999]) {
      expect(read[i]).toEqual({ path: many[i][0], shape: [512], data: Float32Array.from(many[i][1]) });
    }
  });

  it("is refused when it was cut off", async () => {
    const path = await write(format);
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.subarray(0, Math.floor(bytes.length * 0.6)));
    await expect(rowsIn(path)).rejects.toThrow(UserError);
  });

  it("never gives a wrong value, wherever it was cut off", async () => {
    const path = await write(format);
    const bytes = readFileSync(path);
    for (let end = 16; end < bytes.length; end += Math.ceil(bytes.length / 500)) {
      writeFileSync(path, bytes.subarray(0, end));
      const read: FeatureRow[] = [];
      const take = async () => {
        for await (const row of readFeatures(path)) read.push(row);
      };
      const error = await take().catch((e) => e);
      if (error !== undefined) expect(error, `cut at ${end}`).toBeInstanceOf(UserError);
      const whole = read.map((_, i) => [rows[i][0], Float32Array.from(rows[i][1])]);
      expect(
        read.map(({ path, data }) => [path, data]),
        `cut at ${end}`,
      ).toEqual(whole);
    }
  });

  it("puts the metadata beside the file and leaves nothing else", async () => {
    const path = await write(format);
    expect(JSON.parse(readFileSync(besidePath(path, ".json", findFormat(format)), "utf8"))).toMatchObject({
      model: "m",
    });
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  it("writes the same bytes each time", async () => {
    const before = readFileSync(await write(format));
    // Not by the second in which they were written, either.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(readFileSync(await write(format))).toEqual(before);
  });

  it("leaves an older file untouched when the rows break off", async () => {
    const path = await write(format);
    const before = readFileSync(path);
    const broken = {
      ...tableOf([6]),
      async *rows() {
        yield encode(rows[0][1], "float32");
        throw new Error("broken off");
      },
    };
    await expect(writeTable(path, findFormat(format), broken)).rejects.toThrow("broken off");
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
});

describe("a disk that fills up between two batches", () => {
  it.each(["arrow", "npz", "safetensors"])("is told of by %s, and by nothing else", async (format) => {
    const large = 2 ** 20;
    const table: FeatureTable = {
      ...tableOf([large]),
      paths: ["a", "b", "c"],
      async *rows() {
        for (let i = 0; i < 3; i++) {
          // A write that fails unseen comes to light in this wait.
          await new Promise((resolve) => setTimeout(resolve, 20));
          yield new Uint8Array(4 * large);
        }
      },
    };
    const file = await openAtomic(join(folder, `${files++}.${format}`));
    const full = new OutputError("The disk is full.");
    const append = async (bytes: Uint8Array) => {
      if (bytes.length > 1000) throw full;
      await file.append(bytes);
    };
    try {
      await expect(findFormat(format).write(table, { ...file, append })).rejects.toBe(full);
    } finally {
      await file.abandon();
    }
  });
});

describe("Python's libraries", () => {
  const own = [
    ['a, "b".jpg', [0.5, -3, 7.5, 60, -60.5, 0]],
    ["é 漢 😀.png", [1, 2, 3, 4, 5, 6]],
  ] as const;
  const print =
    "import json, sys, numpy as np\ndef show(paths, rows): print(json.dumps([list(paths), [[float(v) for v in np.asarray(r).ravel()] for r in rows]]))\n";
  const programs: readonly (readonly [format: string, library: string, program: string])[] = [
    [
      "npz",
      "numpy",
      "a = np.load(sys.argv[1], allow_pickle=False)\ns = a['scale'] if 'scale' in a else 1\nshow([str(p) for p in a['paths']], a['features'].astype(np.float32) * s)",
    ],
    [
      "csv",
      "pandas",
      "import pandas as pd\nd = pd.read_csv(sys.argv[1])\nshow(d['path'], d.drop(columns='path').to_numpy(np.float32))",
    ],
    [
      "parquet",
      "pandas",
      "import pandas as pd\nd = pd.read_parquet(sys.argv[1])\nshow(d['path'], d['feature'])",
    ],
    [
      "parquet",
      "pyarrow",
      "import pyarrow.parquet as pq\nd = pq.read_table(sys.argv[1]).to_pydict()\nshow(d['path'], d['feature'])",
    ],
    [
      "arrow",
      "pyarrow",
      "import pyarrow as pa\nt = pa.ipc.open_file(sys.argv[1]).read_all()\ns = json.loads(t.schema.metadata[b'slimfeatures']).get('scale') or 1\nshow(t['path'].to_pylist(), [np.array(r, np.float32) * s for r in t['feature'].to_pylist()])",
    ],
    [
      "hdf5",
      "h5py",
      "import h5py\nf = h5py.File(sys.argv[1])\nd = f['features']\nassert json.loads(f.attrs['metadata'])['model'] == 'm'\nshow([p.decode() for p in f['paths'][:]], d[:].astype(np.float32) * d.attrs.get('scale', 1))",
    ],
    [
      "safetensors",
      "safetensors",
      "from safetensors import safe_open\nf = safe_open(sys.argv[1], 'np')\nm = f.metadata()\nshow(json.loads(m['paths']), f.get_tensor('features').astype(np.float32) * float(m.get('scale', 1)))",
    ],
  ];
  for (const [format, library, program] of programs) {
    itWithPython(
      `read ${format} by ${library} to the same values`,
      async () => {
        for (const dtype of ["float32", "float16", "int8"] as const) {
          const path = await writeAs(format, tableOf([6], dtype, own));
          expect(runPython(print + program, path), dtype).toEqual([
            own.map(([name]) => name),
            own.map(([, values]) => Array.from(kept(values, dtype))),
          ]);
        }
      },
      library,
    );
  }
});

describe("numpy", () => {
  const check = "import pickle, json, sys, numpy as np\n";
  const described = "json.dumps([[p, list(a.shape), a.dtype.str, a.tobytes().hex()] for p, a in d.items()])";

  itWithPython("loads our pickles without a warning, bit for bit", async () => {
    for (const shape of shapes) {
      const read = runPython(
        `${check}d = pickle.load(open(sys.argv[1], 'rb'))\nassert type(d) is dict\nfor a in d.values(): a += 0\nd = pickle.load(open(sys.argv[1], 'rb'))\nprint(${described})`,
        await write("pkl", shape),
      );
      expect(read).toEqual(
        rows.map(([path, values]) => [path, shape.filter((d) => d !== 1), "<f4", hex(values)]),
      );
    }
  });

  itWithPython("maps our npy files, whose rows are aligned", async () => {
    const path = await write("npy", [1, 2, 3]);
    const read = runPython(
      `${check}a = np.load(sys.argv[1], mmap_mode='r')\nd = dict(zip(json.load(open(sys.argv[1] + '.json'))['paths'], a))\nassert a.offset % 64 == 0\nprint(${described})`,
      path,
    );
    expect(read).toEqual(rows.map(([name, values]) => [name, [2, 3], "<f4", hex(values)]));
  });

  itWithPython("reads our JSON lines to the same float32", async () => {
    const read = runPython(
      `${check}d = {o['path']: np.array(o['feature'], np.float32) for o in map(json.loads, open(sys.argv[1], encoding='utf8'))}\nprint(${described})`,
      await write("jsonl"),
    );
    expect(read).toEqual(rows.map(([name, values]) => [name, [6], "<f4", hex(values)]));
  });

  function hex(values: readonly number[]): string {
    return Buffer.from(Float32Array.from(values).buffer).toString("hex");
  }
});

describe("shortestFloat32", () => {
  it.each([
    [0.1, "0.1"],
    [1 / 3, "0.33333334"],
    [16777216, "16777216"],
    [-0, "-0.0"],
    [Number.POSITIVE_INFINITY, "1e999"],
    [Number.NaN, "null"],
  ])("writes float32(%d) as %s", (x, text) => {
    expect(shortestFloat32(Math.fround(x))).toBe(text);
  });

  it("gives back every bit of numbers of all magnitudes", () => {
    const bits = new Uint32Array(1);
    const float = new Float32Array(bits.buffer);
    for (let i = 0; i < 20_000; i++) {
      bits[0] = Math.imul(i, 2654435761) >>> 0;
      if (Number.isFinite(float[0]))
        expect(Math.fround(JSON.parse(shortestFloat32(float[0])))).toBe(float[0]);
    }
  });
});

describe("half precision", () => {
  it("is rounded to nearest, ties to even", () => {
    for (const [value, half] of [
      [0, 0],
      [-0, 0x8000],
      [1, 0x3c00],
      [65504, 0x7bff],
      [65519, 0x7bff],
      [65520, 0x7c00],
      [2 ** -24, 1],
      [2 ** -25, 0],
      [2 ** -25 * 1.0001, 1],
      [2 ** -14, 0x400],
      [1 + 2 ** -11, 0x3c00],
      [1 + 3 * 2 ** -11, 0x3c02],
      [Number.POSITIVE_INFINITY, 0x7c00],
    ] as const)
      expect(toHalf(value), String(value)).toBe(half);
    expect(fromHalf(toHalf(Number.NaN))).toBeNaN();
  });

  it("comes back from its own numbers, all of them", () => {
    for (let half = 0; half < 0x10000; half++) {
      const value = fromHalf(half);
      if (!Number.isNaN(value)) expect(toHalf(value)).toBe(half);
    }
  });
});

describe("storedShape", () => {
  it.each([
    [[1, 1, 1024], [1024]],
    [
      [7, 7, 1024],
      [7, 7, 1024],
    ],
    [[1001], [1001]],
    [[1, 1, 1], [1]],
  ])("stores %j as %j", (shape, stored) => {
    expect(storedShape(shape)).toEqual(stored);
  });
});
