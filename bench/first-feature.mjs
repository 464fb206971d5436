/** Starts first-feature.ts as the program itself is started. */
import { bundled, run } from "../src/bundle.mjs";

run(bundled("../bench/first-feature.ts"));
