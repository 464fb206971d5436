/** What a page takes of the project is one script for browsers: nothing of Node is in it, and it is small. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { buildSync } from "esbuild";
import { describe, expect, it } from "vitest";
import type { Device } from "../src/engine/device.ts";
import type { WeightSource } from "../src/engine/weights.ts";
import { models as ownModels } from "../src/nets/index.ts";
import { seededUnits } from "../src/seeded.ts";
import { openCpu } from "./support/node.ts";

const root = join(import.meta.dirname, "..");

/** All modules of a room. */
const room = (name: string): string[] =>
  readdirSync(join(root, "src", name), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.(ts|mjs)$/.test(file) && !/\.d\.m?ts$/.test(file))
    .map((file) => `src/${name}/${file}`);

/** All that has to run in a browser. */
const entries: readonly string[] = [
  "src/seeded.ts",
  "src/crc32.ts",
  ...["npy", "npz", "csv", "pkl", "parquet"].map((name) => `src/tables/formats/${name}.ts`),
  ...room("library"),
  ...room("platform"),
  ...room("browser").filter((file) => file !== "src/browser/cpu-worker.mjs"),
  ...room("wasm"),
  ...room("kernels"),
  ...room("engine"),
  ...room("nets"),
  ...room("network"),
  ...room("checkpoint"),
  ...room("images"),
  ...room("library"),
];

/** What a page loads that computes features of a checkpoint that it is given. */
const page: readonly string[] = [
  "src/browser/platform.ts",
  "src/browser/files.ts",
  "src/network/network.ts",
  "src/images/preprocess.ts",
];

/** Globals of Node that browsers lack. */
const globalsOfNode = ["Buffer", "process", "global", "require", "setImmediate", "__dirname", "__filename"];

/** Stands in the script wherever a global of Node is referred to, and not where a property or a variable has its name. */
const markOf = (name: string) => `of_node_${name}`;

const apart = (file: string, i: number) => `export * as module${i} from "./${file}";`;
const together = (file: string) => `export * from "./${file}";`;

/**
 * One minified script that exports all of every module, each under a name of its own or all together.
 * @throws Error where an import is not to be had in a browser.
 */
function bundle(modules: readonly string[], exported = apart): string {
  const contents = modules.map(exported).join("\n");
  const { outputFiles } = buildSync({
    stdin: { contents, resolveDir: root },
    bundle: true,
    write: false,
    platform: "browser",
    format: "esm",
    minify: true,
    logLevel: "silent",
    define: Object.fromEntries(globalsOfNode.map((name) => [name, markOf(name)])),
  });
  return outputFiles[0].text;
}

const ofNode = (script: string) => [
  ...globalsOfNode.filter((name) => script.includes(markOf(name))),
  ...(script.match(/\bnode:\w+/g) ?? []),
];

describe("the script for browsers", () => {
  const script = bundle(entries);

  it("needs nothing of Node", () => {
    expect(ofNode(script)).toEqual([]);
    expect(script.match(/\b(?:from|import) ?\(?"[^"]*"/g)).toBeNull();
  });

  it("computes with every network in it, on a platform that has nothing but one thread", async () => {
    const url = `data:text/javascript;base64,${Buffer.from(script).toString("base64")}`;
    const all = (await import(/* @vite-ignore */ url)) as Record<string, unknown>;
    const exportsOf = <T>(file: string) => all[`module${entries.indexOf(file)}`] as T;
    const { models, findModel, buildNetwork } =
      exportsOf<typeof import("../src/nets/index.ts")>("src/nets/index.ts");
    expect(models).toHaveLength(ownModels.length);
    const { openDevice } = exportsOf<typeof import("../src/engine/devices.ts")>("src/engine/devices.ts");
    const { compile } = exportsOf<typeof import("../src/engine/compile.ts")>("src/engine/compile.ts");
    const { seededVariable } = exportsOf<typeof import("../src/seeded.ts")>("src/seeded.ts");
    const threads = {
      count: () => 1,
      processor: () => "a processor",
      start: () => {
        throw new Error("there is one thread only");
      },
      nextTurn: async () => {},
    };
    const device = await openDevice("auto", {
      threads,
      copy: (from, to) => to.set(from),
    });
    expect(device).toMatchObject({ backend: "cpu", adapter: "a processor" });
    const program = compile(buildNetwork(findModel("lenet"), 1), ["Logits"]);
    const shapes = new Map(program.variables.map(({ name, shape }) => [name, shape]));
    const weights: WeightSource = {
      name: "seeded weights",
      shapeOf: (name) => shapes.get(name),
      read: async (name) => seededVariable(name, shapes.get(name) ?? []) as Float32Array,
    };
    const run = async (on: Device) => {
      const session = await on.load(program, weights);
      const outputs = await session.run([seededUnits("an image", 28 * 28)]);
      await on.close();
      return outputs;
    };
    const outputs = await run(device);
    expect(outputs[0]).toHaveLength(10);
    expect(outputs).toEqual(await run(openCpu({ threads: 1 })));
  });

  it("takes at most 90 KB packed, with the executor of WebGPU and all networks in it", () => {
    const small = bundle(page, together);
    for (const part of ["dispatchWorkgroups", "@workgroup_size", "pnasnet"])
      expect(small.includes(part)).toBe(true);
    expect(gzipSync(small, { level: 9 }).length).toBeLessThanOrEqual(90 * 1024);
  });

  it("would not be made of what is Node's", () => {
    expect(() => bundle(["src/node/fetch.ts"])).toThrow(/Could not resolve "node:/);
    expect(ofNode(bundle(["src/node/copy.ts"]))).toEqual(["Buffer"]);
  });
});
