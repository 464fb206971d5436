/**
 * Takes the lock of a folder again and again, and counts how often somebody else was inside: `FOLDER MILLISECONDS`;
 * or takes it once and keeps it: `FOLDER keep`.
 */
import { unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BusyError } from "../../src/errors.ts";
import { takeLock } from "../../src/extract/lock.ts";

const [folder, milliseconds] = process.argv.slice(2);
if (milliseconds === "keep") {
  await takeLock(folder);
  console.log("taken");
  await sleep(600_000);
}
const inside = join(folder, "inside");
const end = performance.now() + Number(milliseconds);
let taken = 0;
let overlaps = 0;
while (performance.now() < end) {
  try {
    const lock = await takeLock(folder);
    taken++;
    try {
      writeFileSync(inside, "", { flag: "wx" });
    } catch {
      overlaps++;
    }
    await sleep(Math.random() * 3);
    await lock.check();
    unlinkSync(inside);
    await lock.release();
  } catch (error) {
    if (!(error instanceof BusyError)) throw error;
    await sleep(Math.random() * 2);
  }
}
console.log(JSON.stringify({ taken, overlaps }));
