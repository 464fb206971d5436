// Loaded into every thread: in the decoding workers, opening a file called "deadly" ends the thread, as a crash would.
const fs = require("node:fs");
const { isMainThread } = require("node:worker_threads");

if (!isMainThread) {
  const open = fs.openSync;
  fs.openSync = (path, ...rest) => {
    if (Buffer.from(path).includes("deadly")) process.exit(9);
    return open(path, ...rest);
  };
}
