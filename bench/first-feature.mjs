/** Starts first-feature.ts as the program itself is started. */
import { freshDist } from "../scripts/dist.mjs";

await import(new URL("bench-first-feature.js", freshDist()).href);
