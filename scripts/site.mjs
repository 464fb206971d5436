/** The page in `web/` as a folder of files that any host can serve, and the headers that it is served with. */
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { build } from "esbuild";
import { checkout, scriptOf, scripts } from "./dist.mjs";

/** What the page may do: run and load what its own site has, and nothing else. Nothing is sent to any other place. */
const policy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "connect-src 'self'",
  "img-src 'self' blob: data:",
  "style-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** On every file: a worker has the policy that its script came with, and not that of its page. */
export const headers = {
  "content-security-policy": policy,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** What is kept in the browser only once it was asked for. */
const large = /^(?:weights|samples)\//;

const filesIn = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();

/** Writes the site into `out`, which is made anew. */
export async function buildSite(out) {
  const root = checkout();
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  rmSync(out, { recursive: true, force: true });
  mkdirSync(join(out, "samples"), { recursive: true });
  const modules = scripts.filter(
    ({ options }) => options?.platform === "browser" && options.format === "esm",
  );
  const shared = {
    absWorkingDir: root,
    bundle: true,
    format: "esm",
    platform: "browser",
    target: ["chrome116", "firefox124", "safari17.4"],
    minify: true,
    charset: "utf8",
    logLevel: "silent",
  };
  // Without parts: whoever opened the page once has all of it without a network.
  await build({
    ...shared,
    entryPoints: [
      { in: "web/main.ts", out: "main" },
      { in: "web/helper.ts", out: "helper" },
      ...modules.map(({ entry, options }) => ({
        in: entry,
        out: scriptOf(entry, options).replace(/\.js$/, ""),
      })),
    ],
    outdir: join(out, "dist"),
    define: { VERSION: JSON.stringify(version) },
  });
  for (const name of ["index.html", "icon.svg"]) cpSync(join(root, "web", name), join(out, name));
  cpSync(join(root, "weights"), join(out, "weights"), { recursive: true });
  cpSync(join(root, "src/nets/imagenet.txt"), join(out, "dist/nets/imagenet.txt"));
  const samples = readdirSync(join(root, "samples")).filter((name) => /\.(jpg|png|bmp)$/.test(name));
  for (const name of samples) cpSync(join(root, "samples", name), join(out, "samples", name));
  writeFileSync(join(out, "samples/list.json"), JSON.stringify(samples));
  const all = filesIn(out);
  const hash = createHash("sha256");
  for (const file of all) hash.update(file).update(readFileSync(join(out, file)));
  await build({
    ...shared,
    entryPoints: [{ in: "web/service.ts", out: "service" }],
    outdir: out,
    define: {
      FILES: JSON.stringify(["./", ...all.filter((file) => !large.test(file) && file !== "index.html")]),
      HEADERS: JSON.stringify(headers),
      BUILT: JSON.stringify(hash.digest("hex").slice(0, 16)),
    },
  });
  const lines = Object.entries(headers).map(([name, value]) => `  ${name}: ${value}`);
  // As several hosts of static files read it; where none does, the service worker sets them.
  writeFileSync(join(out, "_headers"), `/*\n${lines.join("\n")}\n`);
}
