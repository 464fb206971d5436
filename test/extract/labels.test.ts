/** Files of labels as people and programs write them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { UsageError } from "../../src/errors.ts";
import { readLabels } from "../../src/extract/predictions.ts";
import { temporaryFolder } from "../support/features.ts";

const folder = temporaryFolder();
let files = 0;
function write(content: string | Uint8Array): string {
  const path = join(folder, `${files++}.txt`);
  writeFileSync(path, content);
  return path;
}
const read = (content: string | Uint8Array) => readLabels(write(content));

const utf16 = (text: string, big = false) => {
  const bytes = Buffer.from(`\ufeff${text}`, "utf16le");
  return big ? bytes.swap16() : bytes;
};

describe("labels", () => {
  it.each<[string, string | Uint8Array, readonly string[]]>([
    ["a name a line", "a\nb c\nd\n", ["a", "b c", "d"]],
    ["no newline at the end", "a\nb", ["a", "b"]],
    ["CRLF and a byte order mark", "\ufeffa\r\nb\r\nc\r\n", ["a", "b", "c"]],
    ["CRLF without an end", "a\r\nb", ["a", "b"]],
    ["CR alone", "a\rb\rc\r", ["a", "b", "c"]],
    ["blank lines at the end", "a\r\nb\r\n\r\n\n  \n", ["a", "b"]],
    ["a blank name in the middle", "a\n\nc\n", ["a", "", "c"]],
    ["UTF-16", utf16("ä\r\nb\r\n"), ["ä", "b"]],
    ["big-endian UTF-16", utf16("ä\nb\n", true), ["ä", "b"]],
    ["TF-Slim's numbers", "0:daisy\n1:dandelion\n2:roses\n", ["daisy", "dandelion", "roses"]],
    ["TF-Slim's numbers, marked, with CRLF", "\ufeff0:daisy\r\n1:rose\r\n", ["daisy", "rose"]],
    ["numbers in another order", "2:c\n0:a\n1:b\n\n", ["a", "b", "c"]],
    [
      "eleven numbers sorted as text",
      "0:a\n1:b\n10:k\n2:c\n3:d\n4:e\n5:f\n6:g\n7:h\n8:i\n9:j",
      [..."abcdefghijk"],
    ],
    ["names with colons", "0:a:b\n1: c: d\n", ["a:b", "c: d"]],
    ["numbers in UTF-16", utf16("0:ä\r\n1:b\r\n"), ["ä", "b"]],
    ["numbers and commas", "0,a\n1,b, c\n", ["a", "b, c"]],
    ["numbers and tabs", "0\ta\n1\tb\n", ["a", "b"]],
    ["numbers and blanks", "0 a b\n1 c\n", ["a b", "c"]],
    ["names that begin with numbers", "7 up\n10 gallon hat\n", ["7 up", "10 gallon hat"]],
    [
      "synsets",
      "n01440764 tench, Tinca tinca\nn01443537 goldfish\n",
      ["n01440764 tench, Tinca tinca", "n01443537 goldfish"],
    ],
    ["one name with a time", "12:30 train\nbus\ncar\n", ["12:30 train", "bus", "car"]],
  ])("with %s are read as meant", async (_, content, names) => {
    expect(await read(content)).toEqual(names);
  });

  it.each<[string, string | Uint8Array, RegExp]>([
    ["a number twice", "0:a\n1:b\n1:c\n", /name class 1 twice/],
    ["a gap", "0:a\n1:b\n3:d\n", /number 3 classes, and one of them 3/],
    ["numbers from 1 on", "1:a\n2:b\n", /number 2 classes, and one of them 2/],
    ["a line without a number", "0:a\n1:b\nc\n", /but not on this: c/],
    ["bytes that are no UTF-8", Buffer.from("caf\xe9\nth\xe9\n", "latin1"), /no text in UTF-8/],
    ["UTF-16 without a mark", Buffer.from("a\nb\n", "utf16le"), /no text in UTF-8/],
    ["half of a character", Buffer.concat([utf16("a\nb"), Buffer.from([1])]), /no text in UTF-8/],
  ])("with %s are refused", async (_, content, said) => {
    const refused = read(content);
    await expect(refused).rejects.toThrow(UsageError);
    await expect(refused).rejects.toThrow(said);
  });

  it("that are not there are refused", async () => {
    await expect(readLabels(join(folder, "gone"))).rejects.toThrow(/gone cannot be read/);
    await expect(readLabels(folder)).rejects.toThrow(/cannot be read/);
    expect(await readLabels(undefined)).toBeUndefined();
  });
});
