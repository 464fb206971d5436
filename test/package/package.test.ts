/** What `npm pack` gives works in an empty project, as program and as library. */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { copies, scriptOf, scripts } from "../../scripts/dist.mjs";
import { type Consumer, fromRegistry, newConsumer, root, runIn } from "./consumer.ts";

let consumer: Consumer;
/** The beginning of the feature of photos/hills_01.jpg by the program of the checkout, which every way in gives. */
let expected: string;

const photo = "photos/hills_01.jpg";
const write = (name: string, text: string) => writeFileSync(join(consumer.folder, name), text);
const node = (version: string, ...args: string[]) => runIn(consumer.folder, consumer.nodes[version], ...args);
const slimfeatures = (...args: string[]) =>
  node(process.versions.node, "node_modules/slimfeatures/bin/slimfeatures.mjs", ...args);

const firstRow = (path: string) => {
  const [row] = readFileSync(path, "utf8").split("\n");
  return Float32Array.from((JSON.parse(row) as { feature: number[] }).feature.slice(0, 8)).join();
};
/** What only `npm run test:package` tries. */
const asksRegistry = fromRegistry ? "" : " [skipped: npm run test:package asks the registry]";

beforeAll(() => {
  consumer = newConsumer();
  for (const name of ["hills_01.jpg", "towers_02.png"])
    cpSync(join(root, "samples", name), join(consumer.folder, "photos", name));
  const out = join(consumer.folder, "expected.jsonl");
  const args = ["extract", join(consumer.folder, "photos"), "--device", "cpu", "--out", out];
  expect(runIn(root, process.execPath, "bin/slimfeatures.mjs", ...args).status).toBe(0);
  expected = firstRow(out);
}, 900_000);
afterAll(() => consumer && rmSync(dirname(consumer.folder), { recursive: true, force: true }));

