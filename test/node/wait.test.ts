/** Waiting for the GPU leaves the processor to others, and the main thread to its other work. */
import { EventEmitter, once } from "node:events";
import { afterEach, expect, it, vi } from "vitest";
import { waitFor } from "../../src/node/wait.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const turn = () => new Promise<void>((resolve) => void setImmediate(resolve));

/** Sleeps in turns of the event loop, each with `work`, while something is awaited. */
async function sleepsIn(turns: number, work: () => void): Promise<number> {
  const sleep = vi.spyOn(Atomics, "wait");
  const news = new EventEmitter();
  const awaited = waitFor(once(news, "done"), 0.01);
  for (let i = 0; i < turns; i++) {
    work();
    await turn();
  }
  const sleeps = sleep.mock.calls.length;
  news.emit("done");
  await awaited;
  // The sleeper looks once more before it goes.
  for (let i = 0; i < 3; i++) await turn();
  return sleeps;
}

const busy = () => {
  const began = performance.now();
  while (performance.now() - began < 1);
};

it("sleeps in turns that have nothing to do", async () => {
  expect(await sleepsIn(200, () => {})).toBeGreaterThan(20);
});

it("does not sleep while there is other work: the GPU would wait for it", async () => {
  expect(await sleepsIn(50, busy)).toBeLessThanOrEqual(2);
});

it("does not sleep through the time at which news is expected", async () => {
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  const sleep = vi.spyOn(Atomics, "wait");
  const news = new EventEmitter();
  const awaited = waitFor(once(news, "done"), 0.01, 10);
  const sleepsAt = async (time: number) => {
    now = time;
    await turn();
    sleep.mockClear();
    for (let i = 0; i < 20; i++) await turn();
    return sleep.mock.calls.length;
  };
  expect(await sleepsAt(5)).toBeGreaterThan(10);
  for (const time of [9, 10, 11]) expect(await sleepsAt(time), `${time} ms`).toBe(0);
  expect(await sleepsAt(15)).toBeGreaterThan(10);
  news.emit("done");
  await awaited;
  for (let i = 0; i < 3; i++) await turn();
});

it("ends with what is awaited", async () => {
  await sleepsIn(3, () => {});
  const sleep = vi.spyOn(Atomics, "wait").mockClear();
  for (let i = 0; i < 20; i++) await turn();
  expect(sleep).not.toHaveBeenCalled();
});
