/** Signals, readers that go away, a process that sleeps, and the end of every process. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../support/features.ts";
import { contentOf, drawFolder, leftovers, startCommand, startExtract } from "../support/runs.ts";

let folder = "";
let images = "";
const whole: Record<string, string[]> = {};

const small = (out: string, device: "cpu" | "webgpu" = "cpu", args: readonly string[] = []) =>
  startExtract({ out: join(folder, out), from: images, device, imageSize: 64, args });

beforeAll(async () => {
  folder = temporaryFolder();
  images = join(folder, "in");
  await drawFolder(images, 40);
  for (const device of ["cpu", "webgpu"] as const) {
    const { code, err } = await small(`${device}.npy`, device).ended;
    expect(code, err).toBe(3);
    whole[device] = contentOf(join(folder, `${device}.npy`));
  }
});

describe.each(["cpu", "webgpu"] as const)("a run on %s", (device) => {
  it("ends at once at the second Ctrl-C, in the middle of a batch, and leaves nothing half", async () => {
    const out = join(folder, `${device}-twice.npy`);
    // A batch of 24 images of this network takes long; the echo of a first Ctrl-C is over before the second.
    const run = startExtract({
      out,
      from: images,
      device,
      model: "inception_v3",
      args: ["--batch-size", "24"],
    });
    await run.says("computing");
    await sleep(2000);
    run.child.kill("SIGINT");
    await run.says("Stopping");
    await sleep(1200);
    run.child.kill("SIGINT");
    const { code, signal, err } = await run.ended;
    expect({ code, signal }, err).toEqual({ code: 130, signal: null });
    expect(err).toContain("Stopping; once more to stop at once");
    expect(err).not.toContain("stopped.");
    expect(existsSync(out)).toBe(false);
    expect(leftovers(out).filter((name) => name.startsWith(".partial-"))).toEqual([]);
  });

  it("suspended and resumed gives the same bytes", async () => {
    const run = small(`${device}-suspended.npy`, device);
    await run.says("computing");
    for (let i = 0; i < 2; i++) {
      run.child.kill("SIGSTOP");
      await sleep(700);
      run.child.kill("SIGCONT");
      await sleep(100);
    }
    const { code, err } = await run.ended;
    expect(code, err).toBe(3);
    expect(contentOf(join(folder, `${device}-suspended.npy`))).toEqual(whole[device]);
  });

  it("whose readers have gone does its work and ends with its own code", async () => {
    const run = small(`${device}-unread.npy`, device);
    run.child.stdout?.destroy();
    run.child.stderr?.destroy();
    const { code, signal } = await run.ended;
    expect({ code, signal }).toEqual({ code: 3, signal: null });
    expect(contentOf(join(folder, `${device}-unread.npy`))).toEqual(whole[device]);
  });

  it("ends by itself with its code after an error", async () => {
    const usage = await small("unused.npy", device, ["--layer", "no such layer"]).ended;
    expect(usage.code, usage.err).toBe(2);
    const output = await startExtract({ out: images, from: images, device, imageSize: 64 }).ended;
    expect(output.code, output.err).toBe(7);
  });
});

describe("a reader that goes away", () => {
  it.each([["models"], ["--help"]])("is no mistake: %s", async (...args) => {
    const run = startCommand(args);
    run.child.stdout?.destroy();
    const { code, signal, err } = await run.ended;
    expect({ code, signal, err }).toEqual({ code: 0, signal: null, err: "" });
  });
});
