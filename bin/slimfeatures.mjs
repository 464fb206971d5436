#!/usr/bin/env node
// TypeScript is run as it is, so the loader comes first.
import { register } from "tsx/esm/api";

register();
await import("../src/cli/main.ts");
