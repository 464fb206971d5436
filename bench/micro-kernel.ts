/**
 * What the CPU path's inner kernel reaches by itself, on panels that stay in the first cache, and what the layers reach of it:
 * how much is lost to packing, transforms and memory.
 */

import type { StepTiming } from "../src/engine/device.ts";
import { blockBytes, columns, multiplyPanels, rows } from "../src/kernels/cpu/product.ts";
import { encodeModule, mostPages } from "../src/wasm/module.ts";

const steps = 256;
const panels = 8;

/** GFLOP/s of one thread: the best of many short runs. */
export function microKernelGflops(): number {
  const memory = new WebAssembly.Memory({ initial: 4, maximum: mostPages, shared: true });
  const module = new WebAssembly.Module(encodeModule([multiplyPanels]));
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const multiply = exports[multiplyPanels.name] as (...args: number[]) => void;
  const a = 65_536;
  const b = a + panels * steps * rows * 8;
  const c = b + steps * columns * 8;
  const calls = 50;
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 400; i++) {
    const start = performance.now();
    for (let k = 0; k < calls; k++) multiply(a, b, c, c + panels * blockBytes, blockBytes, steps);
    best = Math.min(best, performance.now() - start);
  }
  return (2 * calls * panels * rows * columns * steps) / best / 1e6;
}

/** GFLOP/s of the layers that multiply, each at its best, by what they really multiply. */
export interface LayersGflops {
  /** All that is multiplied by all the time that it takes. */
  readonly together: number;
  /** The layers' own figures, averaged by their multiply-adds. */
  readonly average: number;
}

export function layersGflops(timings: readonly StepTiming[][]): LayersGflops {
  let macs = 0;
  let milliseconds = 0;
  let weighted = 0;
  for (const [i, { step, macs: done }] of timings[0].entries()) {
    if (step.cost.macs === 0) continue;
    const ofLayer = done ?? step.cost.macs;
    const best = Math.min(...timings.map((run) => run[i].milliseconds));
    macs += ofLayer;
    milliseconds += best;
    weighted += (ofLayer * ofLayer) / best;
  }
  return { together: (2 * macs) / milliseconds / 1e6, average: (2 * weighted) / macs / 1e6 };
}
