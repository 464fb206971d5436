// TypeScript is run as it is. Loaded by require it needs no thread of its own for that, so a worker starts sooner.
const { require: load } = require("tsx/cjs/api");

load("./worker.ts", __filename);
