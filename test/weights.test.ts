/** The weights that come with the project are the published ones, to the bit. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { openCheckpoint } from "../src/node/checkpoint.ts";

const prefix = join(resolve(import.meta.dirname, ".."), "weights/mobilenet_v1_1.0_224.ckpt");

describe("the included weights", () => {
  it.each([
    [".index", "e7a06bd0f80dcdd3942e23bc3b04336a600ae1c3c88750ba9580b9d008cb94dc"],
    [".data-00000-of-00001", "2e77d9b740a37dfa0556730f9fb074bdd921dcc4004ef4e3fe464df7d578cf5b"],
  ])("lie in %s byte for byte", (end, sha256) => {
    expect(
      createHash("sha256")
        .update(readFileSync(`${prefix}${end}`))
        .digest("hex"),
    ).toBe(sha256);
  });

  it("hold 137 variables and the step", async () => {
    const checkpoint = await openCheckpoint(prefix);
    expect(checkpoint.names.filter((name) => name !== "global_step")).toHaveLength(137);
    expect(checkpoint.names).toContain("global_step");
    await checkpoint.close();
  });
});
