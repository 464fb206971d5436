// The library is loaded before the loader that TypeScript needs, which would read through all of it: 4 MB of HDF5's take seconds.
import { workerData } from "node:worker_threads";
import { register } from "tsx/esm/api";

await import(workerData.package);
register();
await import("./library-worker.ts");
