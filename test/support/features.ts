/** Stand-ins for the other rooms, and a Python with numpy to read what we write. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, it } from "vitest";
import type { ExtractRequest } from "../../src/extract/extract.ts";
import type { ExtractRooms } from "../../src/extract/rooms.ts";
import { findModel } from "../../src/nets/index.ts";
import type { Network } from "../../src/network/network.ts";
import { listSources, type ReadRecipe } from "../../src/node/images/index.ts";
import type { Shape } from "../../src/tensor.ts";

const folders: string[] = [];

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A fresh folder that goes away with the test file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "features-test-"));
  folders.push(folder);
  return folder;
}

/** Writes `files` (path to content) under `folder`. */
export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}

export interface FakeRooms extends ExtractRooms {
  /** The number of images of each call of `run`. */
  readonly batches: number[];
  /** What the decoding workers were told. */
  readonly recipes: readonly ReadRecipe[];
  /** The options of each network that was opened. */
  readonly opened: unknown[];
  /** How many networks are open. */
  readonly open: () => number;
}

const side = 2;
const namesOf = (layers: readonly string[] = ["features"]) =>
  layers.map((name) => (name === "features" ? "AvgPool_0a_7x7" : name));

/**
 * Rooms without pictures or devices: an image file holds a number, or a word that cannot be decoded. The input is that
 * number everywhere, and each of its end points is [n, n + 0.1, n + 0.2] in float32, of shape `featureShape`.
 */
export function fakeRooms(
  folder: string,
  { featureShape = [1, 1, 3], ...change }: Partial<Network> & { featureShape?: Shape } = {},
): FakeRooms {
  const batches: number[] = [];
  const recipes: ReadRecipe[] = [];
  const opened: unknown[] = [];
  let open = 0;
  const width = featureShape.reduce((n, d) => n * d, 1);
  return {
    batches,
    recipes,
    opened,
    open: () => open,
    checkpointDirectory: join(folder, "checkpoints"),
    openNetwork: async (options) => {
      opened.push(options);
      open++;
      return {
        model: options.model,
        endPoints: namesOf(options.layers).map((name) => ({ name, shape: featureShape })),
        logits: "Logits",
        largestBatch: 100,
        inputShape: [side, side, 3],
        backend: "cpu",
        adapter: "a fake processor",
        software: true,
        choice: "a fake rule",
        weights:
          options.weights === "seeded"
            ? { kind: "seeded" }
            : {
                kind: "checkpoint",
                path: options.checkpoint ?? "",
                checkpoint: options.checkpoint ?? "",
                format: "V1",
                sha256: "0",
                ema: false,
              },
        run: async (images) => {
          batches.push(images.length);
          const feature = Float32Array.from({ length: images.length * width }, (_, i) => {
            return images[Math.floor(i / width)][0] + (i % width) / 10;
          });
          return { outputs: namesOf(options.layers).map(() => feature), device: "cpu a fake processor" };
        },
        explain: async () => "a fake layer gives NaN",
        close: async () => {
          open--;
        },
        ...change,
      };
    },
    identifyCheckpoint: async () => findModel("inception_v2"),
    listSources: async (sources, options) => {
      const { inputs, note } = await listSources(sources, options);
      const named = sources.some(({ kind }) => kind === "list");
      return { inputs: inputs.filter(({ key }) => named || key.endsWith(".png")), note };
    },
    openDecodePool: (workers, recipe) => {
      recipes.push(recipe);
      return {
        workers,
        giveBack: () => {},
        milliseconds: { read: 0, decode: 0 },
        read: async ({ path }, wanted) => {
          const text = await readFile(path as Buffer, "utf8");
          const hash = `hash of ${text}`;
          if (!wanted(hash)) return { status: "known", hash };
          const value = Number(text);
          if (Number.isNaN(value)) return { status: "failed", hash, reason: "holds no number" };
          return { status: "ok", hash, facts, input: new Float32Array(side * side * 3).fill(value) };
        },
        close: async () => {},
      };
    },
    describePreprocess: () => "as it is",
  };
}

const facts = { format: "png", width: side, height: side, orientation: 1, turned: false };

/** A request for everything by default, of the images in `inputs`. */
export function requestFor(inputs: string, change: Partial<ExtractRequest> = {}): ExtractRequest {
  return {
    model: "inception_v1",
    inputs,
    batchSize: 2,
    format: "pkl",
    weights: "seeded",
    ...change,
  };
}

const imports = (command: string, library: string) =>
  spawnSync(command, ["-c", `import ${library}`]).status === 0;

/** The first Python that has numpy. */
export const python = [process.env.PYTHON, "python3", "/usr/bin/python3"].find(
  (command) => command && imports(command, "numpy"),
);

/** The first Python 2 that has numpy. */
export const python2 = [process.env.PYTHON2, "python2", "python2.7"].find(
  (command) => command && imports(command, "numpy"),
);

/** A test that needs Python with a library: skipped where it is not there, except in CI, where that is a failure. */
export function itWithPython(promise: string, body: () => void | Promise<void>, library = "numpy"): void {
  const there = python !== undefined && (library === "numpy" || imports(python, library));
  if (there || process.env.CI === "true") it(promise, body, 60_000);
  else it.skip(`${promise} (skipped: no Python with ${library}; set PYTHON)`, body);
}

/** Runs a Python program with warnings as errors and gives the JSON that it prints. */
export const runPython = (program: string, ...args: string[]): unknown => runBy(python, program, ...args);

export function runBy(command: string | undefined, program: string, ...args: string[]): unknown {
  if (!command) throw new Error("There is no Python with numpy here: set PYTHON.");
  const run = spawnSync(command, ["-W", "error", "-c", program, ...args], { encoding: "utf8" });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout);
}
