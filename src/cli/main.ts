/** The entry: what `npm run extract`, `load` and `fetch` start. */
import { startedBy } from "../invocation.ts";
import { processIo } from "./io.ts";
import { main } from "./program.ts";

startedBy(process.argv[1]);

// No call of process.exit: the process ends by itself once the device is let go and all output is written.
void main(process.argv.slice(2), processIo()).then((code) => {
  process.exitCode = code;
});
