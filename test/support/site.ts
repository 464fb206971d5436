/** What a site has that uses the package: its scripts for browsers, as they are built, and its files. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, extname, join, resolve } from "node:path";
import { buildSync } from "esbuild";
import { buildOptions, scripts } from "../../scripts/dist.mjs";
import type { SiteFile } from "./chromium.ts";

const root = resolve(import.meta.dirname, "../..");

const types: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
};

const build = (): ReadonlyMap<string, string> =>
  new Map(
    scripts
      .filter(({ options }) => options?.platform === "browser" && options.format === "esm")
      .flatMap((script) => buildSync(buildOptions(root, root, script)).outputFiles)
      .map(({ path, text }) => [basename(path), text]),
  );

let built: ReturnType<typeof build> | undefined;

/** The scripts for browsers and their parts, as text by their names in `dist`. */
export function browserScripts(): ReadonlyMap<string, string> {
  built ??= build();
  return built;
}

/** A file of the package under its path in it, such as /dist/web-index.js or /weights/…. */
export async function packageFile(path: string): Promise<SiteFile | undefined> {
  const script = /^\/dist\/([\w.-]+)$/.exec(path)?.[1];
  const text = script && browserScripts().get(script);
  if (text) return { type: "text/javascript", body: text };
  const nets = /^\/dist(\/nets\/.+)$/.exec(path)?.[1];
  return fileIn(root, nets ? `/src${nets}` : path);
}

/** A file below a folder. */
export async function fileIn(folder: string, path: string): Promise<SiteFile | undefined> {
  const at = join(folder, decodeURIComponent(path));
  if (!at.startsWith(folder) || !existsSync(at)) return undefined;
  const body = await readFile(at).catch(() => undefined);
  return body && { type: types[extname(at)] ?? "application/octet-stream", body };
}
