// The library is loaded before the loader that TypeScript needs: it is of 4 MB, which that would read through for seconds.
import "h5wasm/node";
import { register } from "tsx/esm/api";

register();
await import("./hdf5-worker.ts");
