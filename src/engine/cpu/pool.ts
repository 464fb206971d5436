/** The threads of a CPU device: workers started once, over one shared memory, and the main thread among them. */
import { DeviceError } from "../../errors.ts";
import type { ThreadData, Threads } from "../../platform/index.ts";
import type { Fn } from "../../wasm/code.ts";
import { encodeModule } from "../../wasm/module.ts";
import type { Heap } from "./heap.ts";
import {
  finish,
  patienceOf,
  takeTasks,
  waitBefore,
  waitFor,
  waitForStep,
  word,
  wordsOfStep,
} from "./steps.mjs";

/** What a step does: a kernel's tasks for all threads, or something that the main thread does alone. */
export type PoolWork =
  | { readonly code: Fn; readonly params: number; readonly tasks: number; readonly scratchBytes: number }
  | { readonly alone: () => void };

/** A step as the pool runs it, and the numbers of the earlier ones that have to be finished before. */
export type PoolStep = PoolWork & { readonly after: readonly number[] };

export interface PoolSession {
  /** Runs all steps, inside `alone`; with `times`, one after the other, and the milliseconds of each are put there. */
  run(times?: number[]): Promise<void>;
  close(): void;
}

export interface Pool {
  readonly threads: number;
  open(steps: readonly PoolStep[]): PoolSession;
  /** Does `work` while nothing else runs. */
  alone<T>(work: () => Promise<T>): Promise<T>;
  /** Waits until all workers have started. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

/** So often, between steps, decoding and signals get their turn. */
const turnMilliseconds = 4;

interface Compiled {
  readonly id: number;
  readonly run: (params: number, task: number, scratch: number) => void;
}

/** Starts all threads but the main one, over the heap's memory. */
export function openPool(heap: Heap, threads: number, machine: Threads): Pool {
  const memory = heap.memory as unknown as ThreadData["memory"];
  const control = heap.words({ address: 0, bytes: 64 });
  const cores = machine.count();
  const patience = patienceOf(threads, cores);
  let failure: string | undefined;
  let closed = false;
  const workers = Array.from({ length: threads - 1 }, (_, i) =>
    machine.start({ memory, thread: i + 1, threads, cores }, (reason) => {
      failure = reason;
    }),
  );
  for (const { ready } of workers) ready.catch(() => {});

  const compiled = new Map<Fn, Compiled>();
  const compile = (code: Fn): Compiled => {
    const known = compiled.get(code);
    if (known) return known;
    const module = new WebAssembly.Module(encodeModule([code]));
    const instance = new WebAssembly.Instance(module, { env: { memory: heap.memory } });
    const made = { id: compiled.size, run: instance.exports[code.name] as Compiled["run"] };
    for (const worker of workers) worker.send({ module: { id: made.id, code: module } });
    compiled.set(code, made);
    return made;
  };

  let sessions = 0;
  let last: Promise<void> = Promise.resolve();

  /** A run that failed leaves the threads anywhere; there is no next one. */
  const failed = async (): Promise<never> => {
    closed = true;
    await machine.nextTurn(); // The thread's message.
    throw new Error(`a thread of the CPU failed: ${failure ?? "it does not say why"}`);
  };

  return {
    threads,
    open(steps) {
      sessions += 1;
      const id = sessions;
      const counterBlock = heap.take(4 * wordsOfStep * Math.max(1, steps.length), "the threads' counters");
      const counters = heap.words(counterBlock);
      const scratchBytes = Math.max(0, ...steps.map((s) => ("code" in s ? s.scratchBytes : 0)));
      const scratch = Array.from({ length: threads }, () => heap.take(scratchBytes, "a thread's scratch"));
      const own = steps.map((step, index) => {
        const { after } = step;
        if ("alone" in step) return { index, after, tasks: 1, alone: step.alone };
        const { id: module, run } = compile(step.code);
        return { index, after, tasks: step.tasks, params: step.params, module, name: step.code.name, run };
      });
      const session = {
        id,
        counters: counterBlock.address,
        counterWords: counters.length,
        scratch: scratch.map((s) => s.address),
        // A function cannot be sent; a step without a module is left to the main thread.
        steps: own.map(({ run: _run, alone: _alone, ...step }) => step),
      };
      for (const worker of workers) worker.send({ session });

      async function run(times?: number[]): Promise<void> {
        counters.fill(0);
        Atomics.store(control, word.left, 0);
        Atomics.store(control, word.session, id);
        Atomics.store(control, word.inTurn, times ? 1 : 0);
        Atomics.add(control, word.run, 1);
        Atomics.notify(control, word.run);
        let turn = performance.now();
        for (const step of own) {
          if (!waitBefore(step, own, counters, control, patience)) return failed();
          try {
            if (step.alone) {
              step.alone();
              finish(step, counters, 1);
            } else takeTasks(step, counters, scratch[0].address);
          } catch (error) {
            Atomics.store(control, word.failed, 1);
            closed = true;
            throw error;
          }
          if (times) {
            if (!waitForStep(step, counters, control, patience)) return failed();
            const now = performance.now();
            times.push(now - turn);
            turn = now;
          } else if (performance.now() - turn > turnMilliseconds) {
            await machine.nextTurn();
            turn = performance.now();
          }
        }
        if (!waitFor(control, word.left, workers.length, control, patience)) return failed();
        if (Atomics.load(control, word.failed) !== 0) return failed();
      }

      return {
        run,
        close() {
          for (const worker of workers) worker.send({ forget: id });
          for (const block of [counterBlock, ...scratch]) heap.give(block);
        },
      };
    },
    alone(work) {
      if (closed) throw new DeviceError("The device is closed.");
      const done = last.then(work);
      last = done.then(
        () => {},
        () => {},
      );
      return done;
    },
    async ready() {
      await Promise.all(workers.map((worker) => worker.ready));
    },
    async close() {
      closed = true;
      await last;
      await Promise.all(workers.map((worker) => worker.end()));
    },
  };
}
