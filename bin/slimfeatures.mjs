#!/usr/bin/env node
import { bundled, run } from "../src/bundle.mjs";

run(bundled("cli/main.ts"));
