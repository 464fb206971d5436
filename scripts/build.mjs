/**
 * `npm run build`, and `prepare` behind `npm ci` and before `npm pack`: `dist` whole, which is what users install. The scripts,
 * and the declarations of what `src/index.ts` gives.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { buildScripts, checkout, findEsbuild, isFresh, place, stateIn, writeState } from "./dist.mjs";

const importOf = /(\bfrom\s+|\bimport\(\s*|\bimport\s+)"(\.[^"]+)"/g;

/** The declarations behind an entry, by where they lie in `folder`. */
function reachable(folder, name, found = new Map()) {
  if (found.has(name)) return found;
  const text = readFileSync(join(folder, name), "utf8");
  // Others import what stands beside the declarations of a script: a script.
  found.set(
    name,
    text.replace(importOf, (_, before, path) => `${before}"${path.replace(/\.ts$/, ".js")}"`),
  );
  for (const [, , path] of text.matchAll(importOf)) {
    const next = resolve("/", dirname(name), path).slice(resolve("/").length);
    reachable(folder, next.replace(/\.(m?)[jt]s$/, ".d.$1ts"), found);
  }
  return found;
}

/** What programs import, and where its declarations begin. */
const faces = ["index.d.ts", "web/index.d.ts"];

/** Declarations of what programs import, and of nothing else, with no types of packages but Node's. */
function buildDeclarations(root, dist) {
  const made = mkdtempSync(join(tmpdir(), "slimfeatures-types-"));
  try {
    const tsc = createRequire(join(root, "package.json")).resolve("typescript/package.json");
    const { status, stdout } = spawnSync(
      process.execPath,
      [join(dirname(tsc), "bin/tsc"), "--project", "tsconfig.types.json", "--outDir", made],
      { cwd: root, encoding: "utf8" },
    );
    if (status !== 0) throw new Error(`The declarations cannot be made:\n${stdout}`);
    const found = new Map();
    for (const name of faces) reachable(made, name, found);
    found.set("index.d.ts", `/// <reference types="node" />\n${found.get("index.d.ts")}`);
    const types = join(dist, "types");
    rmSync(types, { recursive: true, force: true });
    for (const [name, text] of found) place(join(types, name), (part) => writeFileSync(part, text));
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}

const root = checkout();
const dist = join(root, "dist");
if (findEsbuild(root)) {
  if (!isFresh(root, dist)) buildScripts(root, dist);
  const state = stateIn(dist);
  if (state.declared !== state.content || !existsSync(join(dist, "types/index.d.ts"))) {
    buildDeclarations(root, dist);
    writeState(dist, { ...state, declared: state.content });
  }
} else if (stateIn(dist) === undefined) {
  // `npm ci --omit=dev`, for which a `dist` that is there will do.
  console.error("dist is not built: that takes the development packages (npm ci without --omit=dev).");
}
