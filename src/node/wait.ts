/**
 * Waiting for the GPU without taking its processor. While anything of WebGPU is awaited, the `webgpu` package asks for
 * news in every turn of the event loop, without a pause: one core spins, and on an adapter that is itself the processor
 * that core is half of the machine. So we sleep a little in each of these turns, unless it had other work: whoever sleeps
 * between an image's messages and the next one's has the GPU wait for images, and sees no result sooner.
 */
import { setImmediate as nextTurn } from "node:timers/promises";

const bell = new Int32Array(new SharedArrayBuffer(4));

/** How much is awaited now, in the whole process: however much it is, a turn has one sleep. */
let awaited = 0;
let sleeping = false;

/** Milliseconds that a turn takes at most which does nothing but ask for news: 3 to 6 microseconds, and some room. */
const idleTurn = 0.02;

async function sleepThrough(pause: number): Promise<void> {
  sleeping = true;
  let began = performance.now();
  for (;;) {
    await nextTurn();
    if (awaited === 0) break;
    if (performance.now() - began < idleTurn) Atomics.wait(bell, 0, 0, pause);
    began = performance.now();
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
