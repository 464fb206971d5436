/** Decoding workers that die: each takes one image with it, and the run goes on. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pool-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a decoding worker that dies", () => {
  it("takes the image that killed it, and none of those beside it", async () => {
    const png = await sharp({ create: { width: 9, height: 9, channels: 3, background: "teal" } })
      .png()
      .toBuffer();
    const names = ["a", "b", "deadly 1", "c", "d", "deadly 2", "e", "f", "g", "h"];
    const paths = names.map((name) => join(folder, `${name}.png`));
    for (const path of paths) writeFileSync(path, png);
    const here = import.meta.dirname;
    const script = ["--import", "tsx", join(here, "read-all.ts"), ...paths];
    const env = { ...process.env, NODE_OPTIONS: `--require ${join(here, "deadly.cjs")}` };
    const run = spawnSync(process.execPath, script, { encoding: "utf8", env });
    expect(run.stderr).toBe("");
    const outcomes = JSON.parse(run.stdout) as [string, string, string][];
    expect(outcomes.map(([, status]) => status)).toEqual(
      names.map((name) => (name.startsWith("deadly") ? "failed" : "ok")),
    );
    for (const [path, , reason] of outcomes) {
      if (path.includes("deadly")) expect(reason).toMatch(/its decoder died \(exit code 9\)/);
    }
  });
});
