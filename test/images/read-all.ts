/** Reads the files that are named through a decoding pool, and prints what becomes of each. */
import { openDecodePool } from "../../src/node/images/index.ts";

const pool = openDecodePool(2, {
  decode: {},
  preprocess: { family: "lenet", mode: "slim", size: 8, channels: 1 },
});
const outcomes = await Promise.all(
  process.argv.slice(2).map(async (path) => {
    const outcome = await pool.read({ key: path, path: Buffer.from(path) }, () => true);
    return [path, outcome.status, outcome.status === "failed" ? outcome.reason : ""];
  }),
);
await pool.close();
console.log(JSON.stringify(outcomes));
