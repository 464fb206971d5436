/** What was measured on an adapter, kept between runs. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { readTuning, tuningPath, writeTuning } from "../../src/node/tuned.ts";

describe("the file of measurements", () => {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tuned-"));
    vi.stubEnv("XDG_CACHE_HOME", folder);
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true, force: true });
  });

  const tuning = { adapter: "a chip, driver 1.2", variants: { layer: "shared" }, tiles: { layer: "64x64" } };

  it("gives back what was written, to the adapter that it was measured on", async () => {
    expect(await readTuning(tuning.adapter)).toBeUndefined();
    const path = await writeTuning(tuning);
    expect(path).toBe(tuningPath(tuning.adapter));
    expect(path.startsWith(folder)).toBe(true);
    expect(await readTuning(tuning.adapter)).toEqual(tuning);
    expect(await readTuning("a chip, driver 1.3")).toBeUndefined();
  });

  it.each([
    ["cut off", '{"adapter":'],
    ["another adapter's", JSON.stringify({ ...tuning, adapter: "another" })],
    ["of another shape", JSON.stringify({ ...tuning, tiles: { layer: 3 } })],
    ["no object", "null"],
  ])("counts for nothing where it is %s", async (_, text) => {
    await writeTuning(tuning);
    await writeFile(tuningPath(tuning.adapter), text);
    expect(await readTuning(tuning.adapter)).toBeUndefined();
  });
});
