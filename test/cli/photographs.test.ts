/** What the included weights say of real photographs in labelled folders. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../support/features.ts";
import { cutUp } from "../support/pieces.ts";
import { needsShared, sharedReference } from "../support/reference.ts";
import { runMain } from "./helpers.ts";

const folder = temporaryFolder();
const features = join(folder, "photos.npy");
const labelOf = (path: string) => path.split("/")[0];

/** Words of ImageNet that fit what the photographs of a folder show. */
const fitting: Readonly<Record<string, RegExp>> = {
  camera: /tripod/,
  chelsea: /cat|lynx/,
  coffee: /espresso|cup|coffee/,
  rocket: /missile|space shuttle/,
};

describe.skipIf(!sharedReference)(`photographs in labelled folders${needsShared}`, () => {
  beforeAll(async () => {
    const photographs = join(sharedReference as string, "real/images");
    await cutUp(photographs, /^(camera|chelsea|coffee|moon|retina|rocket)\./, 8, join(folder, "photos"));
    const { code, err } = await runMain(
      "extract",
      join(folder, "photos"),
      "--device",
      "cpu",
      "--out",
      features,
    );
    expect(code, err).toBe(0);
  }, 60_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("have a nearest image of their own label", async () => {
    const { out } = await runMain("classify", features, "--labels", "folders", "--json");
    const { nearestAccuracy } = JSON.parse(out) as { nearestAccuracy: number };
    expect(nearestAccuracy).toBeGreaterThanOrEqual(0.95);
  });

  it("are clusters of one label each, with words that fit", async () => {
    const { out } = await runMain("cluster", features, "-k", "6", "--json");
    const { clusters, images } = JSON.parse(out) as {
      clusters: { cluster: number; words: { word: string }[] }[];
      images: { path: string; cluster: number }[];
    };
    const found = new Map<string, string>();
    for (const { cluster, words } of clusters) {
      const labels = new Set(images.filter((image) => image.cluster === cluster).map((i) => labelOf(i.path)));
      expect(labels.size).toBe(1);
      found.set([...labels][0], words.map(({ word }) => word).join(", "));
    }
    for (const [label, words] of Object.entries(fitting)) expect(found.get(label), label).toMatch(words);
  });
});
