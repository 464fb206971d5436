/** The feature of one image: `node --import tsx examples/one-image.ts [IMAGE]`. */
import { createExtractor } from "../src/index.ts";

const image = process.argv[2] ?? "samples/hills_01.jpg";
const extractor = await createExtractor();
const features = await extractor.features(image);
for (const [name, values] of Object.entries(features)) {
  console.log(`${image}: ${name}, ${values.length} numbers, the first ${values.slice(0, 3).join(", ")}`);
}
await extractor.close();
