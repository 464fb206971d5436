/**
 * Waiting for the GPU without taking its processor. While anything of WebGPU is awaited, the `webgpu` package asks for
 * news in every turn of the event loop, without a pause: one core spins, and on an adapter that is itself the processor
 * that core is half of the machine. So we sleep a little in each of these turns.
 */
import { setImmediate as nextTurn } from "node:timers/promises";

const bell = new Int32Array(new SharedArrayBuffer(4));

/** How much is awaited now, in the whole process: however much it is, a turn has one sleep. */
let awaited = 0;
let sleeping = false;

async function sleepThrough(pause: number): Promise<void> {
  sleeping = true;
  for (;;) {
    await nextTurn();
    if (awaited === 0) break;
    Atomics.wait(bell, 0, 0, pause);
  }
  sleeping = false;
}

/** What `promise` gives, looked for every `pause` milliseconds. Other work of the event loop gets its turns between. */
export function waitFor<T>(promise: Promise<T>, pause: number): Promise<T> {
  awaited++;
  const settle = () => void awaited--;
  promise.then(settle, settle);
  if (!sleeping) void sleepThrough(pause);
  return promise;
}