describe("the package", () => {
  it("holds what its users need, and nothing that only the project needs", () => {
    const inside = (folder: string) =>
      [
        ...new Set(
          consumer.files
            .filter((path) => path.startsWith(folder))
            .map((path) => path.slice(folder.length).split("/")[0]),
        ),
      ].sort();
    expect(inside("")).toEqual(
      ["LICENSE", "NOTICE", "README.md", "bin", "dist", "package.json", "samples", "weights"].sort(),
    );
    const built = scripts
      .map(({ entry, options }) => ({ name: scriptOf(entry, options), options }))
      .filter(({ name }) => !name.startsWith("bench-"))
      // Scripts for browsers have no map of their source; one that goes into a page has its style beside it.
      .flatMap(({ name, options }) => {
        if (options?.platform !== "browser") return [name, `${name}.map`];
        return options.format === "iife" ? [name, name.replace(/js$/, "css")] : [name];
      });
    const beside = copies.map(({ to }) => to.split("/")[0]);
    const whole = inside("dist/").filter((name) => !/^web-worker-.+\.js$/.test(name));
    expect(whole.length).toBeLessThan(inside("dist/").length);
    expect(whole).toEqual([...new Set([...built, ...beside, "types"])].sort());
  });

  it("has every file that its sources ask for by name, and the script of every worker", () => {
    const sources = (readdirSync(join(root, "src"), { recursive: true }) as string[])
      .filter((name) => name.endsWith(".ts"))
      .map((name) => readFileSync(join(root, "src", name), "utf8"))
      .join("\n");
    const asked = [...sources.matchAll(/\b(sourceUrl|builtUrl|bundledWorker)\(\s*["`]([^"`$]+)/g)]
      .filter(([, , path]) => path !== "../")
      .map(([, by, path]) => `dist/${by === "bundledWorker" ? scriptOf(path) : path}`);
    expect(asked.length).toBeGreaterThan(4);
    expect(asked.filter((path) => !consumer.files.some((file) => file.startsWith(path)))).toEqual([]);
  });

  it("brings at most 40 packages, and none that only its building needs", () => {
    expect(consumer.packages).toBeGreaterThan(10);
    expect(consumer.packages).toBeLessThanOrEqual(40);
    const found = readdirSync(join(consumer.folder, "node_modules"));
    for (const name of ["esbuild", "tsx", "typescript", "cmake-js", "webgpu", "@julusian"])
      expect(found).not.toContain(name);
  });

  it("declares no types but its own and Node's", () => {
    const declarations = consumer.files.filter((path) => path.endsWith(".d.ts"));
    expect(declarations).toContain("dist/types/index.d.ts");
    const imports = declarations.flatMap((path) =>
      [
        ...readFileSync(join(consumer.folder, "node_modules/slimfeatures", path), "utf8").matchAll(
          /\b(?:from|import\()\s*"([^"]+)"/g,
        ),
      ].map(([, name]) => name),
    );
    expect(imports.length).toBeGreaterThan(10);
    expect(imports.filter((name) => !name.startsWith(".") && !name.startsWith("node:"))).toEqual([]);
    expect(imports.filter((name) => name.startsWith(".") && !name.endsWith(".js"))).toEqual([]);
  });
});

describe("the program of the package", () => {
  it("extracts on the CPU, writes nothing into its own folder, and names commands as they are typed there", () => {
    const own = join(consumer.folder, "node_modules/slimfeatures");
    const files = () => (readdirSync(own, { recursive: true }) as string[]).sort();
    const before = files();
    const { status, stderr } = slimfeatures("extract", "photos", "--out", "features.jsonl");
    expect(status, stderr).toBe(0);
    expect(stderr).toContain("Using the CPU.");
    expect(stderr).toContain("JPEG fast");
    expect(stderr).toContain("npx slimfeatures map features.jsonl");
    expect(firstRow(join(consumer.folder, "features.jsonl"))).toBe(expected);
    expect(files()).toEqual(before);
  });

  it("reads and writes the formats of libraries, in its workers", () => {
    for (const format of ["parquet", "arrow", "h5", "npy"]) {
      const converted = slimfeatures("convert", "features.jsonl", `features.${format}`);
      expect(converted.status, converted.stderr).toBe(0);
      const loaded = slimfeatures("load", `features.${format}`);
      expect(loaded.stdout, loaded.stderr).toContain("hills_01.jpg");
    }
  });

  it("says what a GPU takes where it is asked for one", () => {
    const { status, stderr } = slimfeatures("extract", "photos", "--device", "webgpu", "--out", "gpu.npy");
    expect(stderr).toMatch(/^error: The package webgpu, .* is not installed \(npm install webgpu\)\.$/m);
    expect(status).toBe(6);
  });

  it("computes on the CPU where there may be a GPU, and says what would be faster", () => {
    write(
      "with-a-gpu.cjs",
      `const fs = require("node:fs");
      const read = fs.readdirSync;
      fs.readdirSync = (path, ...rest) => (path === "/dev" ? ["nvidia0"] : read(path, ...rest));`,
    );
    const program = "node_modules/slimfeatures/bin/slimfeatures.mjs";
    const args = ["--require", "./with-a-gpu.cjs", program, "extract", "photos", "--out", "auto.jsonl"];
    const { status, stderr } = node(process.versions.node, ...args);
    expect(status, stderr).toBe(0);
    expect(stderr).toMatch(
      /^The package webgpu, .* is not installed \(npm install webgpu\)\. Using the CPU\.$/m,
    );
    expect(firstRow(join(consumer.folder, "auto.jsonl"))).toBe(expected);
  });

  it("extracts its own samples where nothing is named", () => {
    const { status, stderr } = slimfeatures("extract", "--out", "samples.npy");
    expect(status, stderr).toBe(0);
    expect(stderr).toMatch(/^images: .*node_modules\/slimfeatures\/samples /m);
  });

  it.skipIf(!fromRegistry)(`runs by npx from its file, without a project${asksRegistry}`, () => {
    const folder = dirname(consumer.folder);
    const photos = join(basename(consumer.folder), "photos");
    const args = [
      "--yes",
      `--package=${consumer.tarball}`,
      "slimfeatures",
      "extract",
      photos,
      "--out",
      "npx.jsonl",
    ];
    const { status, stderr } = runIn(folder, "npx", ...args);
    expect(status, stderr).toBe(0);
    expect(firstRow(join(folder, "npx.jsonl"))).toBe(expected);
  });
});

/** A program that prints the beginning of a feature, and how the library refuses. */
const program = (load: string) => `${load}
async function main() {
  const extractor = await createExtractor({ device: "cpu" });
  const [feature] = await extractor.features([${JSON.stringify(photo)}]);
  await extractor.close();
  console.log(feature["AvgPool_1a"].slice(0, 8).join());
  for await (const { path, shape } of readFeatures("expected.jsonl")) console.log(path, shape.join());
  try {
    for await (const _ of readFeatures("no-such-file.npy"));
  } catch (error) {
    console.log(error instanceof UserError);
  }
}
void main();
`;
const esm = program('import { createExtractor, readFeatures, UserError } from "slimfeatures";');
const printed = () => [expected, "hills_01.jpg 1024", "towers_02.png 1024", "true", ""].join("\n");

describe("the library of the package", () => {
  const programs: Readonly<Record<string, string>> = {
    "module.mjs": esm,
    "import.cjs": esm
      .replace(/^import .*\n/, "")
      .replace(
        "{\n",
        '{\n  const { createExtractor, readFeatures, UserError } = await import("slimfeatures");\n',
      ),
    "require.cjs": program('const { createExtractor, readFeatures, UserError } = require("slimfeatures");'),
  };

  it.each(Object.keys(programs))("is loaded by %s on every Node that is here", (name) => {
    write(name, programs[name]);
    for (const version of Object.keys(consumer.nodes)) {
      const [major, minor] = version.split(".").map(Number);
      // From here on require() takes ES modules.
      if (name === "require.cjs" && (major < 20 || (major === 20 && minor < 19))) continue;
      const { stdout, stderr, status } = node(version, name);
      expect([version, status, stderr, stdout]).toEqual([version, 0, "", printed()]);
    }
  });

  /** That a type is known, and not taken for anything. */
  const typed = esm.replace(
    "void main();",
    `void main();
// @ts-expect-error: 1 is no path.
export const wrong = readFeatures(1);
export type Row = ReturnType<typeof readFeatures> extends AsyncIterable<infer R> ? R : never;
export const length = (row: Row): number => row.data.length;
`,
  );
  const modes: readonly (readonly [string, string, string, readonly string[]])[] = [
    ["NodeNext", "nodenext", "nodenext", ["typed.mts", "typed.cts"]],
    ["Bundler", "esnext", "bundler", ["typed.mts"]],
  ];

  it.each(modes)("has declarations without errors in %s", (_, module, moduleResolution, files) => {
    for (const file of ["typed.mts", "typed.cts"]) write(file, typed);
    for (const [version, tsc] of Object.entries(consumer.compilers)) {
      for (const lib of [["ES2022"], ["ES2023", "DOM"]]) {
        const options = { module, moduleResolution, lib, target: "ES2022", outDir: "out" };
        const compilerOptions = { ...options, strict: true, skipLibCheck: false, types: [] };
        write("tsconfig.json", JSON.stringify({ compilerOptions, files }));
        const { stdout } = node(process.versions.node, tsc, "--project", ".");
        expect([version, lib.join(), stdout]).toEqual([version, lib.join(), ""]);
      }
      expect(node(process.versions.node, "out/typed.mjs").stdout).toBe(printed());
    }
  });
});
