/**
 * Waiting for the GPU without taking its processor. While anything of WebGPU is awaited, the `webgpu` package asks for
 * news in every turn of the event loop, without a pause: one core spins, and on an adapter that is itself the processor
 * that core is half of the machine. So we sleep a little in each of these turns, unless it had other work: whoever sleeps
 * between an image's messages and the next one's has the GPU wait for images, and sees no result sooner.
 */
import { setImmediate as nextTurn } from "node:timers/promises";

const bell = new Int32Array(new SharedArrayBuffer(4));

/** What is awaited now, in the whole process, each with the time in which nobody sleeps: however many, a turn has one sleep. */
const awaited = new Set<{ readonly from: number; readonly to: number }>();
let sleeping = false;

/** Milliseconds that a turn takes at most which does nothing but ask for news: 3 to 6 microseconds, and some room. */
const idleTurn = 0.02;

/** A sleep of 0.05 ms takes some 0.13: what is expected is looked for without one from so much before on. */
const margin = 0.2;

async function sleepThrough(pause: number): Promise<void> {
  sleeping = true;
  let began = performance.now();
  for (;;) {
    await nextTurn();
    if (awaited.size === 0) break;
    const now = performance.now();
    const due = [...awaited].some(({ from, to }) => now >= from && now <= to);
    if (now - began < idleTurn && !due) Atomics.wait(bell, 0, 0, pause);
    began = performance.now();
  }
  sleeping = false;
}

/**
 * What `promise` gives, looked for every `pause` milliseconds. Other work of the event loop gets its turns between. Around the time
 * after which it is `expected`, it is looked for all the time.
 */
export function waitFor<T>(promise: Promise<T>, pause: number, expected?: number): Promise<T> {
  const now = performance.now();
  const from = expected === undefined ? Number.POSITIVE_INFINITY : now + 0.9 * expected - margin;
  const own = { from, to: now + 1.1 * (expected ?? 0) + margin };
  awaited.add(own);
  const settle = () => void awaited.delete(own);
  promise.then(settle, settle);
  if (!sleeping) void sleepThrough(pause);
  return promise;
}
