/** What a run has computed, as it goes to the disk: beside the rows that are still added, and again where that failed. */
import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { OutputError } from "../../src/errors.ts";
import { openStore, type Store } from "../../src/extract/store.ts";
import { temporaryFolder } from "../support/features.ts";

const facts = { format: "png", width: 2, height: 2, orientation: 1, turned: false };
const widths = [3, 1];
const device = "a device";
const rowOf = (i: number) => [Float32Array.of(i, i + 0.5, -i), Float32Array.of(10 * i)];

const open = (folder: string, patience = 1e9): Promise<Store> =>
  openStore({
    ...{ folder, settings: {}, device, anyDevice: false, widths, overwrite: false, retryFailed: false },
    ...{ choice: "a rule", patience },
  });

const add = (store: Store, i: number) => store.add(`hash ${i}`, facts, rowOf(i), device);

async function expectRows(store: Store, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const known = store.find(`hash ${i}`);
    if (known?.kind !== "row") throw new Error(`row ${i} is missing`);
    for (const [k, values] of rowOf(i).entries()) {
      const bytes = Uint8Array.from(await store.readRow(known, k));
      expect(new Float32Array(bytes.buffer)).toEqual(values);
    }
  }
}

describe("the store", () => {
  it("keeps every row, whether shards fill up, are committed early, or there is nothing to commit", async () => {
    const folder = temporaryFolder();
    const count = 2500;
    const store = await open(folder);
    await store.commit();
    for (let i = 0; i < count; i++) {
      await add(store, i);
      if (i % 600 === 0) await store.commit();
    }
    await store.commit();
    await store.commit();
    await expectRows(store, count);
    await store.close();
    const again = await open(folder, 0);
    expect(again.resumed).toBe(count);
    await expectRows(again, count);
    // Each of these is due at once; they are written while the next are added.
    for (let i = count; i < count + 40; i++) await add(again, i);
    await again.commit();
    await expectRows(again, count + 40);
    await again.close();
    const third = await open(folder);
    expect(third.resumed).toBe(count + 40);
    await third.close();
  });

  it("tells of a commit that failed while rows were added, and writes it with the next", async () => {
    const folder = temporaryFolder();
    const store = await open(folder, 0);
    const inTheWay = join(folder, "00000.jsonl");
    mkdirSync(inTheWay);
    await add(store, 0);
    await expect(add(store, 1)).rejects.toThrow(OutputError);
    await expect(store.commit()).rejects.toThrow(/that is a folder/);
    rmdirSync(inTheWay);
    await store.commit();
    await expectRows(store, 2);
    await store.close();
    const again = await open(folder);
    expect(again.resumed).toBe(2);
    await again.close();
  });
});
