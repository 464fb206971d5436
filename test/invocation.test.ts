/** Advice names commands as they are typed where the program was started, and to programs options as the library's arguments. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { UserError } from "../src/errors.ts";
import { answerTo, asTyped, startedBy } from "../src/invocation.ts";

const advice =
  "See npm run models, or npm run fetch -- vgg_16; npm run bench:peers is no command of the program. Use --device cpu.";

afterEach(() => {
  startedBy("/some/project/node_modules/.bin/slimfeatures");
  answerTo("library");
});

describe("a command in an advice", () => {
  it.each([
    ["/home/me/slimfeatures/bin/slimfeatures.mjs", "npm run models", "npm run fetch -- vgg_16"],
    ["/p/node_modules/.bin/slimfeatures", "npx slimfeatures models", "npx slimfeatures fetch vgg_16"],
    [
      "C:\\p\\node_modules\\slimfeatures\\bin\\slimfeatures.mjs",
      "npx slimfeatures models",
      "npx slimfeatures fetch vgg_16",
    ],
    ["/usr/local/bin/slimfeatures", "slimfeatures models", "slimfeatures fetch vgg_16"],
  ])("is typed as the program was started: by %s", (script, models, fetch) => {
    startedBy(script);
    answerTo("command line");
    expect(asTyped(advice)).toContain(`See ${models}, or ${fetch};`);
    expect(asTyped(advice)).toContain("npm run bench:peers is");
    expect(asTyped(advice)).toContain("Use --device cpu.");
    expect(asTyped(asTyped(advice))).toBe(asTyped(advice));
  });

  it("is a package's in the errors of the library, with its options", () => {
    const { message, hint } = new UserError("No npm run models.", "Try npm run extract -- --model x.");
    expect([message, hint]).toEqual([
      "No npx slimfeatures models.",
      "Try npx slimfeatures extract --model x.",
    ]);
  });
});

describe("an option in an advice", () => {
  it.each([
    ["Use a smaller --batch-size, or --device cpu.", 'Use a smaller `batchSize`, or `device: "cpu"`.'],
    ["Name the file with --checkpoint FILE, or leave it.", "Name the file with `checkpoint`, or leave it."],
    ["Name a folder, with --data-dir DIR.", "Name a folder, with `inputs`."],
    ["--weights seeded and --checkpoint contradict.", '`weights: "seeded"` and `checkpoint` contradict.'],
    ["Leave --model out for mobilenet_v1.", "Leave `model` out for mobilenet_v1."],
    ["Name it, or leave --scope out.", "Name it, or leave `scope` out."],
    ["Say which with --scope a/b-c/.", 'Say which with `scope: "a/b-c/"`.'],
    ["--scope says where.", "`scope` says where."],
    ["Use --model lenet, or --model auto to tell.", 'Use `model: "lenet"`, or `model: "auto"` to tell.'],
    ["--global-pool averages the map.", "`globalPool: true` averages the map."],
    ["Start again with --overwrite.", "Start again with `overwrite: true`."],
    ['Mend it, or --exclude "x y.tar".', 'Mend it, or `excludes: "x y.tar"`.'],
    ["--order list keeps the order.", '`order: "list"` keeps the order.'],
    ["Name a file that --pca K wrote: <out>.pca.json.", "Name a file that `pca` wrote: <out>.pca.json."],
    ["Pack it again without --sparse.", "Pack it again without --sparse."],
    [
      "Download it with: npm run fetch -- vgg_16. Leave --model out.",
      "Download it with: npx slimfeatures fetch vgg_16. Leave `model` out.",
    ],
  ])("is the library's argument: %s", (typed, said) => {
    expect(asTyped(typed)).toBe(said);
    expect(asTyped(said)).toBe(said);
  });

  it("is none of the command line's in any text outside of it", () => {
    const src = resolve(import.meta.dirname, "../src");
    const files = (readdirSync(src, { recursive: true }) as string[]).filter(
      (name) => name.endsWith(".ts") && !/^(?:cli|verify)[\\/]|^invocation\.ts$/.test(name),
    );
    const texts = files.flatMap((name) => {
      const code = readFileSync(join(src, name), "utf8").replace(/^\s*(?:\/\*\*|\*|\/\/).*$/gm, "");
      return code.match(/(["`])(?:(?!\1)[^\\\n]|\\.)*--[a-z](?:(?!\1)[^\\\n]|\\.)*\1/g) ?? [];
    });
    expect(texts.length).toBeGreaterThan(40);
    // A whole command has the options of the command line, which is where it is typed.
    const advices = texts.map((text) => asTyped(text.slice(1, -1)).replace(/npx slimfeatures [^.,;]*/g, ""));
    const left = advices.filter((text) => /--(?!sparse)[a-z]/.test(text));
    expect(left).toEqual([]);
  });
});
