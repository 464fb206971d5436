/** The fuzzer finds what is planted for it, and its own targets stand a few of its mutants. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attempt, mutantOf, prepare } from "../../fuzz/attempt.ts";
import { fuzz } from "../../fuzz/run.ts";
import { targets } from "../../fuzz/targets/index.ts";
import { targets as planted } from "./planted.ts";

const module = join(import.meta.dirname, "planted.ts");

/** Tries a mutant before the first that meets the fault, that one, and one after it. */
async function find(name: string, count = 3) {
  const target = planted.find((t) => t.name === name) as (typeof planted)[number];
  const prepared = await prepare(target);
  let met = 1;
  while (((await mutantOf(prepared, "planted", met)).files.get("byte")?.[0] ?? 0) >= 64) met++;
  return fuzz({
    targets: [name],
    seed: "planted",
    first: met - 1,
    count,
    workers: 1,
    module,
    // Only what never ends is worth so little patience: a busy machine is slow.
    patience: ["hang", "wait"].includes(name) ? 3000 : 60_000,
  });
}

describe("a planted fault", () => {
  it.each<[string, RegExp]>([
    ["bug", /TypeError/],
    ["hang", /hung/],
    ["wait", /hung/],
    ["crash", /the process ended \(SIGABRT\)/],
    ["rejection", /nobody hears this/],
    ["memory", /MiB above the files' size/],
    ["processor", /ms of processor time/],
    ["silence", /has other values, and no checksum was rewritten/],
  ])("of the kind %s is found and named, and what follows is tried", async (target, words) => {
    const { findings, tallies } = await find(target);
    expect(findings.length).toBeGreaterThan(0);
    for (const finding of findings) expect(finding.words).toMatch(words);
    expect(tallies[0].mutants).toBe(3);
  });

  it("is none where the error is typed", async () => {
    const { findings, tallies } = await find("typed", 40);
    expect(findings).toEqual([]);
    expect([...tallies[0].refused.keys()]).toEqual(["UserError: The byte is too small."]);
    expect(tallies[0].accepted + ([...tallies[0].refused.values()][0] ?? 0)).toBe(40);
  });
});

describe("the target", () => {
  let folder = "";
  const before = process.env.TMPDIR;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "fuzz-test-"));
    // The archive target looks through the temporary folder for what its reader left.
    process.env.TMPDIR = folder;
  });
  afterAll(() => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(targets.map((t) => t.name))("%s gives the same mutant for the same number", async (name) => {
    const target = targets.find((t) => t.name === name) as (typeof targets)[number];
    const prepared = await prepare(target);
    for (let index = 0; index < 5; index++) {
      expect(await mutantOf(prepared, "s", index)).toEqual(await mutantOf(prepared, "s", index));
    }
  });

  it.each(targets.map((t) => t.name))("%s stands forty mutants", async (name) => {
    const target = targets.find((t) => t.name === name) as (typeof targets)[number];
    const prepared = await prepare(target);
    for (let index = 0; index < 40; index++) {
      const { outcome, words, how } = await attempt(prepared, "test", index, join(folder, "mutant"));
      // Time and memory are not this process's own here.
      if (!/processor time|MiB above|left open/.test(words))
        expect(outcome, `${index} ${how}: ${words}`).not.toBe("finding");
    }
  });
});
