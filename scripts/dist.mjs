/**
 * `dist`: scripts that need no building, and what they read beside them. In a checkout they are built anew where a source has
 * changed since: loading two hundred modules of TypeScript takes half a second in each process and each worker, and bundling
 * them a third of that, once.
 *
 * Plain JavaScript, since it is what runs before there is any TypeScript. Only functions and tables, none of which but `scriptOf`
 * is left in the scripts themselves.
 */
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, extname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** What browsers run, in any of them of the last years. */
const forPages = {
  platform: "browser",
  format: "iife",
  target: ["chrome111", "firefox113", "safari16.4"],
  minify: true,
  sourcemap: false,
};

/** Scripts that pages import, with all packages in them. */
const asModules = { ...forPages, format: "esm", packages: "bundle" };

/**
 * The scripts: each all modules behind an entry, under the name that `scriptOf` gives it. Programs and workers are CommonJS, in
 * which a package is loaded when the module that wants it is; as ES modules they would load all of them as they start. `options`
 * are esbuild's, where they differ from those of such a script.
 */
export const scripts = [
  { entry: "src/cli/main.ts" },
  { entry: "src/node/images/worker.ts" },
  { entry: "src/tables/readers/library-worker.ts" },
  { entry: "src/node/cpu-worker.mjs" },
  // Into pages, with the style that it imports.
  { entry: "src/page/view/map.ts", options: forPages },
  { entry: "src/web/index.ts", options: asModules },
  // In parts: a page loads the readers of other checkpoints and images when it is given one, and one of the two devices.
  {
    entry: "src/web/worker.ts",
    options: { ...asModules, splitting: true, chunkNames: "web-worker-[name]-[hash]" },
  },
  { entry: "src/browser/cpu-worker.mjs", options: asModules },
  { entry: "src/index.ts", options: { format: "esm" } },
  // Measured, and not part of the package.
  { entry: "bench/first-feature.ts" },
];

/** What scripts read beside them: a file, or all files of a folder. One that is not there is not there for any platform. */
export const copies = [
  { from: "src/nets/imagenet.txt", to: "nets/imagenet.txt" },
  { from: "src/nets/statistics", to: "nets/statistics" },
  { from: "node_modules/@julusian/jpeg-turbo/prebuilds", to: "jpeg-turbo" },
  { from: "node_modules/@julusian/jpeg-turbo/LICENSE", to: "jpeg-turbo/LICENSE" },
];

