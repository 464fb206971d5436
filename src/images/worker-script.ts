/** The decoding worker as one script. A loader of TypeScript takes each worker half a second; bundling all of it, 40 ms once. */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const entry = new URL("./worker.ts", import.meta.url);

let script: Promise<string> | undefined;

async function bundle(): Promise<string> {
  const url = JSON.stringify(entry.href);
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(entry)],
    bundle: true,
    write: false,
    // A script that is no file has no folder from which packages are found: it gets this one's.
    format: "cjs",
    banner: { js: `require = require("node:module").createRequire(${url});` },
    define: { "import.meta.url": url },
    packages: "external",
    platform: "node",
  });
  return outputFiles[0].text;
}

/** What `new Worker(script, { eval: true })` runs. Made once in a process. */
export function workerScript(): Promise<string> {
  script ??= bundle();
  return script;
}
