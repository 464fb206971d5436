/** What V2 checkpoints do without: a page loads it with the first that is another. */
export { diagnose } from "./diagnose.ts";
export { isGraphFile, openGraph } from "./graph.ts";
export { openV1 } from "./v1.ts";
