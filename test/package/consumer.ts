/**
 * An empty project that has the package as users have it: what `npm pack` gives, unpacked among its dependencies. Those are
 * links to this checkout's, which takes no registry; or, under `npm run test:package`, whatever npm installs.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

export const root = resolve(import.meta.dirname, "../..");

/** Whether npm installs: `vitest --mode registry`. */
export const fromRegistry =
  (import.meta as { readonly env?: { readonly MODE?: string } }).env?.MODE === "registry";

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A registry that does not answer is asked for hours otherwise. */
const patience = 300_000;

export function runIn(folder: string, command: string, ...args: readonly string[]): Ran {
  // As on a terminal: certificates, proxies and npm's settings stay, and what these tests were started with does not.
  const ours = /^(npm_(package|lifecycle|command)|NODE_(OPTIONS|PATH|ENV)$|VITE|SLIMFEATURES_)/;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
  const shell = process.platform === "win32" && command.startsWith("np");
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: folder,
    env,
    encoding: "utf8",
    shell,
    timeout: patience,
  });
  if (error) throw error;
  return { status, stdout, stderr };
}

function mustRun(folder: string, command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = runIn(folder, command, ...args);
  if (status !== 0)
    throw new Error(`${command} ${args.join(" ")} ends with ${status}:\n${stdout}\n${stderr}`);
  return stdout;
}

interface Locked {
  readonly dev?: boolean;
  readonly optional?: boolean;
}

/** The packages that users get beside ours, by their places under node_modules. */
function locked(): string[] {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, Locked>;
  };
  return Object.entries(packages)
    .filter(([path, { dev }]) => path.startsWith("node_modules/") && !dev && existsSync(join(root, path)))
    .map(([path]) => path.slice("node_modules/".length))
    .filter((name) => name !== "cmake-js");
}

/** npm's own words for what it is to ask of the registry. */
const quietly = ["--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];

export interface Consumer {
  readonly folder: string;
  /** The file that `npm pack` gave. */
  readonly tarball: string;
  /** The names of its files. */
  readonly files: readonly string[];
  /** How many packages came with it, itself among them. */
  readonly packages: number;
  /** Compilers of TypeScript by version. */
  readonly compilers: Readonly<Record<string, string>>;
  /** Programs called node, by version. */
  readonly nodes: Readonly<Record<string, string>>;
}

export function newConsumer(): Consumer {
  const home = mkdtempSync(join(tmpdir(), "package-"));
  const folder = join(home, "project");
  mkdirSync(join(folder, "photos"), { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "private": true }');
  const [packed] = JSON.parse(
    // What prepare prints stands before.
    mustRun(root, "npm", "pack", "--json", "--pack-destination", home).replace(/^[\s\S]*?(?=^\[)/m, ""),
  ) as [{ filename: string; files: { path: string }[] }];
  const tarball = join(home, packed.filename);
  const files = packed.files.map(({ path }) => path);
  const compilers = fromRegistry
    ? Object.fromEntries(
        ["5.9.3", "7.0.2"].map((version) => {
          const at = join(home, `typescript-${version}`);
          mkdirSync(at);
          mustRun(at, "npm", "install", "--prefix", at, ...quietly, `typescript@${version}`);
          return [version, join(at, "node_modules/typescript/bin/tsc")];
        }),
      )
    : { "7.0.2": join(root, "node_modules/typescript/bin/tsc") };
  return { folder, tarball, files, packages: install(folder, tarball), compilers, nodes: findNodes(home) };
}

/** Puts the package into the project. Gives the number of packages that are there then. */
function install(folder: string, tarball: string): number {
  const modules = join(folder, "node_modules");
  if (fromRegistry) {
    mustRun(folder, "npm", "install", ...quietly, tarball);
    const lock = JSON.parse(readFileSync(join(modules, ".package-lock.json"), "utf8")) as {
      packages: Record<string, unknown>;
    };
    return Object.keys(lock.packages).length;
  }
  const own = join(modules, "slimfeatures");
  mkdirSync(own, { recursive: true });
  mustRun(folder, "tar", "-xzf", tarball, "-C", own, "--strip-components=1");
  const others = locked();
  for (const name of others.filter((n) => !n.includes("/node_modules/"))) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, "node_modules", name), join(modules, name), "junction");
  }
  return others.length + 1;
}

/** This Node; with a registry, those of the other versions that are kept up, as their packages bring them. */
function findNodes(home: string): Record<string, string> {
  const nodes = { [process.versions.node]: process.execPath };
  if (!fromRegistry) return nodes;
  for (const version of ["20", "22", "24"]) {
    if (process.versions.node.startsWith(`${version}.`)) continue;
    const at = join(home, `node-${version}`);
    mkdirSync(at);
    const found = join(at, "node_modules/node/bin/node");
    const { status, stderr } = runIn(at, "npm", "install", "--prefix", at, ...quietly, `node@${version}`);
    if (status === 0 && existsSync(found)) nodes[mustRun(at, found, "--version").trim().slice(1)] = found;
    else console.warn(`Node ${version} is not tried: its package does not install here.\n${stderr}`);
  }
  return nodes;
}
