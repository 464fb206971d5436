/** Starts first-feature.ts as the program itself is started. */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { freshDist } from "../scripts/dist.mjs";

createRequire(import.meta.url)(fileURLToPath(new URL("bench-first-feature.cjs", freshDist())));
