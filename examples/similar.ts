/** The images of a folder that are most like each other: `node --import tsx examples/similar.ts [FOLDER]`. */
import { join } from "node:path";
import { createExtractor, listFolder } from "../src/index.ts";

const folder = process.argv[2] ?? "samples";
const keys = (await listFolder(folder)).map((input) => input.key);
const extractor = await createExtractor();
const [{ name }] = extractor.endPoints;
const features = await extractor.features(keys.map((key) => join(folder, key)));
await extractor.close();

const units = features.map((feature) => {
  const length = Math.hypot(...feature[name]);
  return feature[name].map((v) => v / length);
});
const likeness = (a: Float32Array, b: Float32Array) => a.reduce((sum, v, i) => sum + v * b[i], 0);
for (const [i, key] of keys.entries()) {
  const others = keys.map((_, k) => (k === i ? -1 : likeness(units[i], units[k])));
  const best = others.indexOf(Math.max(...others));
  console.log(`${key} is most like ${keys[best]} (${others[best].toFixed(3)})`);
}
