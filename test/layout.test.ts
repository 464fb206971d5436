/** The house: imports point downwards only, and files stay of a size that one reads in a sitting. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");

/** What the files of each room may import of ours besides the room itself. Files in src/ itself are rooms of one. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  // What builds the program stands beside src/.
  "bundle.mjs": [".."],
  "bytes.ts": [],
  "tensor.ts": [],
  "invocation.ts": [],
  "errors.ts": ["invocation.ts"],
  "seeded.ts": ["tensor.ts"],
  "parts.ts": ["errors.ts"],
  "pca.ts": ["seeded.ts", "errors.ts"],
  "posix.ts": ["platform"],
  checkpoint: [
    "platform",
    "bytes.ts",
    "posix.ts",
    "tar-header.ts",
    "half.ts",
    "parts.ts",
    "text.ts",
    "errors.ts",
    "tensor.ts",
  ],
  platform: [],
  wasm: [],
  kernels: ["wasm", "tensor.ts", "errors.ts"],
  engine: ["platform", "kernels", "wasm", "half.ts", "parts.ts", "tensor.ts", "errors.ts"],
  "nearest.ts": [],
  "text.ts": ["bytes.ts"],
  "half.ts": [],
  "tar-header.ts": ["bytes.ts"],
  "crc32.ts": [],
  "counted.ts": [],
  "arguments.ts": ["nearest.ts", "errors.ts"],
  nets: ["platform", "engine", "kernels", "tensor.ts", "errors.ts", "seeded.ts", "nearest.ts"],
  images: ["platform", "wasm", "bytes.ts", "crc32.ts", "parts.ts", "tensor.ts", "errors.ts"],
  "stopped.ts": [],
  "ahead.ts": ["stopped.ts"],
  browser: ["platform", "engine", "images", "bytes.ts", "parts.ts", "posix.ts", "errors.ts"],
  node: [
    "bundle.mjs",
    "platform",
    "engine",
    "checkpoint",
    "images",
    "bytes.ts",
    "tar-header.ts",
    "text.ts",
    "stopped.ts",
    "tensor.ts",
    "errors.ts",
  ],
  network: [
    "nets",
    "engine",
    "checkpoint",
    "platform",
    "nearest.ts",
    "seeded.ts",
    "half.ts",
    "text.ts",
    "tensor.ts",
    "errors.ts",
  ],
  tables: [
    "bundle.mjs",
    "arguments.ts",
    "node",
    "bytes.ts",
    "crc32.ts",
    "half.ts",
    "pca.ts",
    "nearest.ts",
    "seeded.ts",
    "text.ts",
    "tensor.ts",
    "errors.ts",
  ],
  library: [
    "images",
    "network",
    "nets",
    "engine",
    "ahead.ts",
    "stopped.ts",
    "arguments.ts",
    "nearest.ts",
    "invocation.ts",
    "tensor.ts",
    "errors.ts",
  ],
  web: [
    "arguments.ts",
    "browser",
    "library",
    "images",
    "network",
    "nets",
    "platform",
    "parts.ts",
    "stopped.ts",
    "errors.ts",
  ],
  extract: [
    "arguments.ts",
    "analysis",
    "library",
    "ahead.ts",
    "invocation.ts",
    "images",
    "network",
    "tables",
    "nets",
    "engine",
    "node",
    "pca.ts",
    "stopped.ts",
    "text.ts",
    "tensor.ts",
    "errors.ts",
  ],
  analysis: ["arguments.ts", "engine", "kernels", "pca.ts", "seeded.ts", "tensor.ts", "errors.ts"],
  page: ["counted.ts"],
  map: [
    "counted.ts",
    "arguments.ts",
    "library",
    "analysis",
    "extract",
    "page",
    "tables",
    "images",
    "network",
    "nets",
    "engine",
    "node",
    "stopped.ts",
    "errors.ts",
  ],
  verify: ["images", "node", "nets", "engine", "kernels", "tensor.ts", "errors.ts", "seeded.ts"],
  shards: [
    "ahead.ts",
    "extract",
    "tables",
    "images",
    "network",
    "nets",
    "node",
    "stopped.ts",
    "text.ts",
    "tensor.ts",
    "errors.ts",
  ],
  "index.ts": [
    "arguments.ts",
    "shards",
    "map",
    "node",
    "analysis",
    "engine",
    "extract",
    "library",
    "stopped.ts",
    "tables",
    "network",
    "nets",
    "images",
    "checkpoint",
    "errors.ts",
  ],
  cli: [
    "counted.ts",
    "bundle.mjs",
    "invocation.ts",
    "nearest.ts",
    "text.ts",
    "map",
    "analysis",
    "shards",
    "extract",
    "tables",
    "network",
    "node",
    "stopped.ts",
    "verify",
    "nets",
    "engine",
    "images",
    "checkpoint",
    "tensor.ts",
    "errors.ts",
  ],
};

/** The rooms that may take something from Node and its packages. All others run in a browser as well. */
const ofNode = ["map", "bundle.mjs", "node", "tables", "extract", "shards", "verify", "cli"];

