/** The engine in a browser: the same bits from the CPU path as in Node, and WebGPU. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { beforeAll, describe, expect, it } from "vitest";
import { findModel } from "../../src/nets/index.ts";
import { nodePlatform } from "../../src/node/platform.ts";
import { hasChromium, type SiteFile, visit } from "../support/chromium.ts";
import { imagenetNames, openCpu, seededWeights } from "../support/node.ts";
import {
  type Computed,
  checkpoint,
  fromCheckpoint,
  imageOfWork,
  programOfWork,
  type Told,
  work,
} from "./work.ts";

const root = join(import.meta.dirname, "../..");

const scriptOf = (entry: string): SiteFile => ({
  type: "text/javascript",
  body: buildSync({
    entryPoints: [join(root, entry)],
    bundle: true,
    write: false,
    platform: "browser",
    format: "iife",
  }).outputFiles[0].text,
});

const files: Readonly<Record<string, () => SiteFile>> = {
  "/": () => ({ type: "text/html", body: '<script>new Worker("/engine-worker.js")</script>' }),
  "/engine-worker.js": () => scriptOf("test/browser/engine-worker.ts"),
  "/cpu-worker.js": () => scriptOf("src/browser/cpu-worker.mjs"),
};

const checkpoints = join(root, "test/reference/checkpoints");

async function file(path: string): Promise<SiteFile | undefined> {
  if (files[path]) return files[path]();
  const own = /^\/own\/dist\/nets\/(.+)$/.exec(path);
  const at = own ? join(root, "src/nets", own[1]) : join(checkpoints, path);
  const body = await readFile(at).catch(() => undefined);
  return body ? { type: "application/octet-stream", body } : undefined;
}

async function featuresInNode(): Promise<number[]> {
  const program = programOfWork();
  const device = openCpu({ threads: 2 });
  const session = await device.load(program, await seededWeights(work.model, program.variables));
  const [features] = await session.run([imageOfWork(program)]);
  await device.close();
  return [...features];
}

describe.skipIf(!hasChromium).each([true, false])("the engine in a browser (isolated: %s)", (isolated) => {
  let told: Told;
  let expected: number[];
  beforeAll(async () => {
    expected = await featuresInNode();
    told = await visit<Told>({ file, isolated });
    expect(told.error).toBeUndefined();
    expect(told.isolated).toBe(isolated);
  });

  it.each(["one thread", "three threads"])("gives the bits of the CPU path in Node, with %s", (threads) => {
    expect(told.computed?.[threads]).toEqual({
      adapter: "unknown processor",
      software: true,
      // Memory is shared with workers only where the site is isolated.
      workers: isolated && threads === "three threads" ? 2 : 0,
      features: expected,
    });
  });

  it("computes by a checkpoint that it is given as Node does by one on its disk", async () => {
    const inNode = await fromCheckpoint(join(checkpoints, checkpoint), nodePlatform);
    expect(told.trained?.features).toEqual(inNode.features);
    expect(told.trained?.weights).toEqual({
      ...inNode.weights,
      path: checkpoint,
      checkpoint,
    });
  });

  it("computes by WebGPU, on an adapter whose name tells what the browser tells", () => {
    const { adapter, software, features } = (told.computed as Record<string, Computed>).webgpu;
    expect({ adapter, software }).toEqual({ adapter: "google swiftshader", software: true });
    const largest = Math.max(...expected.map(Math.abs));
    const furthest = Math.max(...expected.map((v, i) => Math.abs(v - features[i])));
    expect(features).toHaveLength(expected.length);
    expect(furthest / largest).toBeLessThan(1e-5);
  });

  it("reads the project's own files from the site, and knows which are not there", async () => {
    expect(told.names).toEqual(await imagenetNames(findModel("inception_v1"), 1001));
    expect(told.missing).toBe(true);
  });
});
