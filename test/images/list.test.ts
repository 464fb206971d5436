/** Lists as people and programs write them: read where the meaning is sure, else refused in one sentence. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listNamed } from "../../src/node/images/index.ts";

let folder = "";
const present = [
  "weave_01.jpg",
  "hills_01.jpg",
  "my photo 2.jpg",
  "more/x.jpg",
  "more/masks/x.png",
  "café.jpg",
  "#1.jpg",
  "a,b.jpg",
  "c;d.jpg",
  'say "hi".jpg',
  "b\n.jpg",
  "noending",
];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "list-"));
  for (const name of present) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), "");
  }
  // A class's folder is no file that its label could mean.
  mkdirSync(join(folder, "cats"));
  writeFileSync(join(folder, "cats/tom.jpg"), "");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const readList = (list: string | Uint8Array, order?: "list") => {
  const { inputs, note } = listNamed(Buffer.from(list as string), folder, { order });
  for (const { key, path } of inputs) {
    // The key is the name, and the path leads to it.
    expect(Buffer.from(path).toString()).toBe(key.startsWith("/") ? key : join(folder, "/") + key);
  }
  return { keys: inputs.map((i) => i.key), note };
};
const utf16 = (text: string, bigEndian = false) => {
  const bytes = Buffer.from(`\ufeff${text}`, "utf16le");
  return bigEndian ? bytes.swap16() : bytes;
};
const both = ["hills_01.jpg", "weave_01.jpg"];

describe("a list", () => {
  it("names files by lines or by zero bytes, each once, sorted; nothing is said of it", () => {
    expect(readList("weave_01.jpg\r\nhills_01.jpg\n\nweave_01.jpg\nmy photo 2.jpg")).toEqual({
      keys: ["hills_01.jpg", "my photo 2.jpg", "weave_01.jpg"],
      note: undefined,
    });
    expect(readList(`b\n.jpg\0${folder}/weave_01.jpg\0`).keys).toEqual([`${folder}/weave_01.jpg`, "b\n.jpg"]);
    const here = listNamed(Buffer.from(`${folder}/weave_01.jpg`), undefined).inputs;
    expect(Buffer.from(here[0].path).toString()).toBe(`${folder}/weave_01.jpg`);
  });

  it("is taken as it stands where files of those very names are there", () => {
    const odd = ["#1.jpg", "a,b.jpg", "c;d.jpg", "my photo 2.jpg", "noending", 'say "hi".jpg'];
    expect(readList(odd.join("\n"))).toEqual({ keys: odd, note: undefined });
  });

  it.each<[string, string | Uint8Array, readonly string[], RegExp | undefined]>([
    ["with a byte order mark", "\ufeffweave_01.jpg\nhills_01.jpg\n", both, undefined],
    [
      "in UTF-16",
      utf16("weave_01.jpg\r\nhills_01.jpg\r\ncafé.jpg\r\n"),
      [...both, "café.jpg"].sort(),
      /UTF-16/,
    ],
    ["in big-endian UTF-16", utf16("weave_01.jpg\r\nhills_01.jpg\r\n", true), both, /UTF-16/],
    [
      "in Windows-1252",
      Buffer.from("weave_01.jpg\ncaf\xe9.jpg\n", "latin1"),
      ["café.jpg", "weave_01.jpg"],
      /1252/,
    ],
    ["with decomposed accents", "weave_01.jpg\ncafe\u0301.jpg\n", ["café.jpg", "weave_01.jpg"], /accents/],
    ["with numbers behind the names", "weave_01.jpg 3\nhills_01.jpg 1\n", both, /column 1/],
    ["with several numbers", "weave_01.jpg 3 0.5 -1\nhills_01.jpg 1 0 0\n", both, /column 1/],
    ["with labels before the names", "3 weave_01.jpg\n1 hills_01.jpg\n", both, /column 2/],
    [
      "with labels behind names of blanks",
      "my photo 2.jpg 3\nhills_01.jpg 1\n",
      ["hills_01.jpg", "my photo 2.jpg"],
      /labels/,
    ],
    [
      "with labels behind tabs",
      "my photo 2.jpg\t3\nhills_01.jpg\t1\n",
      ["hills_01.jpg", "my photo 2.jpg"],
      /tabs/,
    ],
    [
      "of numbers, labels and names, as MXNet has them",
      "0\t3.0\tweave_01.jpg\n1\t1.0\thills_01.jpg\n",
      both,
      /column 3/,
    ],
    [
      "with labels that are the names of folders",
      "cats/tom.jpg,cats\nweave_01.jpg,cats\n",
      ["cats/tom.jpg", "weave_01.jpg"],
      /column 1/,
    ],
    ["of CSV with a header", "path,label\nweave_01.jpg,3\nhills_01.jpg,1\n", both, /commas.*"path,label"/],
    [
      "of CSV with an index, as pandas writes it",
      ",file,label\n0,weave_01.jpg,3\n1,hills_01.jpg,1\n",
      both,
      /column 2/,
    ],
    [
      "of CSV with quotes",
      'path,label\n"a,b.jpg","x ""y"""\n"hills_01.jpg",1\n',
      ["a,b.jpg", "hills_01.jpg"],
      /commas/,
    ],
    [
      "of CSV with semicolons and a byte order mark",
      "\ufeffpath;label\r\nweave_01.jpg;3\r\nhills_01.jpg;1\r\n",
      both,
      /semicolons/,
    ],
    ["of one column with a header", "filename\nweave_01.jpg\nhills_01.jpg\n", both, /filename/],
    ["with comments", "# my list\nweave_01.jpg\n# more\nhills_01.jpg\n", both, /left out 2 lines/],
    [
      "in quotes, as Windows copies paths",
      '"weave_01.jpg"\n"more\\x.jpg"\n',
      ["more/x.jpg", "weave_01.jpg"],
      /backslashes/,
    ],
    [
      "with Windows' separators",
      "more\\x.jpg\n.\\hills_01.jpg\nweave_01.jpg\n",
      ["./hills_01.jpg", "more/x.jpg", "weave_01.jpg"],
      /backslashes/,
    ],
    [
      "of CSV with Windows' separators",
      "more\\x.jpg,1\nhills_01.jpg,2\n",
      ["hills_01.jpg", "more/x.jpg"],
      /commas.*backslashes/,
    ],
    ["with blanks around the names", "  weave_01.jpg \nhills_01.jpg\t\n", both, undefined],
  ])("%s is read, and it is told how", (_, list, keys, note) => {
    const found = readList(list);
    expect(found.keys).toEqual(keys);
    if (note) expect(found.note).toMatch(note);
  });

  it("of file:// addresses is read", () => {
    const list = `file://${folder}/my%20photo%202.jpg\nfile://localhost${folder}/caf%C3%A9.jpg\n`;
    const { keys, note } = readList(list);
    expect(keys).toEqual([`${folder}/café.jpg`, `${folder}/my photo 2.jpg`]);
    expect(note).toMatch(/file:\/\//);
  });

  it("keeps files that are gone, by the names that they would have, where others are there", () => {
    const { keys } = readList("weave_01.jpg,3\nmore\\gone.jpg,1\n");
    expect(keys).toEqual(["more/gone.jpg", "weave_01.jpg"]);
    expect(readList("weave_01.jpg\ngone.jpg\n").keys).toEqual(["gone.jpg", "weave_01.jpg"]);
  });

  it("is read to its end by the layout that its beginning has", () => {
    const lines = Array.from({ length: 1000 }, (_, i) => `${i % 2 ? "weave_01.jpg" : "hills_01.jpg"} ${i}\n`);
    expect(readList(lines.join(""), "list").keys).toHaveLength(1000);
    expect(new Set(readList(lines.join(""), "list").keys)).toEqual(new Set(both));
    const late = [...Array<string>(1000).fill("weave_01.jpg"), "more\\x.jpg"];
    expect(readList(late.join("\n")).keys).toEqual(["more/x.jpg", "weave_01.jpg"]);
  });

  it("keeps its order and its repeats where that is asked", () => {
    const list = "# my list\nweave_01.jpg\n\nhills_01.jpg\nhills_01.jpg\n./hills_01.jpg\n";
    expect(readList(list, "list").keys).toEqual([
      "weave_01.jpg",
      "hills_01.jpg",
      "hills_01.jpg",
      "./hills_01.jpg",
    ]);
    expect(readList(list).keys).toEqual(["./hills_01.jpg", "hills_01.jpg", "weave_01.jpg"]);
  });

  it("of lines that no list has ends soon, with a short sentence", () => {
    for (const line of [
      ".jp ".repeat(16_000),
      ",".repeat(60_000),
      '"'.repeat(60_001),
      "a\t".repeat(1_000_000),
    ]) {
      const read = () => readList(`${line}\n`.repeat(line.length > 100_000 ? 1 : 300));
      expect(read).toThrow(/is there; the first would be|is not there; the first would be/);
      expect(read).toThrow(/^.{1,600}$/);
    }
  });

  it.each<[string, string | Uint8Array, RegExp]>([
    [
      "of files that are not there",
      "gone_1.jpg\ngone_2.jpg\n",
      /None of the 2 files .* the first would be .*gone_1\.jpg/,
    ],
    ["of one that is not there", "gone.jpg", /The file that the list names is not there/],
    ["between zero bytes that are not there", "gone_1.jpg\0gone_2.jpg\0", /None of the 2 files/],
    [
      "of web addresses",
      "https://example.org/a.jpg\nhttps://example.org/b.jpg\n",
      /addresses such as https:.*nothing is downloaded/,
    ],
    ["of another machine's paths", "C:\\Users\\me\\a.jpg\nD:\\b.jpg\n", /paths of Windows/],
    [
      "of pairs of files",
      "more/x.jpg more/masks/x.png\nweave_01.jpg hills_01.jpg\n",
      /columns 1 and 2 both name files/,
    ],
    ["of damaged UTF-16", Buffer.concat([utf16("weave_01.jpg\n"), Buffer.from([0x00, 0xd8])]), /damaged/],
    ["of UTF-16 without its mark", utf16("weave_01.jpg\r\n").subarray(2), /UTF-16 without a byte order mark/],
  ])("%s is refused in one sentence", (_, list, reason) => {
    expect(() => readList(list)).toThrow(reason);
  });
});
