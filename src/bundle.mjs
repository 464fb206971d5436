/**
 * All modules behind an entry as one script. A loader of TypeScript takes two hundred modules half a second, in each process
 * and each worker; bundling them takes a third of that, and only where a source has changed since the last time.
 *
 * Plain JavaScript, since it is what runs before there is any TypeScript; and the only module that asks where it lies,
 * which a bundle cannot tell for each of its modules.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire, Module } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

/** Where a file of src/ lies. */
export const sourceUrl = (path) => new URL(path, import.meta.url);

/** The project's own packages, from wherever it is started. */
export const requireOwn = createRequire(import.meta.url);

const source = fileURLToPath(sourceUrl("."));
const cache = fileURLToPath(sourceUrl("../node_modules/.cache/slimfeatures"));

/** The last line of a script that was written whole. */
const end = "\n// whole\n";

/** Changes with every change of a source, of the entry, or of the packages. */
function stateOf(entry) {
  const files = readdirSync(source, { recursive: true })
    .filter((name) => /\.(?:m?[jt]s|css)$/.test(name))
    .map((name) => join(source, name));
  const hash = createHash("sha256");
  for (const file of [...files.sort(), entry, fileURLToPath(sourceUrl("../package.json"))]) {
    const { size, mtimeMs } = statSync(file);
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex").slice(0, 16);
}

function build(entry, options) {
  const { buildSync, stop } = requireOwn("esbuild");
  const { outputFiles } = buildSync({ entryPoints: [entry], bundle: true, write: false, ...options });
  // Its service would stay open as long as this process.
  void stop();
  return outputFiles;
}

const forNode = {
  format: "cjs",
  define: { "import.meta.url": JSON.stringify(import.meta.url) },
  packages: "external",
  platform: "node",
};

const forBrowsers = {
  format: "iife",
  platform: "browser",
  target: ["chrome111", "firefox113", "safari16.4"],
  minify: true,
  charset: "utf8",
  outdir: ".",
};

/** Keeps a script in the place of those of earlier sources. A folder that cannot be written costs time, and nothing else. */
function keep(name, state, text) {
  try {
    mkdirSync(cache, { recursive: true });
    const part = join(cache, `${name}.${process.pid}.part`);
    try {
      writeFileSync(part, text);
      renameSync(part, join(cache, `${name}.${state}.cjs`));
    } finally {
      rmSync(part, { force: true });
    }
    for (const other of readdirSync(cache)) {
      if (other.startsWith(`${name}.`) && other.endsWith(".cjs") && other !== `${name}.${state}.cjs`) {
        rmSync(join(cache, other), { force: true });
      }
    }
  } catch {
    // It is made again the next time.
  }
}

function kept(name, state) {
  try {
    const text = readFileSync(join(cache, `${name}.${state}.cjs`), "utf8");
    return text.endsWith(end) ? text : undefined;
  } catch {
    return undefined;
  }
}

const made = new Map();

/** What `make` gives for an entry, whose path is told from src/, kept until a source changes. A process makes it once. */
function once(path, make) {
  let text = made.get(path);
  if (!text) {
    const entry = fileURLToPath(sourceUrl(path));
    const name = path.replace(/[^\w]+/g, "-");
    const state = stateOf(entry);
    text = kept(name, state);
    if (!text) {
      text = make(entry) + end;
      keep(name, state, text);
    }
    made.set(path, text);
  }
  return text;
}

/** The script of an entry, whose path is told from src/. */
export const bundled = (path) => ({
  text: once(path, (entry) => build(entry, forNode)[0].text),
  filename: `${fileURLToPath(sourceUrl(path))}.cjs`,
});

/** Script and style of a page's entry. */
export function bundledPage(path) {
  const text = once(path, (entry) => {
    const files = build(entry, forBrowsers);
    const ending = (name) => files.find((file) => file.path.endsWith(name))?.text ?? "";
    return JSON.stringify({ script: ending(".js"), style: ending(".css") });
  });
  return JSON.parse(text.slice(0, -end.length));
}

/**
 * Runs a script in this thread, as the CommonJS module that would lie beside its entry: its packages are found there. Node
 * has no other way, but for one that it calls experimental, to run a text that imports.
 */
export function run({ text, filename }) {
  const module = new Module(filename);
  module.filename = filename;
  module.paths = Module._nodeModulePaths(dirname(filename));
  module._compile(text, filename);
}

/** A worker that runs the script of an entry with `data` as its workerData. It does without the loaders of this thread. */
export function bundledWorker(path, data, options = {}) {
  return new Worker(sourceUrl("bundle-worker.mjs"), {
    ...options,
    workerData: { ...data, script: bundled(path) },
    execArgv: [],
  });
}
