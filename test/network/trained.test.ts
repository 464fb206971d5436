/** The included weights give TensorFlow's features and classes, on every device. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createExtractor } from "../../src/extract/extractor.ts";
import { named, topClasses } from "../../src/extract/predictions.ts";
import { findModel } from "../../src/nets/index.ts";
import { samplesDirectory } from "../../src/node/package.ts";
import { maxAbs, relativeError } from "../../src/verify/measure.ts";
import { imagenetNames } from "../support/node.ts";
import { needsShared, ownReference, sharedReference } from "../support/reference.ts";

interface Case {
  readonly image: string;
  readonly preprocess: "slim" | "resize";
  readonly endPoint: string;
  readonly offset: number;
  readonly length: number;
  readonly top5: readonly (readonly [index: number, probability: number, name: string])[];
}

function casesOf(folder: string, file: string): { cases: readonly Case[]; values: Float32Array } {
  const { cases } = JSON.parse(readFileSync(join(folder, `${file}.json`), "utf8")) as { cases: Case[] };
  const bytes = readFileSync(join(folder, `${file}.f32`));
  return { cases, values: new Float32Array(Uint8Array.from(bytes).buffer) };
}

async function expectCases(device: "webgpu" | "cpu", reference: string, file: string, images: string) {
  const { cases, values } = casesOf(reference, file);
  const names = await imagenetNames(findModel("mobilenet_v1"), 1001);
  expect(cases.length).toBeGreaterThan(0);
  for (const preprocess of ["slim", "resize"] as const) {
    const mine = cases.filter((c) => c.preprocess === preprocess);
    const extractor = await createExtractor({ device, preprocess, layers: ["features", "logits"] });
    expect(extractor.model).toBe("mobilenet_v1");
    expect(extractor.weights).toMatchObject({ kind: "checkpoint", published: true });
    const found = await extractor.features(mine.map((c) => join(images, c.image)));
    await extractor.close();
    for (const [i, { image, endPoint, offset, length, top5 }] of mine.entries()) {
      const truth = values.subarray(offset, offset + length);
      expect(relativeError(found[i][endPoint], truth, maxAbs(truth)), image).toBeLessThanOrEqual(2e-5);
      const classes = topClasses(found[i].Logits, 5).map((p) => named(p, names));
      expect(classes.map((p) => [p.index, p.name])).toEqual(top5.map(([index, , name]) => [index, name]));
      for (const [k, { probability }] of classes.entries())
        expect(Math.abs(probability - top5[k][1]), image).toBeLessThanOrEqual(1e-3);
    }
  }
}

describe.each(["webgpu", "cpu"] as const)("mobilenet_v1 as it comes, on %s", (device) => {
  it.skipIf(!sharedReference)(
    `gives TensorFlow's features and classes of photographs${needsShared}`,
    async () => {
      const real = join(sharedReference as string, "real");
      await expectCases(device, real, "mobilenet_v1", join(real, "images"));
    },
  );

  it("gives the features and classes of samples that are kept here", () =>
    expectCases(device, join(ownReference, "samples"), "mobilenet_v1", samplesDirectory));
});

describe("the names of ImageNet's classes", () => {
  it("begin with the background where the logits have it", async () => {
    const [vgg, inception] = [findModel("vgg_16"), findModel("inception_v1")];
    const whole = await imagenetNames(inception, 1001);
    expect(whole).toHaveLength(1001);
    expect([whole?.[0], whole?.[1], whole?.[1000]]).toEqual([
      "background",
      "tench, Tinca tinca",
      "toilet tissue, toilet paper, bathroom tissue",
    ]);
    expect(await imagenetNames(vgg, 1000)).toEqual(whole?.slice(1));
  });

  it("are not given to other classes", async () => {
    expect(await imagenetNames(findModel("inception_v1"), 5)).toBeUndefined();
    expect(await imagenetNames(findModel("nasnet_cifar"), 10)).toBeUndefined();
  });
});
