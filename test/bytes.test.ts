import { describe, expect, it } from "vitest";
import {
  bytesOfHex,
  bytesOfLatin1,
  bytesOfUtf8,
  compare,
  concat,
  equals,
  latin1,
  utf8,
  viewOf,
} from "../src/bytes.ts";

const all = Uint8Array.from({ length: 256 }, (_, i) => i);
const words = ["", "a", "ab", "b", "\x7f", "\x80", "é", "\ufeffa", "日本", "😀"];

describe("bytes", () => {
  it("sort as Buffers do", () => {
    for (const a of words)
      for (const b of words) {
        const [x, y] = [bytesOfUtf8(a), bytesOfUtf8(b)];
        expect(Math.sign(compare(x, y))).toBe(Buffer.compare(x, y));
        expect(equals(x, y)).toBe(a === b);
      }
  });

  it("are one for each character, whatever a browser's latin1 is", () => {
    const many = concat(Array.from({ length: 40 }, () => all));
    expect(latin1(many)).toBe(Buffer.from(many).toString("latin1"));
    expect(latin1(all, 250, 900)).toBe("\xfa\xfb\xfc\xfd\xfe\xff");
    expect(latin1(all, 300)).toBe("");
    expect(bytesOfLatin1(latin1(all))).toEqual(all);
  });

  it("are text that keeps its byte order mark", () => {
    for (const word of words) {
      expect(bytesOfUtf8(word)).toEqual(new Uint8Array(Buffer.from(word)));
      expect(utf8(bytesOfUtf8(word))).toBe(word);
    }
    expect(utf8(all)).toBe(Buffer.from(all).toString());
  });

  it("are told by hexadecimal digits", () => {
    expect(bytesOfHex("57fB80")).toEqual(Uint8Array.of(0x57, 0xfb, 0x80));
    expect(bytesOfHex("57f")).toEqual(Uint8Array.of(0x57));
  });

  it("hold numbers where they lie", () => {
    expect(viewOf(all.subarray(4, 8)).getUint32(0)).toBe(0x04050607);
    expect(() => viewOf(all.subarray(4, 8)).getUint32(1)).toThrow(RangeError);
  });
});
