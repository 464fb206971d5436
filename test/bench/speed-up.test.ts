/** What a cut into tasks allows many threads. */
import { describe, expect, it } from "vitest";
import { makespan } from "../../bench/speed-up.ts";

const step = (milliseconds: number, tasks: number, after: readonly number[] = []) => ({
  milliseconds,
  tasks,
  after,
});

describe("the time that threads need for tasks", () => {
  it("is all of it for one thread", () => {
    expect(makespan([step(6, 3), step(4, 1, [0])], 1)).toBe(10);
  });
  it("counts rounds where tasks and threads do not go up evenly", () => {
    expect(makespan([step(5, 5)], 4)).toBe(2);
    expect(makespan([step(5, 5)], 5)).toBe(1);
    expect(makespan([step(5, 5)], 50)).toBe(1);
  });
  it("waits for what a step needs, and for nothing else", () => {
    expect(makespan([step(3, 1), step(3, 3, [0])], 4)).toBe(4);
    expect(makespan([step(3, 1), step(3, 3)], 4)).toBe(3);
    expect(makespan([step(2, 1), step(3, 3), step(1, 1, [1])], 4)).toBe(2);
  });
  it("is nothing for nothing", () => {
    expect(makespan([], 3)).toBe(0);
  });
});
