/** In a checkout the built program is always that of the sources as they are, and runs from anywhere. */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { copies, scripts } from "../scripts/dist.mjs";

const root = resolve(import.meta.dirname, "..");
let project: string;
let dist: string;

function file(name: string, text: string): void {
  mkdirSync(dirname(join(project, name)), { recursive: true });
  writeFileSync(join(project, name), text);
}

/** Starts the program of the project from another folder. */
const start = () =>
  spawnSync(process.execPath, [join(project, "bin/slimfeatures.mjs")], {
    cwd: tmpdir(),
    env: { ...process.env, TMPDIR: temporary(), TEMP: temporary() },
    encoding: "utf8",
  });
const temporary = () => join(project, "tmp");

function run(): string {
  const { stdout, stderr } = start();
  expect(stderr).toBe("");
  return stdout.trim();
}

const script = () => join(dist, "cli-main.cjs");
const builtAt = () => statSync(script(), { bigint: true }).mtimeNs;

/** Another time of all sources, and the same text. */
function touch(): void {
  for (const name of readdirSync(join(project, "src"), { recursive: true }) as string[])
    utimesSync(join(project, "src", name), 1e9, 1e9);
}

beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "bundle-"));
  dist = join(project, "dist");
  mkdirSync(join(project, "node_modules"));
  mkdirSync(temporary());
  for (const name of ["esbuild", "@esbuild"]) {
    symlinkSync(join(root, "node_modules", name), join(project, "node_modules", name));
  }
  for (const name of ["bin/slimfeatures.mjs", "scripts/build.mjs", "scripts/dist.mjs", "src/bundle.mjs"])
    cpSync(join(root, name), join(project, name));
  file("package.json", '{ "type": "module" }');
  for (const { entry } of scripts) file(entry, "export {};");
  for (const { from } of copies.filter((c) => c.from.startsWith("src/"))) {
    if (from.includes(".")) file(from, "names");
    else file(join(from, "some"), "numbers");
  }
  file(
    "node_modules/greeting/package.json",
    JSON.stringify({ name: "greeting", type: "module", exports: "./index.js" }),
  );
  file("node_modules/greeting/index.js", 'export const greeting = "hello";');
  file("src/name.ts", 'export const name: string = "you";');
  file(
    "src/cli/main.ts",
    `import { greeting } from "greeting";
    import { bundledWorker } from "../bundle.mjs";
    import { name } from "../name.ts";
    bundledWorker("node/images/worker.ts", { greeting: greeting + " " + name });`,
  );
  file(
    "src/node/images/worker.ts",
    `import { readFileSync } from "node:fs";
    import { workerData } from "node:worker_threads";
    import { sourceUrl } from "../../bundle.mjs";
    console.log(workerData.greeting, "with", readFileSync(sourceUrl("nets/imagenet.txt"), "utf8"));`,
  );
});
afterEach(() => rmSync(project, { recursive: true, force: true }));

describe("the program of a checkout", () => {
  it("finds its packages, its workers and what they read from another folder", () =>
    expect(run()).toBe("hello you with names"));

  it("is kept, and made anew when a source changes", () => {
    run();
    const first = builtAt();
    expect(run()).toBe("hello you with names");
    expect(builtAt()).toBe(first);
    file("src/name.ts", 'export const name: string = "world";');
    expect(run()).toBe("hello world with names");
    file("dist/of-an-entry-that-was-renamed.cjs", "");
    file("src/nets/imagenet.txt", "other names");
    expect(run()).toBe("hello world with other names");
    expect(readdirSync(dist)).not.toContain("of-an-entry-that-was-renamed.cjs");
  });

  it("is made anew where a script is cut off or lacks", () => {
    run();
    const whole = readFileSync(script(), "utf8");
    writeFileSync(script(), whole.slice(0, -20));
    expect(run()).toBe("hello you with names");
    expect(readFileSync(script(), "utf8")).toBe(whole);
    rmSync(join(dist, "node-images-worker.cjs"));
    expect(run()).toBe("hello you with names");
  });

  it("is kept where only the times of the sources differ, as in a copy of the checkout", () => {
    run();
    const first = builtAt();
    touch();
    expect(run()).toBe("hello you with names");
    expect(builtAt()).toBe(first);
  });

  it("runs where nothing can be kept, and leaves nothing behind", () => {
    writeFileSync(dist, "a file where the folder would be");
    expect(run()).toBe("hello you with names");
    expect(run()).toBe("hello you with names");
    expect(readFileSync(dist, "utf8")).toContain("a file");
    expect(readdirSync(temporary())).toEqual([]);
  });

  it("does without esbuild once it is built, and says in a sentence where it has to be built", () => {
    run();
    rmSync(join(project, "node_modules/esbuild"));
    expect(run()).toBe("hello you with names");
    file("src/name.ts", 'export const name: string = "world";');
    const { stderr, status } = start();
    expect([stderr.trim(), status]).toEqual([
      "error: dist, the built program, is not that of these sources, and esbuild, which builds it, is not installed. " +
        "Run npm ci without --omit=dev once; npm prune --omit=dev may follow.",
      1,
    ]);
  });

  it("is prepared without a failure where the development packages are left out", () => {
    rmSync(join(project, "node_modules/esbuild"));
    const { stderr, status } = spawnSync(process.execPath, [join(project, "scripts/build.mjs")], {
      encoding: "utf8",
    });
    expect([stderr.trim(), status]).toEqual([
      "dist is not built: that takes the development packages (npm ci without --omit=dev).",
      0,
    ]);
    expect(existsSync(dist)).toBe(false);
  });
});
