/** Files of features, in every format that is read. Pickles are a target of their own, and what libraries read, which takes longer. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../src/errors.ts";
import { seededUnits } from "../../src/seeded.ts";
import { findFormat, formats, writeTable } from "../../src/tables/formats/index.ts";
import { dtypeWidth, type FeatureDtype, type FeatureTable } from "../../src/tables/formats/table.ts";
import { readFeatures } from "../../src/tables/readers/index.ts";
import { type Shape, sizeOf } from "../../src/tensor.ts";
import { ownReference } from "../../test/support/reference.ts";
import { damageZip } from "../chunks.ts";
import { cut, damage } from "../damage.ts";
import { digestOf, type Files, fileOf, type Reading, type Seed, type Target } from "../target.ts";

/** Five rows of numbers, bytes of them for the types that are not float32. */
function table(shape: Shape, dtype: FeatureDtype): FeatureTable {
  const paths = ["a.jpg", "b/é.png", 'with "quotes", and\nlines.bmp', "d.gif", "e"];
  const bytes = Buffer.from(
    Uint8Array.from(
      seededUnits(`features/${dtype}`, paths.length * sizeOf(shape) * dtypeWidth[dtype]),
      (u) => (dtype === "int8" ? 256 * u : 32 * u),
    ),
  );
  const width = bytes.length / paths.length;
  return {
    paths,
    shape,
    dtype,
    scale: dtype === "int8" ? 0.5 : undefined,
    metadata: { model: "m", dtype: { name: dtype, ...(dtype === "int8" && { scale: 0.5 }) } },
    async *rows() {
      for (let i = 0; i < paths.length; i++) yield bytes.subarray(i * width, (i + 1) * width);
    },
  };
}

