/** What classify reads besides features: tables of labels, and classifiers that were kept. */
import { readFileSync } from "node:fs";
import { fitClassifier } from "../../src/analysis/classifier.ts";
import { classifierFromJson, classifierToJson } from "../../src/analysis/classifier-json.ts";
import { UserError } from "../../src/errors.ts";
import { labelsFromTable } from "../../src/tables/labels.ts";
import { damage } from "../damage.ts";
import { digestOf, fileOf, type Reading, type Seed, type Target } from "../target.ts";

const paths = ["a/1.jpg", "a/2.jpg", "b/1.jpg", 'b/odd, "name".jpg'];

const seed = (open: string, text: string): Seed => ({
  name: open,
  open,
  files: new Map([[open, Buffer.from(text)]]),
});

const names = ["cat", "dog"];

async function keptClassifier(): Promise<Seed> {
  const rows = { count: 4, width: 3, data: Float32Array.of(1, 2, 3, 5, 6, 8, 1, 2, 4, 5, 7, 8) };
  const labels = [0, 1, 0, 1].map((k) => names[k]);
  const classifier = await fitClassifier(rows, labels, 1);
  const features = { model: "mobilenet_v1", endPoint: "AvgPool_1a" };
  return seed("model.json", classifierToJson({ classifier, features, images: 4, accuracy: 1 }));
}

const tokens = [
  '"',
  '""',
  ",",
  ";",
  "\t",
  "\r\n",
  "path",
  "label",
  "null",
  "1e999",
  "-1",
  "[",
  "{",
  "\ufeff",
].map((text) => Buffer.from(text));

/** Labels of the images, or a classifier's numbers; each by its place. */
async function read(path: string): Promise<Reading> {
  const values = new Map<string, string>();
  try {
    if (path.endsWith(".json")) {
      const { classifier } = classifierFromJson(readFileSync(path, "utf8"), "model.json");
      const { linear, classes } = classifier;
      const { weights, intercepts, mean, deviation } = linear;
      if (weights.length !== classes.length * linear.width || intercepts.length !== classes.length)
        throw new Error(`${weights.length} weights, ${intercepts.length} intercepts`);
      for (const [i, numbers] of [weights, intercepts, mean, deviation].entries()) {
        if (!numbers.every(Number.isFinite)) throw new Error("a number is none");
        values.set(String(i), digestOf(new Uint8Array(numbers.buffer)));
      }
    } else {
      const { labels } = await labelsFromTable(path, paths);
      if (labels.length !== paths.length) throw new Error(`${labels.length} labels`);
      for (const [i, label] of labels.entries()) values.set(paths[i], digestOf(label ?? "none"));
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { values, refusal: error };
  }
  return { values };
}

export const labels: Target = {
  name: "labels",
  seeds: async () => [
    seed("header.csv", 'path,label\na/1.jpg,cat\na/2.jpg,dog\nb/1.jpg,cat\n"b/odd, ""name"".jpg",dog\n'),
    seed("spreadsheet.csv", "\ufeffFile;Class;Note\r\na/1.jpg;cat;x\r\n/data/a/2.jpg;dog;y\r\n"),
    seed("plain.tsv", "cat\ta/1.jpg\ndog\tb\\1.jpg\n"),
    await keptClassifier(),
  ],
  mutate({ files, open }, dice, seeds) {
    const donor = fileOf(dice.pick(seeds).files);
    const { bytes, how } = damage(fileOf(files), dice, { donor, tokens });
    return { files: new Map([[open, bytes]]), open, how, promise: "any" };
  },
  read,
};