/** The name in `dist` of an entry's script: that of `src/node/images/worker.ts` is `node-images-worker.cjs`. */
export const scriptOf = (entry, { format } = {}) =>
  entry
    .replace(/^src\//, "")
    .replace(/\.m?[jt]s$/, format ? ".js" : ".cjs")
    .replaceAll("/", "-");

/** The folder of the checkout. */
export const checkout = () => fileURLToPath(new URL("../", import.meta.url));

const filesIn = (path) =>
  statSync(path).isFile()
    ? [path]
    : readdirSync(path, { recursive: true, withFileTypes: true })
        .filter((found) => found.isFile())
        .map((found) => join(found.parentPath ?? found.path, found.name));

/** Everything that scripts are made of. A change of package.json may be one of esbuild. */
const sourcesOf = (root) =>
  ["src", "scripts/dist.mjs", "package.json", ...scripts.map(({ entry }) => entry)]
    .filter((path) => !path.startsWith("src/"))
    .flatMap((path) => filesIn(join(root, path)))
    .sort();

const hashOf = (parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest("hex");

/** Two states of the sources: told at once, and told by what they hold, which a copy of a checkout keeps. */
const looksOf = (root) =>
  hashOf(
    sourcesOf(root).map((path) => {
      const { size, mtimeMs } = statSync(path);
      return `${relative(root, path)} ${size} ${mtimeMs}\n`;
    }),
  );
const contentOf = (root) =>
  hashOf(sourcesOf(root).flatMap((path) => [`${relative(root, path)}\n`, readFileSync(path)]));

/** Puts a file in its place whole, as others may be reading the one that is there. */
export function place(path, write) {
  mkdirSync(dirname(path), { recursive: true });
  const part = `${path}.${process.pid}.part`;
  try {
    write(part);
    renameSync(part, path);
  } finally {
    rmSync(part, { force: true });
  }
}

const isAlike = (a, b) => {
  const [one, other] = [a, b].map((path) => statSync(path, { throwIfNoEntry: false }));
  return one?.size === other?.size && Math.floor(one?.mtimeMs / 1000) === Math.floor(other?.mtimeMs / 1000);
};

function copy(from, to) {
  if (isAlike(from, to)) return;
  const { atime, mtime } = statSync(from);
  place(to, (part) => {
    copyFileSync(from, part);
    utimesSync(part, atime, mtime);
  });
}

/** What `dist` was last made of, and the sizes of its files, which tell one that was cut off. */
const stateFile = ".state.json";

export function stateIn(dist) {
  try {
    return JSON.parse(readFileSync(join(dist, stateFile), "utf8"));
  } catch {
    return undefined;
  }
}

export const writeState = (dist, state) =>
  place(join(dist, stateFile), (part) => writeFileSync(part, JSON.stringify(state)));

/** Whether the scripts in `dist` are those of the sources as they are. */
export function isFresh(root, dist) {
  const state = stateIn(dist);
  if (!state) return false;
  const whole = Object.entries(state.sizes).every(
    ([name, size]) => statSync(join(dist, name), { throwIfNoEntry: false })?.size === size,
  );
  if (!whole) return false;
  const looks = looksOf(root);
  if (looks === state.looks) return true;
  if (contentOf(root) !== state.content) return false;
  try {
    writeState(dist, { ...state, looks });
  } catch {
    // It is told by the content again the next time.
  }
  return true;
}

/** Where esbuild is installed, which a checkout has with its development packages. */
export function findEsbuild(root) {
  try {
    return createRequire(join(root, "package.json")).resolve("esbuild");
  } catch {
    return undefined;
  }
}

/** A module of CommonJS knows the path of its file, and not its URL. */
const commonJs = {
  format: "cjs",
  banner: { js: 'const ownUrl = require("node:url").pathToFileURL(__filename).href;' },
};

/** What esbuild is told to build a script, and its parts where it has some. */
export function buildOptions(root, dist, { entry, options }) {
  const name = scriptOf(entry, options);
  const end = extname(name);
  return {
    absWorkingDir: root,
    entryPoints: [{ in: entry, out: name.slice(0, -end.length) }],
    outdir: dist,
    outExtension: { ".js": end },
    write: false,
    bundle: true,
    platform: "node",
    target: "node20.15",
    packages: "external",
    charset: "utf8",
    sourcemap: "linked",
    // Tells src/bundle.mjs that it lies in `dist`.
    define: { "import.meta.built": "true", ...(options ? {} : { "import.meta.url": "ownUrl" }) },
    ...(options ?? commonJs),
  };
}

/** Builds all scripts, and copies what they read beside them where that has changed. */
export function buildScripts(root, dist) {
  const state = { looks: looksOf(root), content: contentOf(root) };
  const { buildSync, stop } = createRequire(import.meta.url)(findEsbuild(root));
  const built = scripts.flatMap((script) => buildSync(buildOptions(root, dist, script)).outputFiles);
  // Its service would stay open as long as this process.
  void stop();
  for (const { from, to } of copies.filter((c) => existsSync(join(root, c.from)))) {
    for (const file of filesIn(join(root, from)))
      copy(file, join(dist, to, relative(join(root, from), file)));
  }
  for (const { path, contents } of built) place(path, (part) => writeFileSync(part, contents));
  const sizes = Object.fromEntries(
    built.map(({ path, contents }) => [relative(dist, path), contents.length]),
  );
  // Scripts of entries that have another name now would be published.
  for (const name of readdirSync(dist)) {
    if (/\.c?js(\.map)?$/.test(name) && !(name in sizes)) rmSync(join(dist, name));
  }
  writeState(dist, { ...state, sizes });
}

/** Links to all of a checkout that cannot be written, beside which a `dist` of this process has its place. */
function shadowOf(root) {
  const shadow = mkdtempSync(join(tmpdir(), "slimfeatures-"));
  process.on("exit", () => rmSync(shadow, { recursive: true, force: true }));
  for (const name of readdirSync(root)) {
    if (name !== "dist") symlinkSync(join(root, name), join(shadow, name), "junction");
  }
  return shadow;
}

let fresh;

/**
 * The folder, as a URL, of the scripts of a checkout's sources as they are: built where they have changed. Looked for once in a
 * process.
 * @throws Error, in a sentence, where they would have to be built and cannot be.
 */
export function freshDist() {
  fresh ??= pathToFileURL(`${distOf(checkout())}/`);
  return fresh;
}

function distOf(root) {
  const dist = join(root, "dist");
  if (isFresh(root, dist)) return dist;
  if (!findEsbuild(root)) {
    throw new Error(
      "dist, the built program, is not that of these sources, and esbuild, which builds it, is not installed. " +
        "Run npm ci without --omit=dev once; npm prune --omit=dev may follow.",
    );
  }
  try {
    buildScripts(root, dist);
    return dist;
  } catch (error) {
    if (!["EACCES", "EPERM", "EROFS", "ENOSPC", "ENOTDIR", "EEXIST"].includes(error.code)) throw error;
    const apart = join(shadowOf(root), "dist");
    buildScripts(root, apart);
    return apart;
  }
}
