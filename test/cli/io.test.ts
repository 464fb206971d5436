import { describe, expect, it } from "vitest";
import { visible } from "../../src/cli/io.ts";

describe("text for a terminal", () => {
  it("keeps lines, tabs, letters of all scripts and what this program draws with", () => {
    const text = "\r\x1b[Ké 漢 😀\ttab\n\x1b[1;31mUNTRAINED\x1b[0m [\x1b[32m##\x1b[39m..]\r\n";
    expect(visible(text)).toBe(text);
  });

  it.each([
    ["\x1b[2Jcleared", "\\x1b[2Jcleared"],
    ["\x1b]0;title\x07", "\\x1b]0;title\\x07"],
    ["good.jpg\rbad", "good.jpg\\x0dbad"],
    ["back\b\b\b\b", "back\\x08\\x08\\x08\\x08"],
    ["\x9b31mC1\x7f", "\\x9b31mC1\\x7f"],
  ])("makes the commands in %j visible", (text, shown) => {
    expect(visible(text)).toBe(shown);
  });
});
