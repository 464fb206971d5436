#!/usr/bin/env node
import { existsSync } from "node:fs";

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
await import(new URL("cli-main.js", dist).href);
