// TypeScript is run as it is; a worker needs the loader registered for itself.
import { register } from "tsx/esm/api";

register();
await import("./worker.ts");
