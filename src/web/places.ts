/** Where the scripts of this room lie once they are built: beside each other. Bundlers know workers by these very words. */
import type { PageWorker } from "../browser/threads.ts";
import { UsageError } from "../errors.ts";

declare const Worker: new (
  url: URL,
  options: { readonly type: "module"; readonly name: string },
) => PageWorker;

/** A worker that does what worker.ts says. @throws UsageError outside of a browser. */
export function openWorker(): PageWorker {
  if (typeof Worker === "undefined")
    throw new UsageError(
      "slimfeatures/web is for browsers.",
      "In Node, import the package slimfeatures itself.",
    );
  return new Worker(new URL("./web-worker.js", import.meta.url), { type: "module", name: "slimfeatures" });
}

/** A thread of the CPU path. */
export const openCpuWorker = (): PageWorker =>
  new Worker(new URL("./browser-cpu-worker.js", import.meta.url), {
    type: "module",
    name: "slimfeatures cpu",
  });

/** The folder of the site that has the project's own files, where no other is named: that of the package. */
export const ownFolder = (): URL => new URL("../", import.meta.url);
