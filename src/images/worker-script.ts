/** The decoding worker as one script. A loader of TypeScript takes each worker half a second; bundling all of it, 40 ms once. */
import { fileURLToPath } from "node:url";
import { buildSync, stop } from "esbuild";

const entry = new URL("./worker.ts", import.meta.url);

function bundle(): string {
  const url = JSON.stringify(entry.href);
  const { outputFiles } = buildSync({
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
  // Its service would stay open as long as this process.
  void stop();
  return outputFiles[0].text;
}

let script: string | undefined;

/** What `new Worker(script, { eval: true })` runs. Made once in a process. */
export function workerScript(): string {
  script ??= bundle();
  return script;
}
