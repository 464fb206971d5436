/** The example programs do what they say. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "examples-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  expect(status, stderr).toBe(0);
  return stdout;
}

describe("the examples", () => {
  it("one-image prints a feature", () => {
    expect(run("--import", "tsx", "examples/one-image.ts")).toMatch(
      /^samples\/hills_01\.jpg: AvgPool_1a, 1024 numbers, the first [\d.]+, /,
    );
  });

  it("similar finds images of the same group", () => {
    const lines = run("--import", "tsx", "examples/similar.ts").trim().split("\n");
    expect(lines).toHaveLength(17);
    const group = (key: string) => /([a-z]+)_\d+\.\w+$/.exec(key)?.[1];
    const same = lines.filter((line) => {
      const [, a, b] = /^(.*) is most like (.*) \(/.exec(line) ?? [];
      return group(a) === group(b);
    });
    expect(same.length).toBeGreaterThan(8);
  });

  it("to-file writes a file of features", () => {
    const out = join(folder, "x.parquet");
    expect(run("--import", "tsx", "examples/to-file.ts", "samples", out)).toBe(`17 rows in ${out}\n`);
  });
});

describe("the package's command", () => {
  it("runs from anywhere", () => {
    const { status, stdout } = spawnSync(
      process.execPath,
      [join(root, "bin/slimfeatures.mjs"), "--version"],
      {
        cwd: folder,
        encoding: "utf8",
      },
    );
    expect(status).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
