/** The time of every layer of a network, taken over several runs, and of the whole network in one submission. */

import { compile } from "../src/engine/compile.ts";
import type { Device, StepTiming } from "../src/engine/device.ts";
import { variablesOf } from "../src/engine/graph.ts";
import type { Step } from "../src/engine/program.ts";
import { buildNetwork, type Model } from "../src/nets/index.ts";
import { seededWeights } from "../src/nets/seeded-weights.ts";
import { ownFolders } from "../src/node/folder.ts";
import { seededUnits } from "../src/seeded.ts";
import { formatShape, sizeOf } from "../src/tensor.ts";
import { type LayersGflops, layersGflops } from "./micro-kernel.ts";
import { type Spread, spread } from "./spread.ts";
import type { StartUp } from "./start-up.ts";

export interface LayerResult {
  readonly layer: string;
  readonly op: string;
  readonly variant: string;
  /** What the kernel computes at once, where it names that. */
  readonly tile?: string;
  readonly shape: string;
  readonly macs: number;
  readonly milliseconds: Spread;
  readonly gflops: number;
  /** Of the best GFLOP/s that any layer of this run reached. */
  readonly ofBest: number;
  /** Of the sum of all layers' medians. */
  readonly share: number;
}

export interface BenchResult {
  readonly model: string;
  readonly endPoint: string;
  readonly batch: number;
  readonly runs: number;
  readonly backend: string;
  readonly adapter: string;
  readonly clock: string;
  readonly node: string;
  readonly weightBytes: number;
  readonly activationBytes: number;
  readonly stagingBytes: number;
  readonly layers: readonly LayerResult[];
  readonly total: { readonly macs: number; readonly milliseconds: Spread; readonly gflops: number };
  readonly multiplied: LayersGflops;
  /** Input written to features read back. */
  readonly run: Spread;
  readonly startUp?: StartUp;
}

const gflops = (macs: number, milliseconds: number) => (2 * macs) / milliseconds / 1e6;

/** What the step is called: its scope, or for steps of one scope the operation too. */
export function nameOf(step: Step): string {
  const named = step.op === "conv2d" || step.op === "depthwise_conv2d" || step.op === "matmul";
  return named ? step.scope : `${step.scope} ${step.op}`;
}

/** `model` up to its pooled feature, seeded weights, and an input: the time of a layer does not depend on their values. */
export async function prepare(model: Model, batch: number) {
  const graph = buildNetwork(model, batch);
  const program = compile(graph, [model.featureEndPoint]);
  return {
    program,
    weights: await seededWeights(model.name, variablesOf(graph), ownFolders.statistics),
    input: seededUnits("bench/images", sizeOf(program.inputs[0].shape)),
  };
}

/** A GPU that was idle while the network was loaded slows its clock: so long it works before it is timed. */
const warmthMs = 500;

/** Times a network, layer by layer and as a whole. */
export async function benchLayers(
  model: Model,
  device: Device,
  batch: number,
  runs: number,
): Promise<BenchResult> {
  const { program, weights, input } = await prepare(model, batch);
  const session = await device.load(program, weights);
  try {
    await session.run([input]);
    await session.time([input]);
    const began = performance.now();
    while (!device.software && performance.now() - began < warmthMs) await session.run([input]);
    const timings: StepTiming[][] = [];
    const whole: number[] = [];
    // Alternating, so that a slow spell of the machine falls on both.
    for (let i = 0; i < runs; i++) {
      const start = performance.now();
      await session.run([input]);
      whole.push(performance.now() - start);
      timings.push(await session.time([input]));
    }
    // A device may compute several layers in one step.
    const steps = timings[0].map(({ step }) => step);
    const spreads = steps.map((_, i) => spread(timings.map((t) => t[i].milliseconds)));
    const sum = spreads.reduce((ms, s) => ms + s.median, 0);
    const speeds = steps.map((step, i) => gflops(step.cost.macs, spreads[i].median));
    const best = Math.max(...speeds);
    const macs = steps.reduce((all, s) => all + s.cost.macs, 0);
    const totals = spread(timings.map((t) => t.reduce((ms, s) => ms + s.milliseconds, 0)));
    return {
      model: model.name,
      endPoint: model.featureEndPoint,
      batch,
      runs,
      backend: device.backend,
      adapter: device.adapter,
      clock: device.clock,
      node: process.version,
      weightBytes: device.weightBytes,
      activationBytes: session.activationBytes,
      stagingBytes: session.stagingBytes,
      layers: steps.map((step, i) => ({
        layer: nameOf(step),
        op: step.op,
        variant: timings[0][i].variant,
        tile: timings[0][i].tile,
        shape: formatShape(step.shape),
        macs: step.cost.macs,
        milliseconds: spreads[i],
        gflops: speeds[i],
        ofBest: speeds[i] / best,
        share: spreads[i].median / sum,
      })),
      total: { macs, milliseconds: totals, gflops: gflops(macs, totals.median) },
      multiplied: layersGflops(timings),
      run: spread(whole),
    };
  } finally {
    session.close();
  }
}
