/** WebGPU in a browser. */
import type { Gpu } from "../platform/index.ts";
import { nextTurn } from "./turn.ts";

/** The GPU behind `navigator.gpu`. The browser itself tells what it settles, so nobody has to look. */
export const browserGpu = (entry: GPU): Gpu => ({
  adapter: async () => (await entry.requestAdapter({ powerPreference: "high-performance" })) ?? undefined,
  waitFor: (promise) => promise,
  nextTurn,
});
