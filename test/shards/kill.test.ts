/**
 * Three workers of one plan, killed at moments that a seed draws, until all is done: the bytes of an unbroken run. Two rounds
 * here; `SHARD_ROUNDS=5 npx vitest run test/shards/kill.test.ts` runs more.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { checkShards, markSuccess, readPlan } from "../../src/shards/index.ts";
import { temporaryFolder } from "../support/features.ts";
import { drawFolder, startCommand } from "../support/runs.ts";
import { planSmall, resultsIn } from "../support/shards.ts";
import { randomFrom } from "../torture/scenario.ts";

const rounds = Number(process.env.SHARD_ROUNDS ?? 2);
const seed = Number(process.env.SHARD_SEED ?? 20);

let folder = "";
let images = "";
let unbroken: Record<string, string> = {};

/** What counts: nothing that says only how it went. */
const published = (out: string) =>
  Object.fromEntries(
    Object.entries(resultsIn(out)).filter(([name]) => !/^_(SUCCESS$|running\/|failed\/)/.test(name)),
  );

const plan = (out: string) => planSmall(out, { inputs: [images], perShard: 25 });
const work = (out: string, scratch: string, part: string) =>
  startCommand(["shard", "--plan", out, "--shard", part, "--scratch", scratch, "--quiet"]);

beforeAll(async () => {
  folder = temporaryFolder();
  images = join(folder, "images");
  await drawFolder(images, 150);
  const out = join(folder, "unbroken");
  await plan(out);
  const { code, err } = await work(out, join(folder, "s"), "0/1").ended;
  expect(code, err).toBe(0);
  unbroken = published(out);
  expect(Object.keys(unbroken).filter((name) => name.startsWith("features/"))).toHaveLength(7);
});

describe("three workers", () => {
  it.each(Array.from({ length: rounds }, (_, i) => i))(
    "killed at drawn moments leave what an unbroken run does (round %i)",
    async (round) => {
      const random = randomFrom(seed + round);
      const out = join(folder, `round ${round}`);
      await plan(out);
      const { plan: frozen, out: storage } = await readPlan(out);
      let kills = 0;
      /** Each does all shards, and starts again when it was killed, as an engine has it. */
      const worker = async (number: number): Promise<void> => {
        for (let attempt = 0; ; attempt++) {
          const run = work(out, join(folder, `scratch ${round} ${number}`), "0/1");
          const spared = attempt >= 4;
          const timer = spared
            ? undefined
            : setTimeout(() => run.child.kill("SIGKILL"), 300 + 1700 * random());
          const { signal, code, err } = await run.ended;
          clearTimeout(timer);
          if (signal !== "SIGKILL") {
            expect(code, err).toBe(0);
            return;
          }
          kills++;
        }
      };
      await Promise.all([0, 1, 2].map(worker));
      expect(kills).toBeGreaterThan(2);
      const checked = await checkShards(frozen, storage, { thorough: true });
      expect(checked.done.size).toBe(7);
      // It takes away what killed ones left half written.
      expect(await markSuccess(frozen, storage, checked)).toBe(true);
      expect(published(out)).toEqual(unbroken);
    },
  );

  it("of one scratch folder, as on one machine, say busy and nothing worse", async () => {
    const out = join(folder, "shared");
    await plan(out);
    const ends = await Promise.all([0, 1, 2].map(() => work(out, join(folder, "one scratch"), "0/7").ended));
    expect(ends.map(({ code }) => code).filter((code) => code === 0).length).toBeGreaterThan(0);
    for (const { code, err } of ends) expect([0, 8], err).toContain(code);
    const again = await work(out, join(folder, "one scratch"), "0/1").ended;
    expect(again.code, again.err).toBe(0);
    expect(published(out)).toEqual(unbroken);
  });

  it("go on behind a lock that a killed one left in another container, after its lease", async () => {
    const out = join(folder, "leased");
    const { plan: frozen } = await plan(out);
    const scratch = join(folder, "leased scratch");
    const own = join(scratch, `${frozen.hash.slice(0, 12)}-00000`);
    mkdirSync(own, { recursive: true });
    writeFileSync(
      join(own, "lock"),
      JSON.stringify({ pid: 1, host: "another container", beat: 0.05, token: "t" }),
    );
    await sleep(1000);
    const { code, err } = await work(out, scratch, "0/1").ended;
    expect(code, err).toBe(0);
    expect(published(out)).toEqual(unbroken);
  });
});
