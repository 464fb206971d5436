/**
 * Features and classes of a few samples by the included weights, into test/reference/samples. They are ours, from the CPU
 * path, and hold what it gave when its answers for photographs had been compared with TensorFlow's:
 * `node --import tsx scripts/keep-samples.ts`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { named, topClasses } from "../src/extract/predictions.ts";
import { createExtractor } from "../src/index.ts";
import { imagenetNames } from "../src/nets/imagenet.ts";
import { findModel } from "../src/nets/index.ts";
import { ownFolders } from "../src/node/folder.ts";
import { samplesDirectory } from "../src/node/package.ts";

const images = ["bubbles_01.jpg", "hills_03.png", "weave_02.bmp"];
const folder = resolve(import.meta.dirname, "../test/reference/samples");
const names = await imagenetNames(findModel("mobilenet_v1"), 1001, ownFolders.names);
const values: Float32Array[] = [];
const cases: object[] = [];
for (const preprocess of ["slim", "resize"] as const) {
  const extractor = await createExtractor({ device: "cpu", preprocess, layers: ["features", "logits"] });
  const found = await extractor.features(images.map((image) => join(samplesDirectory, image)));
  await extractor.close();
  for (const [i, { AvgPool_1a: feature, Logits }] of found.entries()) {
    cases.push({
      image: images[i],
      preprocess,
      endPoint: "AvgPool_1a",
      offset: values.length * feature.length,
      length: feature.length,
      top5: topClasses(Logits, 5)
        .map((p) => named(p, names))
        .map(({ index, probability, name }) => [index, Number(probability.toFixed(6)), name]),
    });
    values.push(feature);
  }
}
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, "mobilenet_v1.json"), `${JSON.stringify({ cases })}\n`);
writeFileSync(join(folder, "mobilenet_v1.f32"), Buffer.concat(values.map((v) => new Uint8Array(v.buffer))));
