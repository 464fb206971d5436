/** A script made of all modules is always that of the sources as they are, and runs from anywhere. */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");
let project: string;
let cache: string;

const source = (name: string, text: string) => writeFileSync(join(project, "src", name), text);

/** Runs src/entry.ts of the project from another folder. */
function run(): string {
  const { stdout, stderr } = spawnSync(process.execPath, [join(project, "start.mjs")], {
    cwd: tmpdir(),
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  return stdout.trim();
}

const scripts = () => readdirSync(cache).map((name) => join(cache, name));

beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "bundle-"));
  cache = join(project, "node_modules/.cache/slimfeatures");
  mkdirSync(join(project, "src"));
  mkdirSync(join(project, "node_modules/greeting"), { recursive: true });
  for (const name of ["esbuild", "@esbuild"]) {
    symlinkSync(join(root, "node_modules", name), join(project, "node_modules", name));
  }
  cpSync(join(root, "src/bundle.mjs"), join(project, "src/bundle.mjs"));
  writeFileSync(join(project, "package.json"), "{}");
  writeFileSync(
    join(project, "node_modules/greeting/package.json"),
    JSON.stringify({ name: "greeting", type: "module", exports: "./index.js" }),
  );
  writeFileSync(join(project, "node_modules/greeting/index.js"), 'export const greeting = "hello";');
  writeFileSync(
    join(project, "start.mjs"),
    'import { bundled, run } from "./src/bundle.mjs";\nrun(bundled("entry.ts"));\n',
  );
  source("name.ts", 'export const name: string = "you";');
  source(
    "entry.ts",
    'import { name } from "./name.ts";\nimport("greeting").then(({ greeting }) => console.log(greeting, name));',
  );
});
afterEach(() => rmSync(project, { recursive: true, force: true }));

describe("a bundle", () => {
  it("finds the project's packages from another folder", () => expect(run()).toBe("hello you"));

  it("is kept, and made anew when a source changes", () => {
    run();
    const [first] = scripts();
    expect(run()).toBe("hello you");
    expect(scripts()).toEqual([first]);
    source("name.ts", 'export const name: string = "world";');
    expect(run()).toBe("hello world");
    expect(scripts()).toHaveLength(1);
    expect(scripts()).not.toEqual([first]);
  });

  it("is made anew where the one that was kept is cut off", () => {
    run();
    const [kept] = scripts();
    const whole = readFileSync(kept, "utf8");
    writeFileSync(kept, whole.slice(0, -20));
    expect(run()).toBe("hello you");
    expect(readFileSync(kept, "utf8")).toBe(whole);
  });

  it("runs where nothing can be kept", () => {
    mkdirSync(join(project, "node_modules/.cache"));
    writeFileSync(cache, "a file where the folder would be");
    expect(run()).toBe("hello you");
    expect(run()).toBe("hello you");
  });
});
