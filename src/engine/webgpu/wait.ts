/**
 * Waiting for the GPU without taking its processor. While anything of WebGPU is awaited, the `webgpu` package asks for
 * news in every turn of the event loop, without a pause: one core spins, and on an adapter that is itself the processor
 * that core is half of the machine. So we sleep a little in each of these turns.
 */
import { setImmediate as nextTurn } from "node:timers/promises";

const bell = new Int32Array(new SharedArrayBuffer(4));

/** What `promise` gives, looked for every `pause` milliseconds. Other work of the event loop gets its turns between. */
export async function waitFor<T>(promise: Promise<T>, pause: number): Promise<T> {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  promise.then(settle, settle);
  for (;;) {
    await nextTurn();
    if (settled) return promise;
    Atomics.wait(bell, 0, 0, pause);
  }
}
