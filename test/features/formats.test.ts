import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type FeatureRow, readFeatures } from "../../src/features/readers/index.ts";
import {
  findFormat,
  formats,
  metadataPath,
  openWriter,
  storedShape,
} from "../../src/features/writers/index.ts";
import { shortestFloat32 } from "../../src/features/writers/jsonl.ts";
import type { Shape } from "../../src/tensor.ts";
import { itWithPython, runPython, temporaryFolder } from "./helpers.ts";

const folder = temporaryFolder();
let files = 0;

const rows: readonly (readonly [string, readonly number[]])[] = [
  ["a.jpg", [0, -0, 1.5, -2.25, 0.1, 3.4028234663852886e38]],
  ["sub folder/é 漢 😀.png", [1e-45, 1 / 3, 12345678, -1e-7, 7, 8]],
  ['quote " and \n newline.bmp', [1, 2, 3, 4, 5, 6]],
];
const shapes: readonly Shape[] = [[6], [1, 2, 3], [2, 3, 1], [3, 1, 2]];

async function write(format: string, shape: Shape = [6]): Promise<string> {
  const path = join(folder, `${files++}.${format}`);
  const writer = await openWriter(path, findFormat(format), storedShape(shape));
  for (const [name, values] of rows) await writer.append(name, Float32Array.from(values));
  await writer.commit({ model: "m" });
  return path;
}

describe.each(formats.map((f) => f.name))("the %s writer", (format) => {
  it.each(shapes)("gives back every path, shape and bit of %j", async (...shape) => {
    const read: FeatureRow[] = [...readFeatures(await write(format, shape))];
    expect(read.map((r) => r.path)).toEqual(rows.map(([path]) => path));
    for (const [i, row] of read.entries()) {
      expect(row.shape).toEqual(shape.filter((d) => d !== 1));
      expect(row.data).toEqual(Float32Array.from(rows[i][1]));
    }
  });

  it("puts the metadata beside the file and leaves nothing else", async () => {
    const path = await write(format);
    expect(JSON.parse(readFileSync(metadataPath(path), "utf8"))).toMatchObject({ model: "m" });
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  it("writes the same bytes each time", async () => {
    expect(readFileSync(await write(format))).toEqual(readFileSync(await write(format)));
  });

  it("leaves an older file untouched until it commits, and when it is abandoned", async () => {
    const path = await write(format);
    const before = readFileSync(path);
    const writer = await openWriter(path, findFormat(format), [6]);
    await writer.append("other", new Float32Array(6));
    expect(readFileSync(path)).toEqual(before);
    await writer.abandon();
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
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
