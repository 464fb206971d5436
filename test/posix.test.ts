import { posix as theirs } from "node:path";
import { describe, expect, it } from "vitest";
import { posix } from "../src/posix.ts";

/** All that four pieces give. */
const pieces = ["", "/", ".", "..", "a", "b.ckpt", "..c"];
const paths = pieces.flatMap((a) =>
  pieces.flatMap((b) => pieces.flatMap((c) => pieces.map((d) => a + b + c + d))),
);

describe("names with slashes", () => {
  it("are taken apart as by node:path", () => {
    for (const path of paths) {
      expect(posix.basename(path), `the last part of ${path}`).toBe(theirs.basename(path));
      // What two slashes at the start mean is left to each system.
      if (!path.startsWith("//"))
        expect(posix.dirname(path), `the folder of ${path}`).toBe(theirs.dirname(path));
      expect(posix.isAbsolute(path)).toBe(theirs.isAbsolute(path));
    }
  });

  it("are put together as by node:path", () => {
    for (const path of paths) {
      expect(posix.join(path), path).toBe(theirs.join(path));
      for (const piece of pieces) {
        expect(posix.join(path, piece), `${path} and ${piece}`).toBe(theirs.join(path, piece));
        expect(posix.join(piece, path), `${piece} and ${path}`).toBe(theirs.join(piece, path));
      }
    }
    expect(posix.join()).toBe(theirs.join());
  });
});
