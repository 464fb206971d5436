/** The rounds of bench/peers with contenders that need no peer installed: ours, and ones that fail. */
import { describe, expect, it } from "vitest";
import { startChild } from "../../bench/peers/child.ts";
import { contenders } from "../../bench/peers/contenders.ts";
import { playRounds } from "../../bench/peers/rounds.ts";

const ours = contenders.filter((c) => c.name === "ours-cpu");
const options = { model: "inception_v1", batch: 1, runs: 2, timeoutMs: 100_000, environment: process.env };

describe("the rounds", () => {
  it("time who is right, and report who fails without ending", async () => {
    const said: string[] = [];
    const gone = { name: "gone", on: "processor", engine: ["ours", "nothing"] } as const;
    const outcomes = await playRounds([gone, ...ours], {
      ...options,
      model: "mobilenet_v1_025",
      notice: (sentence) => void said.push(sentence),
    });
    expect(outcomes).toMatchObject([
      { contender: "gone", reason: expect.stringContaining("There is no contender gone") },
      { contender: "ours-cpu", runs: 2, error: 0 },
    ]);
    expect(said.join("\n")).toContain("gone is not timed");
  });

  it("time nobody when none of ours tells what is right", async () => {
    const peer = contenders.filter((c) => c.name === "tfjs-cpu");
    expect(await playRounds(peer, { ...options, notice: () => {} })).toEqual([
      { contender: "tfjs-cpu", reason: expect.stringContaining("none of ours ran") },
    ]);
  });
});

describe("a contender's process", () => {
  it("that does not answer in time is ended, and says so from then on", async () => {
    const child = startChild(process.env);
    const load = { ask: "load", contender: "ours-cpu", model: "vgg_16", batch: 1 } as const;
    expect(await child.ask(load, 50)).toEqual({ kind: "failed", reason: "no answer within 0.05 s" });
    expect(await child.ask({ ask: "run" }, 1000)).toMatchObject({ kind: "failed" });
    await child.stop();
  });

  it("that ends by itself is a failure with its last words", async () => {
    const child = startChild({ ...process.env, NODE_OPTIONS: "--no-such-option" });
    expect(await child.ask({ ask: "run" }, 60_000)).toMatchObject({
      kind: "failed",
      reason: expect.stringContaining("no-such-option"),
    });
    await child.stop();
  });
});
