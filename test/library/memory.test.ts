/** How much a stream holds at once, counted on a platform of the test's own; and what of it a failing device costs. */
import { describe, expect, it } from "vitest";
import { DeviceError } from "../../src/errors.ts";
import { openExtractor } from "../../src/library/extractor.ts";
import type { ExtractorParts, Prepared } from "../../src/library/parts.ts";
import { findModel } from "../../src/nets/index.ts";
import { fakeRooms, temporaryFolder } from "../support/features.ts";

const atOnce = 3;

/** A platform whose images are paths that hold a number, and that counts what is alive. */
function counting(run?: (images: readonly Float32Array[]) => Promise<void>) {
  const counts = { alive: 0, most: 0, read: 0, running: 0, mostRunning: 0, closed: 0 };
  const parts: ExtractorParts = {
    chooseModel: async () => findModel("inception_v1"),
    decodeRules: (_, wishes) => ({ ...wishes, exif: "auto", jpeg: "accurate" }),
    async openNetwork() {
      const network = await fakeRooms(temporaryFolder()).openNetwork({
        model: "inception_v1",
        device: "cpu",
        weights: "seeded",
      });
      return {
        ...network,
        run: async (images) => {
          await run?.(images);
          await new Promise((settle) => setTimeout(settle, 1));
          return network.run(images);
        },
      };
    },
    openReader: () => ({
      atOnce,
      async read(image): Promise<Prepared> {
        counts.read++;
        counts.mostRunning = Math.max(counts.mostRunning, ++counts.running);
        await new Promise((settle) => setTimeout(settle, 0));
        counts.running--;
        const value = Number(image);
        if (Number.isNaN(value)) return { reason: "it holds no number" };
        counts.most = Math.max(counts.most, ++counts.alive);
        return { input: new Float32Array(12).fill(value), release: () => void counts.alive-- };
      },
      close: async () => void counts.closed++,
    }),
  };
  return { counts, parts };
}

function* numbers(count: number) {
  for (let i = 0; i < count; i++) yield i % 10 === 7 ? "none" : String(i);
}

describe("a stream", () => {
  it.each([1, 4, 8])(
    "holds as many images as its bounds say, in batches of %i, however many there are",
    async (batchSize) => {
      const { counts, parts } = counting();
      const extractor = await openExtractor({ batchSize }, parts);
      let done = 0;
      for await (const { index, features } of extractor.stream(numbers(1000), { onError: "skip" })) {
        expect(index).toBe(done++);
        if (index % 10 !== 7) expect(features?.AvgPool_0a_7x7[0]).toBe(index);
        else expect(features).toBeUndefined();
        // What is read ahead, one batch that waits and two that the device has.
        expect(counts.read - done).toBeLessThanOrEqual(2 * (batchSize + atOnce) + 4 * batchSize);
      }
      expect(done).toBe(1000);
      expect(counts.most).toBeLessThanOrEqual(batchSize + atOnce + 3 * batchSize);
      expect(counts.mostRunning).toBeLessThanOrEqual(atOnce);
      expect(counts.alive).toBe(0);
      await extractor.close();
      expect(counts.closed).toBe(1);
    },
  );

  it("ends with the device's own error where that fails, whatever is done about images", async () => {
    let runs = 0;
    const { counts, parts } = counting(async () => {
      if (++runs === 3) throw new DeviceError("The GPU is gone.");
    });
    const extractor = await openExtractor({ batchSize: 2 }, parts);
    const found: number[] = [];
    await expect(async () => {
      for await (const { index } of extractor.stream(numbers(100), { onError: "skip" })) found.push(index);
    }).rejects.toThrow("The GPU is gone.");
    expect(found).toEqual([0, 1, 2, 3]);
    await extractor.close();
    expect(counts.running).toBe(0);
  });
});
