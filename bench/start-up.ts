/** From a process's start to its first feature, with the weights in a checkpoint that lies in the page cache. */
import { fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { needs } from "../src/engine/needs.ts";
import { buildNetwork, type Model } from "../src/nets/index.ts";
import { seededWeights } from "../src/nets/seeded-weights.ts";
import { writeCheckpoint } from "../src/node/checkpoint.ts";
import { ownFolders } from "../src/node/folder.ts";
import { type Spread, spread } from "./spread.ts";

/** Milliseconds since the process's start. */
export interface Marks {
  /** Node and our modules are loaded. */
  readonly loaded: number;
  /** The device is open, kernels are compiled, and weights are on it. */
  readonly ready: number;
}

export interface StartUp {
  readonly loaded: Spread;
  readonly ready: Spread;
  /** Seen from the process that starts it. */
  readonly total: Spread;
}

function startOnce(...args: readonly string[]): Promise<Marks & { total: number }> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = fork(join(import.meta.dirname, "first-feature.mjs"), args, { execArgv: [] });
    let marks: (Marks & { total: number }) | undefined;
    child.once("message", (message) => {
      marks = { ...(message as Marks), total: performance.now() - start };
    });
    child.once("error", reject);
    child.once("exit", (code) => {
      if (marks && code === 0) resolve(marks);
      else reject(new Error(`The process that computes a first feature ended with ${code}.`));
    });
  });
}

/** Starts `model` on `device` `starts` times, after one start that fills the page cache. */
export async function benchStartUp(model: Model, device: string, starts: number): Promise<StartUp> {
  const { variables } = needs(buildNetwork(model, 1), [model.featureEndPoint]);
  const weights = await seededWeights(model.name, variables, ownFolders.statistics);
  const dir = await mkdtemp(join(tmpdir(), "bench-start-up-"));
  try {
    const prefix = join(dir, `${model.name}.ckpt`);
    async function* tensors() {
      for (const { name, shape } of variables) yield { name, shape, data: await weights.read(name) };
    }
    await writeCheckpoint(prefix, tensors());
    const marks: (Marks & { total: number })[] = [];
    await startOnce(model.name, device, prefix);
    for (let i = 0; i < starts; i++) marks.push(await startOnce(model.name, device, prefix));
    return {
      loaded: spread(marks.map((m) => m.loaded)),
      ready: spread(marks.map((m) => m.ready)),
      total: spread(marks.map((m) => m.total)),
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
