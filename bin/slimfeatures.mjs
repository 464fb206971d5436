#!/usr/bin/env node
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

// A checkout builds its program anew where a source has changed; an installed package is ready.
const builder = new URL("../scripts/dist.mjs", import.meta.url);
let dist = new URL("../dist/", import.meta.url);
if (existsSync(builder)) {
  try {
    dist = (await import(builder.href)).freshDist();
  } catch (error) {
    console.error(`error: ${error.message}`);
    process.exit(1);
  }
}
createRequire(import.meta.url)(fileURLToPath(new URL("cli-main.cjs", dist)));
