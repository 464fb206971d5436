/** The images of a folder that are most like each other: `node --import tsx examples/similar.ts [FOLDER]`. */
import { createExtractor, listFolder } from "../src/index.ts";

const images = await listFolder(process.argv[2] ?? "samples");
const extractor = await createExtractor();
const [{ name }] = extractor.endPoints;

const found: { key: string; unit: Float32Array }[] = [];
for await (const { image, features, error } of extractor.stream(images, { onError: "skip" })) {
  if (error) {
    console.error(error.message);
    continue;
  }
  const length = Math.hypot(...features[name]);
  found.push({ key: image.key, unit: features[name].map((v) => v / length) });
}
await extractor.close();

const likeness = (a: Float32Array, b: Float32Array) => a.reduce((sum, v, i) => sum + v * b[i], 0);
for (const one of found) {
  const others = found.map((other) => (other === one ? -1 : likeness(one.unit, other.unit)));
  const best = others.indexOf(Math.max(...others));
  console.log(`${one.key} is most like ${found[best].key} (${others[best].toFixed(3)})`);
}
