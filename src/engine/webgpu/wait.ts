/**
 * Waiting for the GPU without taking its processor. While anything of WebGPU is awaited, the `webgpu` package asks for
 * news in every turn of the event loop, without a pause: one core spins, and on an adapter that is itself the processor
 * that core is half of the machine. So we sleep a little in each of these turns.
 */
import { setImmediate as nextTurn } from "node:timers/promises";

const bell = new Int32Array(new SharedArrayBuffer(4));

/** What is awaited now, in the whole process: however much it is, a turn has one sleep. */
const awaited = new Set<Promise<unknown>>();

async function sleepThrough(pause: number): Promise<void> {
  for (;;) {
    await nextTurn();
    if (awaited.size === 0) return;
    Atomics.wait(bell, 0, 0, pause);
  }
}

/** What `promise` gives, looked for every `pause` milliseconds. Other work of the event loop gets its turns between. */
export function waitFor<T>(promise: Promise<T>, pause: number): Promise<T> {
  awaited.add(promise);
  const settle = () => void awaited.delete(promise);
  promise.then(settle, settle);
  if (awaited.size === 1) void sleepThrough(pause);
  return promise;
}
