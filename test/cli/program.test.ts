import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { abbreviate } from "../../src/cli/load.ts";
import { ExitCode } from "../../src/errors.ts";
import { findFormat, writeTable } from "../../src/features/formats/index.ts";
import { bytesOf } from "../../src/features/numbers.ts";
import { temporaryFolder } from "../features/helpers.ts";
import { runMain } from "./helpers.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

async function featuresFile(format: string, rows: number): Promise<string> {
  const path = join(temporaryFolder(), `f.${format}`);
  await writeTable(path, findFormat(format), {
    paths: Array.from({ length: rows }, (_, i) => `photo ${i}.jpg`),
    shape: [8],
    dtype: "float32",
    metadata: {},
    async *rows() {
      for (let i = 0; i < rows; i++)
        yield bytesOf(Float32Array.from({ length: 8 }, (_, j) => i + j / 8 + 0.1));
    },
  });
  return path;
}

describe("the command line", () => {
  it("shows the commands, examples and every exit code in its help, and succeeds", async () => {
    const { code, out } = await runMain("--help");
    expect(code).toBe(0);
    for (const word of ["extract", "load", "fetch", "Examples:", "npm run extract -- --model inception_v1"]) {
      expect(out).toContain(word);
    }
    for (const exitCode of Object.values(ExitCode))
      expect(out).toMatch(new RegExp(`^ +${exitCode}  \\S`, "m"));
  });

  it.each(["extract", "load", "fetch"])("shows examples in the help of %s", async (command) => {
    const { code, out } = await runMain(command, "--help");
    expect(code).toBe(0);
    expect(out).toMatch(/Examples?:/);
  });

  it("tells its version on stdout", async () => {
    expect(await runMain("--version")).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });

  it.each([
    ["no command", [], /Usage:/],
    ["an unknown command", ["extrakt"], /Did you mean extract\?/],
    ["an unknown option", ["extract", "--model", "x", "--dat-dir", "y"], /Did you mean --data-dir\?/],
    ["no checkpoint to tell the network from", ["extract", "--model", "auto"], /--checkpoint FILE/],
    ["an unknown format", ["extract", "--model", "inception_v1", "--format", "doc"], /pkl, npy, npz/],
    ["a batch size of nothing", ["extract", "--model", "inception_v1", "--batch-size", "0"], /whole number/],
    [
      "an option by both its names",
      ["extract", "--model", "x", "--data-dir", "a", "--data_dir", "b"],
      /cannot be used/,
    ],
    ["a features file that is not there", ["load", "missing.pkl"], /error: Cannot read missing\.pkl/],
    [
      "an unknown network to fetch",
      ["fetch", "nothing"],
      /error: There is no network.*\nhint: .*inception_v1/,
    ],
  ])("ends with the code of wrong usage for %s", async (_name, args, message) => {
    const { code, out, err } = await runMain(...args);
    expect(err).toMatch(message);
    expect(err).not.toMatch(/^ +at /m);
    expect(out).toBe("");
    expect(code).toBe(ExitCode.usage);
  });
});

describe("load", () => {
  it.each(["pkl", "npy", "jsonl"])(
    "prints each path and feature of a %s file, then the count and shape",
    async (format) => {
      expect(await runMain("load", await featuresFile(format, 2))).toEqual({
        code: 0,
        err: "",
        out: [
          "photo 0.jpg : [0.1 0.225 0.35 ... 0.725 0.85 0.975]",
          "photo 1.jpg : [1.1 1.225 1.35 ... 1.725 1.85 1.975]",
          "2 features of shape 8",
          "",
        ].join("\n"),
      });
    },
  );

  it("prints a short feature whole", () => {
    expect(abbreviate(Float32Array.of(1, 2.5, Number.NaN))).toBe("[1 2.5 nan]");
  });

  it("ends quietly when its reader has had enough", async () => {
    const child = spawn(
      process.execPath,
      ["bin/slimfeatures.mjs", "load", await featuresFile("pkl", 20_000)],
      {
        cwd: root,
      },
    );
    let err = "";
    child.stderr.on("data", (text) => {
      err += text;
    });
    await once(child.stdout, "data");
    child.stdout.destroy();
    const [code] = await once(child, "exit");
    expect(err).toBe("");
    expect(code).toBe(0);
  }, 30_000);
});
