/** `classify` and `layers --for`, as they are typed. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { samplesDirectory } from "../../src/node/package.ts";
import { seededUnits } from "../../src/seeded.ts";
import { temporaryFolder } from "../support/features.ts";
import { runMain } from "./helpers.ts";

/** 30 images in three folders, of which one has another's label; as jsonl, which any program writes. */
function featuresIn(folder: string, metadata?: unknown, width = 5): string {
  const file = join(folder, "features.jsonl");
  const lines = Array.from({ length: 30 }, (_, i) => {
    const kind = i % 3;
    const feature = [...seededUnits(`image ${i}`, width)].map((u, j) => u + (j === kind ? 6 : 0));
    const label = i === 7 ? "owl" : ["cat", "dog", "owl"][kind];
    return JSON.stringify({ path: `${label}/${i}.jpg`, feature });
  });
  writeFileSync(file, `${lines.join("\n")}\n`);
  if (metadata) writeFileSync(`${file}.json`, JSON.stringify(metadata));
  return file;
}

describe("classify", () => {
  it("says how well classes are told, which are confused, and which label is most likely wrong", async () => {
    const { code, out, err } = await runMain(
      "classify",
      featuresIn(temporaryFolder()),
      "--labels",
      "folders",
    );
    expect(err).not.toContain("error");
    expect(code).toBe(0);
    expect(out).toContain("logistic regression:  96.7 % right");
    expect(out).toMatch(/nearest other image: {2}\d+\.\d % right/);
    expect(out).toMatch(/^cat +10 +100\.0 % +100\.0 %$/m);
    expect(out).toMatch(/^owl +\. +1 +10$/m);
    expect(out).toMatch(/labels most likely wrong:\npath.*\nowl\/7\.jpg +owl +0\.\d+ +dog/);
  });

  it("prints JSON with all of it, and CSV with the labels most likely wrong", async () => {
    const file = featuresIn(temporaryFolder());
    const json = JSON.parse((await runMain("classify", file, "--labels", "folders", "--json")).out);
    expect(json.confusion).toEqual([
      [10, 0, 0],
      [0, 9, 0],
      [0, 1, 10],
    ]);
    expect(json.doubts[0]).toMatchObject({ path: "owl/7.jpg", label: "owl", likelier: "dog" });
    const { out } = await runMain("classify", file, "--labels", "folders", "--csv");
    expect(out.split("\r\n")[0]).toBe("path,label,probability,likelier,its probability");
    expect(out).toContain("owl/7.jpg,owl,");
  });

  it("takes labels from a table, and says what is left out", async () => {
    const folder = temporaryFolder();
    const file = featuresIn(folder);
    const labels = join(folder, "labels.csv");
    const named = Array.from({ length: 20 }, (_, i) => {
      const label = i === 7 ? "owl" : ["cat", "dog", "owl"][i % 3];
      return `${label}/${i}.jpg,${i === 0 ? "unique" : ["felis", "canis", "strix"][i % 3]}`;
    });
    writeFileSync(labels, `path,label\n${named.join("\n")}\nghost.jpg,canis\n`);
    const { code, out, err } = await runMain("classify", file, "--labels", labels);
    expect(code).toBe(0);
    expect(err).toContain("but no image of these features: ghost.jpg");
    expect(err).toContain(`no label in ${labels}`);
    expect(err).toContain("one image of the class: unique");
    expect(out).toContain("100.0 % right");
    expect(out).toContain("of 19 images in 3 classes");
  });

  it("saves a classifier, and tells the classes of other images by it", async () => {
    const folder = temporaryFolder();
    const made = { model: "mobilenet_v1", endPoint: "AvgPool_1a", weights: { sha256: "1" } };
    const file = featuresIn(folder, made);
    const model = join(folder, "model.json");
    const saved = await runMain("classify", file, "--labels", "folders", "--save", model);
    expect(saved.err).toContain("a classifier of 3 classes");
    expect(JSON.parse(readFileSync(model, "utf8"))).toMatchObject({ features: made, images: 30 });
    const { code, out, err } = await runMain(
      "classify",
      file,
      "--with",
      model,
      "--labels",
      "folders",
      "--csv",
    );
    expect(code).toBe(0);
    expect(out.split("\r\n")[0]).toBe("path,label,probability");
    expect(out).toMatch(/^cat\/0\.jpg,cat,0\.9/m);
    expect(err).toMatch(/of 30 labels are told/);
    const json = JSON.parse((await runMain("classify", file, "--with", model, "--json")).out);
    expect(json.classes).toEqual(["cat", "dog", "owl"]);
    expect(json.images).toHaveLength(30);
  });

  it("refuses features of another network or length, and files that hold no classifier", async () => {
    const folder = temporaryFolder();
    const model = join(folder, "model.json");
    const file = featuresIn(folder, { model: "mobilenet_v1", endPoint: "AvgPool_1a" });
    await runMain("classify", file, "--labels", "folders", "--save", model);
    const other = featuresIn(temporaryFolder(), { model: "inception_v1", endPoint: "AvgPool_1a" });
    const refused = await runMain("classify", other, "--with", model);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain("network inception_v1, not mobilenet_v1");
    const unsaid = await runMain("classify", featuresIn(temporaryFolder()), "--with", model);
    expect(unsaid.code).toBe(0);
    expect(unsaid.err).toContain("does not say which network");
    const longer = await runMain("classify", featuresIn(temporaryFolder(), undefined, 9), "--with", model);
    expect(longer.code).toBe(1);
    expect(longer.err).toContain("for features of 5 numbers, and these have 9");
    expect((await runMain("classify", file, "--with", file)).err).toContain("cannot be read");
    expect((await runMain("classify", file, "--with", join(folder, "none.json"))).code).toBe(2);
  });

  it.each([
    [[], "no labels to learn from"],
    [["--with", "a.json", "--save", "b.json"], "--with uses a classifier"],
    [["--labels", "none.csv"], "The labels none.csv cannot be read"],
    [["--labels", "folders", "--folds", "1"], "must be a whole number from 2 to 1000"],
  ])("with %j is wrong usage, in a sentence", async (args, said) => {
    const { code, err } = await runMain("classify", featuresIn(temporaryFolder()), ...args);
    expect(code).toBe(2);
    expect(err).toContain(said);
    expect(err).not.toContain("    at ");
  });

  it("says before the work what cannot be saved, or would be lost, and which labels are wrong", async () => {
    const folder = temporaryFolder();
    const file = featuresIn(folder);
    const before = readFileSync(file);
    const classify = (...args: string[]) => runMain("classify", file, ...args);
    const taken = await classify("--labels", "folders", "--save", folder);
    expect([taken.code, taken.out]).toEqual([7, ""]);
    const own = await classify("--labels", "folders", "--save", file);
    expect([own.code, own.out, own.err]).toEqual([2, "", expect.stringContaining("would be lost")]);
    expect(readFileSync(file)).toEqual(before);
    const model = join(folder, "model.json");
    expect((await classify("--labels", "folders", "--save", model)).code).toBe(0);
    const none = await classify("--with", model, "--labels", "none.csv");
    expect([none.code, none.out]).toEqual([2, ""]);
    writeFileSync(join(folder, "empty.csv"), "path,label\ncat/0.jpg,\n");
    const unlabelled = await classify("--with", model, "--labels", join(folder, "empty.csv"));
    expect(unlabelled.err).toMatch(/^0 of 0 labels are told$/m);
  });

  it("of two classes with an image each says what it needs", async () => {
    const file = join(temporaryFolder(), "two.jsonl");
    writeFileSync(file, '{"path":"a/1.jpg","feature":[1,2]}\n{"path":"b/1.jpg","feature":[3,2]}\n');
    const { code, err } = await runMain("classify", file, "--labels", "folders");
    expect(code).toBe(1);
    expect(err).toContain("needs two classes of two images each");
  });
});