/** Packages that run in a browser as well: numbers in, numbers out. */
const ofNumbers = ["ml-matrix", "umap-js"];

const roomOf = (file: string) => relative(join(root, "src"), file).split("/")[0];

const files = (readdirSync(join(root, "src"), { recursive: true }) as string[])
  .filter((f) => /\.(ts|mjs)$/.test(f))
  .map((name) => {
    const file = join("src", name);
    const path = join(root, file);
    const text = readFileSync(path, "utf8");
    const named = [...text.matchAll(/(?:^import|from|import\(|require\()\s*"([^"]+)"/gm)].map((m) => m[1]);
    const imports = named.filter((name) => name.startsWith(".")).map((name) => resolve(dirname(path), name));
    const packages = named.filter((name) => !name.startsWith("."));
    return { path, file, imports, packages, lines: text.split("\n").length };
  });

describe("the rooms of src", () => {
  it("are those of the table", () => {
    expect([...new Set(files.map((f) => roomOf(f.path)))].sort()).toEqual(Object.keys(rooms).sort());
  });

  it("import downwards only", () => {
    const faults = files.flatMap(({ path, file, imports }) =>
      imports
        .filter((i) => roomOf(i) !== roomOf(path) && !rooms[roomOf(path)]?.includes(roomOf(i)))
        .map((i) => `${file} imports ${relative(root, i)}`),
    );
    expect(faults).toEqual([]);
  });

  it("take from Node and its packages in few rooms only", () => {
    const faults = files
      .filter(({ path }) => !ofNode.includes(roomOf(path)))
      .flatMap(({ file, packages }) =>
        packages.filter((name) => !ofNumbers.includes(name)).map((name) => `${file} imports ${name}`),
      );
    expect(faults).toEqual([]);
    const idle = ofNode.filter(
      (room) => !files.some((f) => roomOf(f.path) === room && f.packages.length > 0),
    );
    expect(idle).toEqual([]);
  });

  it("have no cycles inside", () => {
    const imports = new Map(files.map((f) => [f.path, f.imports]));
    const done = new Set<string>();
    const visit = (path: string, trail: readonly string[]): void => {
      expect(trail, "a cycle of imports").not.toContain(path);
      if (done.has(path)) return;
      for (const next of imports.get(path) ?? []) visit(next, [...trail, path]);
      done.add(path);
    };
    for (const { path } of files) visit(path, []);
  });

  it("ask in one place a platform where they lie, so that they can be bundled", () => {
    const asking = files.filter((f) => readFileSync(f.path, "utf8").includes("import.meta"));
    expect(asking.map((f) => f.file).sort()).toEqual(["src/bundle.mjs", "src/web/places.ts"]);
  });

  it("load WebGPU in one place and sharp in one room", () => {
    const users = (name: string) =>
      files
        .filter((f) => readFileSync(f.path, "utf8").match(new RegExp(`(from|import\\() ?"${name}"`)))
        .map((f) => f.file);
    expect(users("webgpu")).toEqual(["src/node/gpu.ts"]);
    expect(users("sharp").every((f) => f.startsWith("src/node/images/"))).toBe(true);
  });

  it("load the analysis of features with the commands that need it, not with the program", () => {
    const loaded = (path: string): string[] =>
      [...readFileSync(path, "utf8").matchAll(/^(?:import|export) (?!type\b)[^;]*?from "(\.[^"]+)"/gm)]
        .filter(([line]) => !/\{(?:\s*type [^,}]+,?)+\s*\}/.test(line))
        .map(([, name]) => resolve(dirname(path), name));
    const seen = new Set<string>();
    const visit = (path: string): void => {
      if (seen.has(path)) return;
      seen.add(path);
      for (const next of loaded(path)) visit(next);
    };
    visit(join(root, "src/cli/main.ts"));
    expect([...seen].map(roomOf)).toContain("cli");
    expect([...seen].filter((path) => roomOf(path) === "analysis")).toEqual([]);
  });

  it("hold no file over 400 lines", () => {
    expect(files.filter((f) => f.lines > 400).map((f) => `${f.file}: ${f.lines}`)).toEqual([]);
  });
});
