/** What a site has that uses the package: its scripts for browsers, as they are built, and its files. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { extname, join, resolve } from "node:path";
import { buildSync } from "esbuild";
import { scriptOf, scripts } from "../../scripts/dist.mjs";
import type { SiteFile } from "./chromium.ts";

const root = resolve(import.meta.dirname, "../..");

const types: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
};

const isModule = (options: (typeof scripts)[number]["options"]) =>
  options?.platform === "browser" && options.format === "esm";

const built = new Map<string, string>();

/** The text of a script for browsers, under its name in `dist`; nothing for another name. */
export function browserScript(name: string): string | undefined {
  const found = scripts.find(({ entry, options }) => isModule(options) && scriptOf(entry, options) === name);
  if (!found) return undefined;
  let text = built.get(name);
  text ??= buildSync({
    absWorkingDir: root,
    entryPoints: [found.entry],
    bundle: true,
    write: false,
    charset: "utf8",
    ...found.options,
  }).outputFiles[0].text;
  built.set(name, text);
  return text;
}

/** The names of the scripts for browsers. */
export const browserScripts = (): string[] =>
  scripts.filter(({ options }) => isModule(options)).map(({ entry, options }) => scriptOf(entry, options));

/** A file of the package under its path in it, such as /dist/web-index.js or /weights/…. */
export async function packageFile(path: string): Promise<SiteFile | undefined> {
  const script = /^\/dist\/([\w.-]+)$/.exec(path)?.[1];
  const text = script && browserScript(script);
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
