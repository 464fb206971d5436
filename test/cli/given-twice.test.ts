/** What is given twice is read twice or refused, and what --out and --format say of each other. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command, Option } from "commander";
import { describe, expect, it, vi } from "vitest";
import { makeProgram } from "../../src/cli/program.ts";
import { takesOne } from "../../src/cli/repeats.ts";
import type { ExtractRooms } from "../../src/extract/rooms.ts";
import { readFeatures } from "../../src/tables/readers/index.ts";
import { fakeRooms, temporaryFolder, writeFiles } from "../support/features.ts";
import { capture, runMain } from "./helpers.ts";

const rooms: { ownRooms: ExtractRooms | undefined } = vi.hoisted(() => ({ ownRooms: undefined }));
vi.mock("../../src/extract/rooms.ts", () => rooms);

function setting() {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "in"));
  writeFiles(join(folder, "in"), { "a.png": "1", "b.png": "2" });
  rooms.ownRooms = fakeRooms(folder);
  const args = ["extract", "--model", "lenet", "--weights", "seeded", "--data-dir", join(folder, "in")];
  return { folder, args };
}

const commandsOf = (command: Command): Command[] => [command, ...command.commands.flatMap(commandsOf)];
const single = commandsOf(makeProgram(capture().io, () => {})).flatMap((command) =>
  command.options.filter(takesOne).map((option) => ({ command, option })),
);

/** The words of a command: of two commands one may be called as a part of the other. */
function pathOf(command: Command): string {
  const words: string[] = [];
  for (let c: Command | null = command; c?.parent; c = c.parent) words.unshift(c.name());
  return words.join(" ");
}

const candidates = ["x", "2", "#ffffff"];

/** Whether an option's parser takes a text. */
function isTaken(parse: Option["parseArg"], text: string): boolean {
  try {
    parse?.(text, undefined as never);
    return true;
  } catch {
    return false;
  }
}

describe("an option that takes one value and is given twice", () => {
  it("is one of many", () => expect(single.length).toBeGreaterThan(40));

  it.each(single.map(({ command, option }) => [pathOf(command), option.long as string, option] as const))(
    "is refused: %s %s",
    async (path, flag, { argChoices, parseArg }) => {
      const words = path.split(" ").filter(Boolean);
      const value = argChoices?.[0] ?? candidates.find((text) => isTaken(parseArg, text)) ?? "";
      const run = await runMain(...words, flag, value, `${flag}=${value}`);
      expect(run).toMatchObject({ code: 2, out: "" });
      expect(run.err).toContain(`${flag} is given twice, as ${value}; it takes one value.`);
    },
  );

  it("is refused with both of its values, before anything is computed", async () => {
    const { args, folder } = setting();
    const out = join(folder, "f.npy");
    const run = await runMain(...args, "--out", out, "--model", "vgg_16");
    expect(run).toMatchObject({ code: 2, out: "" });
    expect(run.err).toContain("--model is given twice, as lenet and as vgg_16; it takes one value.");
    expect(existsSync(out)).toBe(false);
  });

  it("is refused in a configuration: as several values, or as a key that stands twice", async () => {
    const { args, folder } = setting();
    const config = join(folder, "c.json");
    const configured = async (text: string) => {
      writeFileSync(config, text);
      return runMain(...args, "--config", config, "--out", join(folder, "f.npy"));
    };
    expect((await configured('{"device": ["cpu", "auto"]}')).err).toMatch(
      /device in .*c\.json takes one value/,
    );
    expect((await configured('{"device": []}')).err).toMatch(/device in .*c\.json takes one value/);
    expect((await configured('{"device": "cpu", "l2": true, "de\\u0076ice": "auto"}')).err).toMatch(
      /device stands twice in .*c\.json/,
    );
    const several = await configured(
      '{"layer": ["features", "device"], "exclude": "x{device: [", "device": "cpu"}',
    );
    expect(several.err).not.toMatch(/twice|one value/);
  });

  it("may be given once more than a flag, or after an environment's", async () => {
    const { args, folder } = setting();
    process.env.SLIMFEATURES_DEVICE = "webgpu";
    const run = await runMain(
      ...args,
      "--quiet",
      "--quiet",
      "--device",
      "cpu",
      "--out",
      join(folder, "f.npy"),
    );
    delete process.env.SLIMFEATURES_DEVICE;
    expect(run.code, run.err).toBe(0);
    expect(rooms.ownRooms).toMatchObject({ opened: [{ device: "cpu" }] });
  });
});

describe("the format of extract's file", () => {
  it.each([
    ["f.npy", /^\x93NUMPY/],
    ["f.NPZ", /^PK/],
    ["f.parquet", /^PAR1/],
    ["f.h5", /^\x89HDF/],
    ["f.feather", /^ARROW1/],
    ["f.pickle", /^\x80.\}q/s],
    ["f.json", /^\{"path"/],
    ["f.csv", /^path,/],
    ["f.safetensors", /^[\s\S]{8}\{/],
  ])("is told by the extension of --out %s", async (name, begins) => {
    const { args, folder } = setting();
    const out = join(folder, name);
    const run = await runMain(...args, "--out", out);
    expect(run.code, run.err).toBe(0);
    expect(readFileSync(out, "latin1")).toMatch(begins);
    const rows: string[] = [];
    for await (const { path } of readFeatures(out)) rows.push(path);
    expect(rows).toEqual(["a.png", "b.png"]);
  });

  it.each([
    ["f.npy", "pkl", /f\.npy is npy by its extension, and pkl is asked for/],
    ["f.pkl", "npy", /f\.pkl is pkl by its extension, and npy is asked for/],
    ["f.h5", "csv", /f\.h5 is hdf5 by its extension, and csv is asked for/],
  ])("is refused where --out %s and --format %s contradict each other", async (name, format, said) => {
    const { args, folder } = setting();
    const run = await runMain(...args, "--out", join(folder, name), "--format", format);
    expect(run).toMatchObject({ code: 2, out: "" });
    expect(run.err).toMatch(said);
    expect(existsSync(join(folder, name))).toBe(false);
    expect(existsSync(join(folder, `${name}.run`))).toBe(false);
    const other = join(folder, "g.npy");
    expect((await runMain(...args, "--out", other)).code).toBe(0);
    const converted = await runMain("convert", other, join(folder, name), "--format", format);
    expect(converted.err).toMatch(said);
  });

  it("is not guessed: a name that says none wants --format", async () => {
    const { args, folder } = setting();
    for (const name of ["features", "f.dat", "f.npy.bak"]) {
      const out = join(folder, name);
      const run = await runMain(...args, "--out", out);
      expect(run).toMatchObject({ code: 2, out: "" });
      expect(run.err).toContain(`The format of ${out} is not told by its name.`);
      expect((await runMain(...args, "--out", out, "--format", "npy")).code).toBe(0);
      expect(readFileSync(out, "latin1")).toMatch(/^\x93NUMPY/);
    }
  });
});
