/** A folder into a Parquet file, as `extract` does it: `node --import tsx examples/to-file.ts FOLDER OUT`. */
import { extract } from "../src/index.ts";

const [inputs = "samples", out = "features/example.parquet"] = process.argv.slice(2);
const report = await extract(
  { inputs, out },
  { onFailure: ({ path, reason }) => console.error(`${path}: ${reason}`) },
);
for (const { path, metadata } of report.files) console.log(`${metadata.images.written} rows in ${path}`);