async function written(format: string, shape: Shape, dtype: FeatureDtype): Promise<Seed> {
  const folder = mkdtempSync(join(tmpdir(), "fuzz-seed-"));
  try {
    const open = `f.${format}`;
    await writeTable(join(folder, open), findFormat(format), table(shape, dtype));
    const files = new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
    return { name: `${format} ${dtype} ${shape.join("x")}`, files, open };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const kinds: readonly (readonly [Shape, FeatureDtype])[] = [
  [[8], "float32"],
  [[1, 2, 3], "float32"],
  [[6], "float16"],
  [[7], "int8"],
];

const writtenAs = (names: readonly string[]) =>
  Promise.all(names.flatMap((name) => kinds.map(([shape, dtype]) => written(name, shape, dtype))));

/** Files that Python and numpy wrote; the README there says how. */
const referenceFiles = (folder: string): Seed[] =>
  readdirSync(join(ownReference, folder)).map((name) => ({
    name,
    files: new Map([[name, readFileSync(join(ownReference, folder, name))]]),
    open: name,
  }));

/** Every row's digest by its number. */
async function readRows(path: string): Promise<Reading> {
  const values = new Map<string, string>();
  try {
    for await (const row of readFeatures(path)) {
      const { shape, data } = row;
      const sound = Array.isArray(shape) && shape.every((d) => Number.isSafeInteger(d) && d >= 0);
      if (typeof row.path !== "string" || !sound || sizeOf(shape) !== data.length) {
        throw new Error(
          `row ${values.size} (${String(row.path)}) has ${data.length} values for ${String(shape)}`,
        );
      }
      values.set(
        String(values.size),
        digestOf(
          row.path,
          shape.join(),
          data.constructor.name,
          new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
        ),
      );
      if (values.size > 100_000) throw new Error("there is no end of rows");
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { values, refusal: error };
  }
  return { values };
}

const deep = Buffer.from("[".repeat(5000));
const words = [
  "null",
  "1e999",
  "-1",
  "{}",
  "[]",
  '"',
  "\\u0000",
  "true",
  '"shape":[',
  '"feature":[',
  '{"path":"x"',
  "<f8",
  "|i1",
  "<U99999999",
  "True",
  "nan",
  "inf",
  ",",
  "\r\n",
];
const tokens = [...words.map((w) => Buffer.from(w)), deep];

const put = (files: Files, name: string, bytes: Buffer): Files => new Map([...files, [name, bytes]]);

/** A target of the files that `names` write. */
const targetOf = (name: string, formatNames: readonly string[], more: () => Seed[] = () => []): Target => ({
  name,
  seeds: async () => [...(await writtenAs(formatNames)), ...more()],
  mutate({ files, open }, dice, seeds) {
    const whole = files.get(open) as Buffer;
    const zip = open.endsWith(".npz");
    const kind = dice.below(10);
    if (kind === 0) {
      return { files: put(files, open, cut(whole, dice)), open, how: "cut", promise: "prefix" };
    }
    if (zip && kind <= 4)
      return { files: put(files, open, damageZip(whole, dice)), open, how: "resealed", promise: "any" };
    if (kind === 1) {
      const [name, bytes] = dice.pick([...files]);
      const bent = damage(bytes, dice, { tokens });
      return { files: put(files, name, bent.bytes), open, how: `${name}: ${bent.how}`, promise: "any" };
    }
    const head = dice.chance(0.4) && !zip ? Math.min(200, whole.length) : 0;
    const donor = fileOf(dice.pick(seeds).files, "");
    const bent = damage(head > 0 ? Buffer.from(whole.subarray(0, head)) : whole, dice, { donor, tokens });
    const bytes = head > 0 ? Buffer.concat([bent.bytes, whole.subarray(head)]) : bent.bytes;
    return { files: put(files, open, bytes), open, how: bent.how, promise: "any" };
  },
  read: readRows,
});

const ofLibraries = ["arrow", "parquet", "hdf5"];

export const features = targetOf(
  "features",
  formats.map((f) => f.name).filter((name) => name !== "pkl" && !ofLibraries.includes(name)),
  () => referenceFiles("npz"),
);

/** A library that does not end is given up after a while, and its processor time is spent until then. */
export const library: Target = { ...targetOf("library", ofLibraries), patience: 15_000 };

/** Pieces of pickles that run code in Python, and ones that cost much. */
const exploits = [
  "cos\nsystem\nX\x04\x00\x00\x00true\x85R",
  "cbuiltins\neval\nX\x01\x00\x00\x001\x85R",
  "c__builtin__\nexec\n",
  "(S'true'\nios\nsystem\n",
  "(cos\nsystem\nX\x04\x00\x00\x00trueo",
  "cnumpy.core.multiarray\n_reconstruct\n",
  "c_codecs\nencode\nX\x01\x00\x00\x00a\x85R",
  "c__builtin__\nbytes\n)R",
  "\x8c\x08builtins\x8c\x07getattr\x93",
  "\x81",
  "\x92",
  "b",
  "R",
  "t",
  "(",
  "h\x00",
  "j\xff\xff\xff\xff",
  "r\xff\xff\xff\x7f",
  "B\xff\xff\xff\xff",
  "\x8e\xff\xff\xff\xff\x00\x00\x00\x00",
  "\x85".repeat(500),
  "\x94".repeat(500),
  "P0\n",
  "Q",
  "\x82\x01",
].map((text) => Buffer.from(text, "latin1"));

export const pickle: Target = {
  name: "pickle",
  seeds: async () => [...(await writtenAs(["pkl"])), ...referenceFiles("pickles")],
  mutate({ files, open }, dice, seeds) {
    const whole = files.get(open) as Buffer;
    if (dice.chance(0.1))
      return { files: put(files, open, cut(whole, dice)), open, how: "cut", promise: "prefix" };
    const donor = dice.pick(seeds);
    const { bytes, how } = damage(whole, dice, { donor: donor.files.get(donor.open), tokens: exploits });
    return { files: put(files, open, bytes), open, how, promise: "any" };
  },
  read: readRows,
};
