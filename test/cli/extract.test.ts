import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { main } from "../../src/cli/program.ts";
import type { ExtractRooms } from "../../src/extract/rooms.ts";
import { fakeRooms, temporaryFolder, writeFiles } from "../support/features.ts";
import { capture, runMain } from "./helpers.ts";

const rooms: { ownRooms: ExtractRooms | undefined } = vi.hoisted(() => ({ ownRooms: undefined }));
vi.mock("../../src/extract/rooms.ts", () => rooms);

function setting(files: Readonly<Record<string, string>>, change?: Parameters<typeof fakeRooms>[1]) {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "in"));
  writeFiles(join(folder, "in"), files);
  const fake = fakeRooms(folder, change);
  rooms.ownRooms = fake;
  const out = join(folder, "f.npy");
  const args = [
    "extract",
    "--model",
    "inception_v1",
    "--data-dir",
    join(folder, "in"),
    "--format",
    "npy",
    "--out",
    out,
  ];
  return { folder, out, fake, args };
}

describe("extract", () => {
  it("prints the path of the file on stdout and the summary on stderr", async () => {
    const { args, out } = setting({ "a.png": "1", "b.png": "2" });
    const run = await runMain(...args, "--checkpoint", "mine.ckpt");
    expect(run.code).toBe(0);
    expect(run.out).toBe(`${out}\n`);
    for (const line of [
      /^images: +2 done, 0 failed, 0 skipped$/m,
      /^feature: +AvgPool_0a_7x7 3 float32$/m,
      /^computed by: +cpu \(a fake processor\)$/m,
      /^speed: +\S+ images a second$/m,
      /^weights: +mine\.ckpt \(inception_v1\)$/m,
      /^preprocess: +slim, EXIF auto, JPEG fast: as it is$/m,
    ]) {
      expect(run.err).toMatch(line);
    }
    expect(run.err).not.toContain("UNTRAINED");
    expect(run.err).not.toContain("\x1b");
  });

  it("reads several --data-dir, their names before the keys, none of them left out", async () => {
    const { args, out, folder } = setting({ "a.png": "1" });
    writeFiles(join(folder, "more"), { "a.png": "2", "b.png": "3" });
    const run = await runMain(...args, "--data-dir", join(folder, "more"), "--weights", "seeded");
    expect(run.code, run.err).toBe(0);
    const { paths, dataDir } = JSON.parse(readFileSync(`${out}.json`, "utf8"));
    expect(paths).toEqual(["in/a.png", "more/a.png", "more/b.png"]);
    expect(dataDir).toEqual([join(folder, "in"), join(folder, "more")]);

    const list = join(folder, "list.txt");
    writeFiles(folder, { "list.txt": "a.png" });
    const listed = await runMain(...args, "--data-dir", join(folder, "more"), "--list", list);
    expect(listed).toMatchObject({ code: 2, out: "" });
    expect(listed.err).toMatch(/Names in a list count from one folder, and 2 are named/);
  });

  it("names skipped images with their reasons and ends with a code of its own", async () => {
    const { args, out } = setting({ "a.png": "1", "b.png": "broken" });
    const run = await runMain(...args, "--weights", "seeded");
    expect(run.code).toBe(3);
    expect(run.err).toMatch(/^failed: b\.png: holds no number/m);
    expect(run.out).toBe(`${out}\n`);
    expect(existsSync(out)).toBe(true);
  });

  it("says UNTRAINED once, at the end and in colour, and how to come by trained weights", async () => {
    const { args, out } = setting({ "a.png": "1" });
    const { err } = await runMain(...args, "--weights", "seeded");
    expect(err.match(/UNTRAINED/g)).toHaveLength(1);
    expect(err.trimEnd().split("\n").at(-1)).toMatch(
      /^UNTRAINED weights: .*fetch (-- )?inception_v1\. Leave --model out for mobilenet_v1/,
    );
    expect(readFileSync(`${out}.json`, "utf8")).toContain("UNTRAINED");
    const onScreen = capture({ terminal: true, colour: true });
    await main([...args, "--weights", "seeded", "--overwrite"], onScreen.io);
    expect(onScreen.err()).toContain("\x1b[1;31mUNTRAINED weights:");
  });

  it("sums up in at most eight lines, the last with what to do next", async () => {
    const { args, out } = setting({ "a.png": "1", "b.png": "2" });
    const { err } = await runMain(...args, "--checkpoint", "mine.ckpt", "--layer", "a", "--layer", "b");
    const lines = err.slice(err.indexOf("images: ")).trimEnd().split("\n");
    expect(lines.length).toBeLessThanOrEqual(8);
    expect(lines.at(-1)).toMatch(/^see them: +.*map/);
    expect(lines.at(-1)).toContain(out.replace(".npy", ".a.npy"));
  });

  it.each<[string, Readonly<Record<string, string>>, string[], number]>([
    ["no images", {}, ["--weights", "seeded"], 4],
    ["only broken images", { "a.png": "x" }, ["--weights", "seeded"], 4],
    ["no checkpoint", { "a.png": "1" }, [], 5],
    ["contradictory weights", { "a.png": "1" }, ["--weights", "seeded", "--checkpoint", "x"], 2],
    ["a scope of no checkpoint", { "a.png": "1" }, ["--weights", "seeded", "--scope", "x/"], 2],
    ["an output that cannot be", { "a.png": "1" }, ["--weights", "seeded", "--out=/dev/null/x.npy"], 7],
  ])("ends with the right code for %s, and prints nothing on stdout", async (_name, files, options, code) => {
    const { args } = setting(files);
    const own = options.some((option) => option.startsWith("--out=")) ? args.slice(0, -2) : args;
    const run = await runMain(...own, ...options);
    expect(run).toMatchObject({ code, out: "" });
    expect(run.err).toMatch(/^error: .*\nhint: /m);
    expect(run.err).not.toMatch(/^ +at /m);
  });

  it("shows the stack of what is no fault of the user", async () => {
    const { args, fake } = setting({ "a.png": "1" }, { run: () => Promise.reject(new Error("a fault")) });
    const run = await runMain(...args, "--weights", "seeded");
    expect(run.code).toBe(1);
    expect(run.err).toMatch(/unexpected error: Error: a fault\n +at /);
    expect(fake.open()).toBe(0);
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("stops cleanly at the first %s", async (name, code) => {
    const listeners = process.listenerCount(name);
    const { args, out, fake } = setting(
      { "a.png": "1", "b.png": "2" },
      {
        run: async (images) => {
          process.emit(name, name);
          return { outputs: [new Float32Array(images.length * 3)], device: "cpu a fake processor" };
        },
      },
    );
    const run = await runMain(...args, "--weights", "seeded", "--batch-size", "1");
    expect(run).toMatchObject({ code, out: "" });
    expect(existsSync(out)).toBe(false);
    expect(fake.open()).toBe(0);
    expect(process.listenerCount(name)).toBe(listeners);
  });

  it("passes every option on to the network, and takes the former names", async () => {
    const { args, fake } = setting({ "a.png": "1" });
    const former = args.map((arg) => (arg === "--data-dir" ? "--data_dir" : arg));
    const run = await runMain(
      ...former,
      "--checkpoint_file",
      "c",
      "--layer",
      "Mixed_4c",
      "--layer",
      "-2",
      "--device",
      "cpu",
      "--ema",
      "off",
      "--image-size",
      "320",
      "--global-pool",
    );
    expect(run.code).toBe(0);
    expect(fake.opened).toMatchObject([
      {
        weights: "checkpoint",
        checkpoint: "c",
        layers: ["Mixed_4c", "-2"],
        device: "cpu",
        ema: "off",
        imageSize: 320,
        globalPool: true,
      },
    ]);
  });
});
