/** Labels as users have them: folders, and tables of many kinds. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { UsageError } from "../../src/errors.ts";
import { labelsByFolder, labelsFrom, labelsFromTable } from "../../src/tables/labels.ts";
import { temporaryFolder } from "../support/features.ts";

const paths = ["a/1.jpg", "a/2.jpg", "b/1.jpg", 'b/odd, "name".jpg'];

async function fromText(text: string, of: readonly string[] = paths) {
  const file = join(temporaryFolder(), "labels.csv");
  writeFileSync(file, text);
  return labelsFromTable(file, of);
}

describe("labels by folders", () => {
  it.each([
    [
      ["cats/1.jpg", "dogs/1.jpg"],
      ["cats", "dogs"],
    ],
    [
      ["photos/cats/a/1.jpg", "photos/cats/b/1.jpg", "photos/dogs/1.jpg"],
      ["cats", "cats", "dogs"],
    ],
  ])("of %j are the first that differ", (given, labels) => {
    expect(labelsByFolder(given)).toEqual({ labels, notes: [] });
  });

  it("are missing where an image lies beside the folders, which is said", () => {
    const { labels, notes } = labelsByFolder(["cats/1.jpg", "dogs/1.jpg", "cover.jpg"]);
    expect(labels).toEqual(["cats", "dogs", undefined]);
    expect(notes).toEqual(["no label, since in no folder of a class: cover.jpg"]);
  });

  it("are none where all images lie in one folder", () => {
    expect(() => labelsByFolder(["x/1.jpg", "x/2.jpg"])).toThrow(UsageError);
    expect(() => labelsByFolder(["1.jpg"])).toThrow("All images lie in one folder");
  });
});

describe("labels from a table", () => {
  it.each([
    ["a header", 'path,label\na/1.jpg,cat\na/2.jpg,dog\nb/1.jpg,cat\n"b/odd, ""name"".jpg",dog\n'],
    ["no header", 'a/1.jpg,cat\na/2.jpg,dog\nb/1.jpg,cat\n"b/odd, ""name"".jpg",dog'],
    ["the label first", 'cat,a/1.jpg\ndog,a/2.jpg\ncat,b/1.jpg\ndog,"b/odd, ""name"".jpg"'],
    [
      "semicolons and a mark",
      '\ufeffFile;Class\r\na/1.jpg;cat\r\na/2.jpg;dog\r\nb/1.jpg;cat\r\n"b/odd, ""name"".jpg";dog\r\n',
    ],
    ["tabs", 'a/1.jpg\tcat\na/2.jpg\tdog\nb/1.jpg\tcat\nb/odd, "name".jpg\tdog\n'],
    [
      "more columns",
      'id,path,split,label\n1,a/1.jpg,x,cat\n2,a/2.jpg,x,dog\n3,b/1.jpg,y,cat\n4,"b/odd, ""name"".jpg",y,dog\n',
    ],
    ["whole paths", 'path,label\n/data/a/1.jpg,cat\n./a/2.jpg,dog\nb\\1.jpg,cat\n"odd, ""name"".jpg",dog\n'],
  ])("with %s are read", async (_, text) => {
    expect(await fromText(text)).toEqual({ labels: ["cat", "dog", "cat", "dog"], notes: [] });
  });

  it("are in the column called so, whichever other one could hold them", async () => {
    const { labels } = await fromText("category,path,label\nx,a/1.jpg,cat\ny,a/2.jpg,dog\n");
    expect(labels.slice(0, 2)).toEqual(["cat", "dog"]);
  });

  it("may miss images and name others, which is said", async () => {
    const { labels, notes } = await fromText("path,label\na/1.jpg,cat\nz.jpg,dog\na/2.jpg,\nb/1.jpg,dog\n");
    expect(labels).toEqual(["cat", undefined, "dog", undefined]);
    expect(notes[0]).toContain('a/2.jpg, b/odd, "name".jpg');
    expect(notes[1]).toContain("but no image of these features: z.jpg");
  });

  it.each(['" a.jpg",cat\n"b.jpg ",dog\n', " a.jpg, cat\nb.jpg ,dog\n"])(
    "find names that begin or end with a space, as names without: %j",
    async (text) => {
      expect(await fromText(text, [" a.jpg", "b.jpg "])).toEqual({ labels: ["cat", "dog"], notes: [] });
    },
  );

  it("leave spaces around names and labels out where no name has them", async () => {
    const found = await fromText(" path , label \n a.jpg , cat \nb.jpg , dog\n", ["a.jpg", "b.jpg"]);
    expect(found).toEqual({ labels: ["cat", "dog"], notes: [] });
  });

  it("do not guess which of two images a short name means", async () => {
    const { labels, notes } = await fromText("path,label\n1.jpg,cat\na/2.jpg,dog\n");
    expect(labels).toEqual([undefined, "dog", undefined, undefined]);
    expect(notes.join()).toContain("no image of these features: 1.jpg");
  });

  it.each([
    ["path,label\nx.jpg,cat\n", "name no image"],
    ["", "name no image"],
    ["a/1.jpg\na/2.jpg\n", "one column only"],
    ["path,size,kind\na/1.jpg,3,cat\n", "Which of the 3 columns"],
    ["path,label,label\na/1.jpg,cat,dog\n", "Which of the 3 columns"],
    ["path,label\na/1.jpg,cat\na/1.jpg,dog\n", "two: cat and dog"],
  ])("that are %j are refused: they %s", async (text, said) => {
    const refused = expect(fromText(text)).rejects;
    await refused.toThrow(UsageError);
    await refused.toThrow(said);
  });

  it("that are not there are said to be missing", async () => {
    await expect(labelsFrom("no-such.csv", paths)).rejects.toThrow(UsageError);
    expect((await labelsFrom("folders", paths)).labels).toEqual(["a", "a", "b", "b"]);
  });

  it("reads a hundred thousand lines", async () => {
    const many = Array.from({ length: 100_000 }, (_, i) => `${i % 7}/${i}.jpg`);
    const { labels } = await fromText(many.map((path, i) => `${path},${i % 7}`).join("\n"), many);
    expect(labels[99_999]).toBe(String(99_999 % 7));
  });
});
