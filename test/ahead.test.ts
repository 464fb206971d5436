import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { workAhead } from "../src/ahead.ts";

const numbers = Array.from({ length: 20 }, (_, i) => i);

describe("workAhead", () => {
  it("gives the results in order, whatever each takes", async () => {
    const results: number[] = [];
    for await (const n of workAhead(numbers, { atOnce: 4, ahead: 8 }, async (n) => {
      await sleep((n * 7) % 5);
      return n;
    })) {
      results.push(n);
    }
    expect(results).toEqual(numbers);
  });

  it("keeps to both bounds", async () => {
    let running = 0;
    let most = 0;
    let begun = 0;
    let taken = 0;
    let farthest = 0;
    for await (const _ of workAhead(numbers, { atOnce: 3, ahead: 5 }, async () => {
      most = Math.max(most, ++running);
      farthest = Math.max(farthest, ++begun - taken);
      await sleep(1);
      running--;
    })) {
      taken++;
      await sleep(3);
    }
    expect(most).toBe(3);
    expect(farthest).toBeLessThanOrEqual(6);
  });

  it("raises a failure where its item is taken", async () => {
    const results: number[] = [];
    const work = async (n: number) => {
      if (n === 3) throw new Error("three");
      return n;
    };
    await expect(async () => {
      for await (const n of workAhead(numbers, { atOnce: 2, ahead: 9 }, work)) results.push(n);
    }).rejects.toThrow("three");
    expect(results).toEqual([0, 1, 2]);
  });

  it("begins nothing new once its consumer has left, and waits for what is under way", async () => {
    let begun = 0;
    let running = 0;
    for await (const _ of workAhead(numbers, { atOnce: 2, ahead: 4 }, async () => {
      begun++;
      running++;
      await sleep(5);
      running--;
    })) {
      break;
    }
    expect(running).toBe(0);
    expect(begun).toBeLessThanOrEqual(5);
  });
});
