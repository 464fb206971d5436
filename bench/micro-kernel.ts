/**
 * What the CPU path's inner kernel reaches by itself, on panels that stay in the first cache, and what the layers reach of it:
 * how much is lost to packing, transforms and memory.
 */

import { createHeap } from "../src/engine/cpu/heap.ts";
import { openPool, type PoolStep } from "../src/engine/cpu/pool.ts";
import type { StepTiming } from "../src/engine/device.ts";
import { blockBytes, columns, multiplyPanels, rows } from "../src/kernels/cpu/product.ts";
import { nodeThreads } from "../src/node/threads.ts";
import { add, call, count, type Fn, func, i32 } from "../src/wasm/code.ts";
import { encodeModule, mostPages } from "../src/wasm/module.ts";
import { spread } from "./spread.ts";

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

const rowsBytes = panels * steps * rows * 8;
const columnsBytes = steps * columns * 8;
const sumsBytes = panels * blockBytes;
const callsOfTask = 50;

/** A task of nothing but the inner kernel, in its thread's own memory. */
const innerTask = func("inner_kernel", 3, ([, , scratch], scope) => {
  const i = scope.local("i32");
  const sums = add(scratch, i32(rowsBytes + columnsBytes));
  return [
    count(i, i32(0), i32(callsOfTask), i32(1), [
      call(
        multiplyPanels,
        scratch,
        add(scratch, i32(rowsBytes)),
        sums,
        add(sums, i32(sumsBytes)),
        i32(blockBytes),
        i32(steps),
      ),
    ]),
  ];
});

/** The median milliseconds in which so many threads go through `steps`, each after the one before. */
async function timeSteps(
  threads: number,
  steps: readonly Omit<Extract<PoolStep, { code: Fn }>, "after" | "params">[],
  runs: number,
): Promise<number> {
  const pool = openPool(createHeap(), threads, nodeThreads);
  try {
    const session = pool.open(
      steps.map((step, i) => ({ ...step, params: 0, after: i === 0 ? [] : [i - 1] })),
    );
    await pool.ready();
    const times: number[] = [];
    for (let i = 0; i < runs; i++) {
      const start = performance.now();
      await pool.alone(() => session.run());
      times.push(performance.now() - start);
    }
    session.close();
    return spread(times).median;
  } finally {
    await pool.close();
  }
}

/**
 * GFLOP/s of so many threads that compute side by side and share nothing: what the processor gives them, with its clock and
 * the units that two threads of a core share.
 */
export async function threadsGflops(threads: number): Promise<number> {
  const tasks = 40 * threads;
  const scratchBytes = rowsBytes + columnsBytes + sumsBytes;
  const milliseconds = await timeSteps(threads, [{ code: innerTask, tasks, scratchBytes }], 20);
  return (2 * tasks * callsOfTask * panels * rows * columns * steps) / milliseconds / 1e6;
}

const noTask = func("nothing", 3, () => []);

/** Microseconds that it takes threads to share out a step of a task each and to wait for each other, with no work in it. */
export async function waitMicroseconds(threads: number): Promise<number> {
  const stepsOfRun = 500;
  const step = { code: noTask, tasks: threads, scratchBytes: 0 };
  return (1000 * (await timeSteps(threads, Array(stepsOfRun).fill(step), 20))) / stepsOfRun;
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
