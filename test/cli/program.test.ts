import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { abbreviate } from "../../src/cli/load.ts";
import { main } from "../../src/cli/program.ts";
import { ExitCode } from "../../src/errors.ts";
import { findFormat, writeTable } from "../../src/tables/formats/index.ts";
import { bytesOf } from "../../src/tables/numbers.ts";
import { temporaryFolder } from "../support/features.ts";
import { capture, runMain } from "./helpers.ts";

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
    for (const word of ["extract", "load", "fetch", "Examples:", "slimfeatures extract photos"]) {
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

  it("shows the ten usual options of extract first, and all the others below them in groups", async () => {
    const { out } = await runMain("extract", "--help");
    const [, inputs, usual, ...others] = out.split(/^(?=[A-Z].*:$)/m);
    expect(inputs).toMatch(/^Arguments:\n {2}inputs /);
    const optionsOf = (text: string) => text.match(/^ {2}(-h, )?--[\w-]+/gm) ?? [];
    expect(usual).toMatch(/^The usual ones:\n {2}--model /);
    expect(optionsOf(usual)).toHaveLength(10);
    const headings = ["What is read:", "What is computed:", "What is written:", "How it is told:"];
    expect(others.slice(0, 4).map((text) => text.split("\n")[0])).toEqual(headings);
    for (const text of others.slice(0, 4)) expect(optionsOf(text).length).toBeGreaterThan(3);
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

describe("options that npm keeps", () => {
  const runByNpm = async (command: string, args: readonly string[], config: Record<string, string>) => {
    const { io, err } = capture();
    const kept = Object.entries(config).map(([name, value]) => [`npm_config_${name}`, value]);
    const env = {
      npm_lifecycle_event: command,
      npm_package_name: "slimfeatures",
      ...Object.fromEntries(kept),
    };
    return { code: await main([command, ...args], io, env), err: err() };
  };

  it.each([
    ["extract", ["vgg_16"], { model: "true" }, "--model vgg_16"],
    ["extract", [], { model: "vgg_16" }, "--model vgg_16"],
    ["extract", ["photos", "5"], { data_dir: "true", topk: "true" }, "--data-dir <dir> --topk <n>"],
    ["extract", [], { dry_run: "true" }, "--dry-run"],
    ["extract", [], { scope: "tower_0/" }, "--scope tower_0/"],
    ["extract", ["photos"], { overwrite: "true" }, "photos --overwrite"],
    ["checkpoint", ["ls", "x.ckpt"], { json: "true" }, "ls x.ckpt --json"],
  ])("are noticed, not left out in silence: %s %o %o", async (command, args, config, typed) => {
    const { code, err } = await runByNpm(command, args, config as Record<string, string>);
    expect(code).toBe(ExitCode.usage);
    expect(err).toMatch(/^error: npm kept --\S+.* for itself/);
    expect(err).toContain(`slimfeatures ${command} ${typed}\n`);
  });

  it("are not missed where npm's own settings are all that is set, or another script was started", async () => {
    const own = { loglevel: "warn", json: "", yes: "", prefix: "/usr" };
    expect((await runByNpm("models", [], own)).code).toBe(ExitCode.ok);
    const { err } = await runByNpm("extract", ["no such folder"], { ...own, scope: "@mine" });
    expect(err).toContain("no such folder");
    const { io } = capture();
    const env = { npm_lifecycle_event: "build", npm_package_name: "mine", npm_config_json: "true" };
    expect(await main(["models"], io, env)).toBe(ExitCode.ok);
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