describe("layers --for", () => {
  it("tries end points of the included network on a folder of images", async () => {
    const folder = temporaryFolder();
    const pictures = readdirSync(samplesDirectory).filter((name) => /\.(jpe?g|png)$/.test(name));
    for (const [i, name] of pictures.slice(0, 8).entries()) {
      const own = join(folder, i % 2 ? "odd" : "even");
      mkdirSync(own, { recursive: true });
      copyFileSync(join(samplesDirectory, name), join(own, name));
    }
    const args = ["--layer", "Conv2d_0", "--layer", "features", "--device", "cpu", "--images", "8"];
    const { code, out, err } = await runMain("layers", folder, "--for", "folders", ...args);
    expect(err).not.toContain("error");
    expect(code).toBe(0);
    expect(out).toMatch(/^end point +length +multiply-adds +nearest +logistic$/m);
    expect(out).toMatch(/^Conv2d_0 +32 +10\.8 M +\d+\.\d % +\d+\.\d %/m);
    expect(out).toMatch(/^AvgPool_1a +1,024 +567\.7 M .*the usual one$/m);
    expect(err).toContain("8 images in 2 classes.");
  }, 120_000);

  it("says before anything is computed that the labels are too few", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "one"));
    copyFileSync(join(samplesDirectory, "hills_01.jpg"), join(folder, "one/a.jpg"));
    copyFileSync(join(samplesDirectory, "hills_02.jpg"), join(folder, "b.jpg"));
    const { code, err } = await runMain("layers", folder, "--for", "folders", "--device", "cpu");
    expect(code).toBe(1);
    expect(err).toContain("needs two classes of two images each");
    expect(err).not.toContain("computing");
  });

  it("wants images, and without --for a network", async () => {
    expect((await runMain("layers", "--for", "folders")).err).toContain("no images to try");
    const forgotten = await runMain("layers", "photos", "--model", "mobilenet_v1");
    expect(forgotten.code).toBe(2);
    expect(forgotten.err).toContain("--model is for trying end points");
    const idle = await runMain("layers", "mobilenet_v1", "--images", "20");
    expect([idle.code, idle.err]).toEqual([2, expect.stringContaining("--images is for trying end points")]);
    expect((await runMain("layers")).err).toContain("No network is named");
    expect((await runMain("layers", "--for", "folders", "no-such-folder")).code).toBe(2);
  });
});
