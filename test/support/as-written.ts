/** Runs the snippets of the docs as they are written, in a folder that has what they name. */
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { python } from "./features.ts";
import { seededVariables, writeVariables } from "./small-checkpoint.ts";

const root = resolve(import.meta.dirname, "../..");

/**
 * What `npm` and `npx` do here: the program's commands are run from this checkout; installing, testing and packing are tried
 * by tests of their own, and nothing is downloaded.
 */
const npm = `#!/bin/sh
case "$1" in
  ci|install|i|test|pack|init) exit 0 ;;
  run) name=$2; shift 2; [ "$1" = -- ] && shift
    [ "$name" = fetch ] && exit 0
    exec "${process.execPath}" "${root}/bin/slimfeatures.mjs" "$name" "$@" ;;
esac
echo "npm $*: the docs' test does not know this command" >&2; exit 1
`;
const npx = `#!/bin/sh
[ "$1" = slimfeatures ] || { echo "npx $*: the docs' test does not know this command" >&2; exit 1; }
shift
[ "$1" = fetch ] && exit 0
exec "${process.execPath}" "${root}/bin/slimfeatures.mjs" "$@"
`;

export interface WorkingFolder {
  readonly path: string;
  /** Runs one snippet; gives what it printed. Rejects with that where it fails. */
  run(language: string, text: string): Promise<string>;
  remove(): void;
}

/** Whether a snippet's language can be run here. */
export const runnable: Readonly<Record<string, boolean>> = {
  sh: process.platform !== "win32",
  ts: true,
  js: true,
  python: python !== undefined,
  r: false,
};

/** The libraries that a Python snippet imports and that are not installed here. */
export function missingLibraries(text: string): string[] {
  const names = [...text.matchAll(/^(?:import|from) (.*?)(?: import .*)?$/gm)]
    .flatMap(([, list]) => list.split(","))
    .map((name) => name.trim().split(/[ .]/)[0]);
  return names.filter((name) => spawnSync(python ?? "python3", ["-c", `import ${name}`]).status !== 0);
}

/**
 * A folder with `photos/` and the same pictures by their subject in `labelled/` and `shards/`, another picture `new.jpg`, and checkpoints
 * of inception_v1, untrained, under the names that the docs give them; names of classes in `labels.txt`, and the subject
 * of each picture in `labels.csv`.
 */
export async function workingFolder(): Promise<WorkingFolder> {
  const path = mkdtempSync(join(tmpdir(), "docs-"));
  const tools = join(path, ".tools");
  mkdirSync(tools);
  writeFileSync(join(tools, "npm"), npm, { mode: 0o755 });
  writeFileSync(join(tools, "npx"), npx, { mode: 0o755 });
  const samples = join(root, "samples");
  for (const name of readdirSync(samples).filter((name) => name.includes("."))) {
    cpSync(join(samples, name), join(path, "photos", name));
    cpSync(join(samples, name), join(path, "labelled", name.split("_")[0], name));
  }
  cpSync(join(samples, "hills_01.jpg"), join(path, "new.jpg"));
  mkdirSync(join(path, "shards"));
  for (const [i, subject] of ["hills", "towers"].entries())
    spawnSync("tar", [
      "-cf",
      join(path, "shards", `0000${i}.tar`),
      "-C",
      join(path, "labelled", subject),
      ".",
    ]);
  await writeVariables(join(path, "inception_v1.ckpt"), await seededVariables("inception_v1"));
  const parts = readdirSync(path).filter((name) => name.startsWith("inception_v1.ckpt."));
  for (const part of parts) {
    cpSync(join(path, part), join(path, "checkpoints", part));
    cpSync(join(path, part), join(path, "training", part.replace("inception_v1.ckpt", "model.ckpt-5000")));
  }
  spawnSync("tar", ["-czf", "inception_v1_2016_08_28.tar.gz", ...parts], { cwd: path });
  const labels = Array.from({ length: 1001 }, (_, i) => `class ${i}`).join("\n");
  writeFileSync(join(path, "labels.txt"), labels);
  const rows = readdirSync(join(path, "photos")).map((name) => `${name},${name.split("_")[0]}`);
  writeFileSync(join(path, "labels.csv"), `path,label\n${rows.join("\n")}\n`);
  let scripts = 0;
  return {
    path,
    run(language, text) {
      // A program finds the package by its name from inside of it alone.
      const script = join(root, ".snippets", `docs-${process.pid}-${scripts++}.m${language}`);
      const commands: Readonly<Record<string, readonly string[]>> = {
        sh: ["sh", "-e", "-c", text],
        python: [python ?? "python3", "-c", text],
        ts: [process.execPath, "--import", import.meta.resolve("tsx"), script],
        js: [process.execPath, script],
      };
      if (language === "ts" || language === "js") {
        mkdirSync(join(root, ".snippets"), { recursive: true });
        writeFileSync(script, text);
      }
      const [command, ...args] = commands[language];
      const env = { ...process.env, PATH: `${tools}${delimiter}${process.env.PATH}`, NO_COLOR: "1" };
      return new Promise((done, failed) => {
        const child = spawn(command, args, { cwd: path, env, stdio: ["ignore", "pipe", "pipe"] });
        let printed = "";
        for (const stream of [child.stdout, child.stderr])
          stream.on("data", (part) => {
            printed += part;
          });
        child.on("error", failed);
        child.on("close", (code) => {
          rmSync(script, { force: true });
          if (code === 0) done(printed);
          else failed(new Error(`${text}\nended with ${code}:\n${printed}`));
        });
      });
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}
