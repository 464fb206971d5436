import { describe, expect, it } from "vitest";
import { byteCount, duration, makeProgress } from "../../src/cli/progress.ts";
import { capture } from "./helpers.ts";

describe("progress", () => {
  it("prints a plain line at most every ten seconds where there is no terminal", () => {
    const { io, err } = capture();
    let time = 0;
    const progress = makeProgress(io, { unit: "images", now: () => time });
    for (; time <= 25_000; time += 500) progress.update(time / 500, 100);
    progress.end();
    expect(err()).toBe("20/100 images, 2.00 a second, 40s left\n40/100 images, 2.00 a second, 30s left\n");
  });

  it("redraws a bar on a terminal and removes it at the end", () => {
    const { io, err } = capture({ terminal: true });
    let time = 0;
    const progress = makeProgress(io, { unit: "images", now: () => time });
    progress.update(0, 10);
    time = 1000;
    progress.update(5, 10);
    progress.say("skipped: x");
    progress.end();
    expect(err()).toContain("\r\x1b[K[############............] 5/10 images, 5.00 a second, 1s left");
    expect(err()).toContain("\r\x1b[Kskipped: x\n[####");
    expect(err().endsWith("\r\x1b[K")).toBe(true);
    expect(err()).not.toContain("\x1b[32m");
  });

  it("colours the bar only where colours are welcome", () => {
    const { io, err } = capture({ terminal: true, colour: true });
    makeProgress(io, { unit: "images" }).update(5, 10);
    expect(err()).toContain("\x1b[32m");
  });

  it("shows counts without a total", () => {
    const { io, err } = capture({ terminal: true });
    makeProgress(io, { unit: "received", show: byteCount }).update(1500, undefined);
    expect(err()).toBe("\r\x1b[K1.5 kB received");
  });

  it.each([
    [0.2, "1s"],
    [125, "2m05s"],
    [11_220, "3h07m"],
  ])("writes %d seconds as %s", (seconds, text) => expect(duration(seconds)).toBe(text));

  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [24_642_554, "24.6 MB"],
  ])("writes %d bytes as %s", (bytes, text) => expect(byteCount(bytes)).toBe(text));
});
