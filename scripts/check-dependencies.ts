/**
 * `npm run check:dependencies`: the licences of everything that is installed, against the list of those that go with
 * Apache-2.0, and the advisories that the registry knows of what users install. Ends with 1 where one of either is
 * found. A registry that does not answer is said, and is no failure: the licences are checked all the same.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

/** Licences that ask for no more than to be named. */
const permissive = [
  "MIT",
  "ISC",
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "BlueOak-1.0.0",
  "CC0-1.0",
  "Unlicense",
];

/**
 * Packages under other terms, each with why it may be used. The names are those of the lock file, up to the platform.
 */
const exceptions: readonly { readonly name: RegExp; readonly licence: string; readonly why: string }[] = [
  {
    name: /^@img\/sharp-(libvips|wasm32|win32)/,
    licence: "LGPL-3.0-or-later",
    why: "libvips is a shared library of its own, which anybody can replace",
  },
  {
    name: /^h5wasm$/,
    licence: "SEE LICENSE IN LICENSE.txt",
    why: "NIST's public domain notice and the HDF Group's BSD licence",
  },
  {
    name: /^lightningcss/,
    licence: "MPL-2.0",
    why: "a tool of the tests, which is not passed on",
  },
];

interface Locked {
  readonly version: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}

/** The packages of the lock file by name; the project itself is the entry without one. */
const packages = Object.entries(
  (JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as { packages: Record<string, Locked> })
    .packages,
)
  .filter(([path]) => path !== "")
  .map(([path, locked]) => ({ path, name: path.replace(/^.*node_modules\//, ""), ...locked }));

/** What the installed package itself says, which may differ from the lock file; that one where it is not installed. */
function licenceOf({ path, license }: (typeof packages)[number]): string {
  const file = join(root, path, "package.json");
  const own = existsSync(file)
    ? (JSON.parse(readFileSync(file, "utf8")) as { license?: unknown }).license
    : license;
  return typeof own === "string" ? own : (license ?? "none");
}

/** Whether every part of an expression of licences may be used, or one of several that are offered. */
function allowed(licence: string, also: readonly string[]): boolean {
  const known = [...permissive, ...also];
  const parts = (text: string, word: string) => text.replace(/[()]/g, "").split(word);
  return parts(licence, " OR ").some((choice) =>
    parts(choice, " AND ").every((part) => known.includes(part.trim())),
  );
}

const refused = packages.flatMap((found) => {
  const licence = licenceOf(found);
  const also = exceptions.filter((e) => e.name.test(found.name)).map((e) => e.licence);
  return allowed(licence, also) ? [] : [`${found.name} ${found.version}: ${licence}`];
});
const unused = exceptions.filter((e) => !packages.some((p) => e.name.test(p.name)));
console.log(`Licences: ${packages.length} packages, ${refused.length} of terms that are not on the list.`);
for (const line of refused) console.log(`  ${line}`);
for (const { name } of unused)
  console.log(`  No package is called ${name.source} any more: take it off the list.`);

interface Audit {
  readonly vulnerabilities?: Record<
    string,
    { readonly severity: string; readonly via: readonly (string | { title?: string })[] }
  >;
}

const run = spawnSync("npm", ["audit", "--omit=dev", "--json"], {
  cwd: root,
  encoding: "utf8",
  shell: process.platform === "win32",
});
let audit: Audit = {};
try {
  audit = JSON.parse(run.stdout) as Audit;
} catch {
  // Told below: what is no answer holds no vulnerabilities.
}
const advisories = Object.entries(audit.vulnerabilities ?? {});
if (audit.vulnerabilities === undefined) {
  console.log("Advisories: SKIPPED, the registry does not answer npm audit here.");
} else {
  console.log(`Advisories: ${advisories.length} for what users install.`);
  for (const [name, { severity, via }] of advisories) {
    const titles = via.map((v) => (typeof v === "string" ? v : (v.title ?? ""))).join("; ");
    console.log(`  ${name} (${severity}): ${titles}`);
  }
}
process.exitCode = refused.length + unused.length + advisories.length > 0 ? 1 : 0;
