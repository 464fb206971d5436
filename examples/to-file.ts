/** A folder into a Parquet file, as `extract` does it: `node --import tsx examples/to-file.ts FOLDER OUT`. */
import { extract, ownRooms } from "../src/index.ts";

const [dataDir = "samples", out = "features/example.parquet"] = process.argv.slice(2);
const report = await extract(
  {
    dataDir,
    out,
    format: "parquet",
    preprocess: "slim",
    exif: "auto",
    device: "auto",
    batchSize: 8,
  },
  ownRooms,
  { failed: ({ path, reason }) => console.error(`${path}: ${reason}`) },
);
for (const { path, metadata } of report.files) console.log(`${metadata.images.written} rows in ${path}`);
