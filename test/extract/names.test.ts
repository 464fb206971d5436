/** Keys of every kind of name come back from every format as they went in: no two of them become one. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { buildNetwork, models } from "../../src/nets/index.ts";
import { nameOf } from "../../src/node/images/index.ts";
import { findFormat, formats, writeTable } from "../../src/tables/formats/index.ts";
import { readFeatures } from "../../src/tables/readers/index.ts";
import { temporaryFolder } from "../support/features.ts";

const names = [
  ...["\xff", "\\xff", "\\x5cxff", "\\\\xff", "\xc3\xa9", "\\u00e9", "a\0b", "a", "a\0", "a\\x00b"],
  ...[
    "line\nbreak",
    "line\r\nbreak",
    "line\\nbreak",
    "line\rbreak",
    "break at its end\n",
    "tab\t",
    " blank",
    "blank ",
  ],
  ...[
    '"quoted"',
    'a "quote',
    'a ""quote',
    "a,comma",
    "'single'",
    "=1+1",
    "{}",
    "\xef\xbb\xbfmarked",
    "marked",
  ],
].map((name) => Buffer.from(name, "latin1"));
const keys = names.map(nameOf);

describe("keys", () => {
  it.each(formats.map(({ name }) => name))("come back from %s as they went in", async (format) => {
    expect(new Set(keys).size).toBe(names.length);
    const path = join(temporaryFolder(), `f.${format}`);
    const rows = async function* () {
      for (const i of keys.keys()) yield new Uint8Array(Float32Array.of(i, 0).buffer);
    };
    await writeTable(path, findFormat(format), {
      paths: keys,
      shape: [2],
      dtype: "float32",
      metadata: {},
      rows,
    });
    const read: [string, number][] = [];
    for await (const row of readFeatures(path)) read.push([row.path, row.data[0]]);
    expect(read).toEqual(keys.map((key, i) => [key, i]));
  });
});

describe("end points", () => {
  it("of a network never share a file, though a slash in their names becomes an underscore", () => {
    for (const model of models) {
      const points = [...buildNetwork(model, 1).endPoints.keys()];
      expect(new Set(points.map((name) => name.replaceAll("/", "_"))).size, model.name).toBe(points.length);
    }
  });
});
