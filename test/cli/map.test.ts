/** The command `map`. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { samplesDirectory } from "../../src/node/package.ts";
import { seededUnits } from "../../src/seeded.ts";
import { runMain } from "./helpers.ts";

describe("map", () => {
  const folder = mkdtempSync(join(tmpdir(), "slimfeatures-cli-map-"));
  const before = process.cwd();
  beforeAll(() => process.chdir(folder));
  afterAll(() => {
    process.chdir(before);
    rmSync(folder, { recursive: true, force: true });
  });

  it("extracts what are images first, and calls clusters by what they show", async () => {
    mkdirSync("photos");
    for (const name of readdirSync(samplesDirectory).filter((n) =>
      /^(hills|weave).*\.(jpg|png|bmp)$/.test(n),
    ))
      cpSync(join(samplesDirectory, name), join("photos", name));
    const { code, out, err } = await runMain("map", "photos", "--device", "cpu");
    expect([code, out]).toEqual([0, "map.html\n"]);
    expect(existsSync("features/photos_mobilenet_v1_features.pkl")).toBe(true);
    expect(err).toMatch(/^written: +map\.html; open it in a browser$/m);
    const page = readFileSync("map.html", "utf8");
    expect(page).toContain("<title>photos: a map of images</title>");
    expect(page).toContain("balloon");
    expect(page).toContain('"Likeliest class"');

    // Features that are there are mapped as they are.
    const again = await runMain(
      ...["map", "features/photos_mobilenet_v1_features.pkl", "--out", "again.html"],
      ...["--device", "cpu", "--json", "--quiet"],
    );
    expect(again.err).toBe("");
    expect(JSON.parse(again.out)).toMatchObject({
      features: "features/photos_mobilenet_v1_features.pkl",
      path: "again.html",
      images: 7,
      missing: 0,
    });
    expect(readFileSync("again.html", "utf8")).toBe(page);
  });

  it("calls clusters of another network's features by looking at the images", async () => {
    const names = readdirSync("photos").sort();
    const feature = (name: string) =>
      Array.from(seededUnits(name, 8), (v, i) => v + (name.startsWith("hills") === i < 4 ? 9 : 0));
    const lines = names.map((path) => `${JSON.stringify({ path, feature: feature(path) })}\n`);
    writeFileSync("other.jsonl", lines.join(""));
    const args = ["--images", "photos", "--clusters", "2", "--out", "other.html", "--device", "cpu"];
    expect((await runMain("map", "other.jsonl", ...args)).code).toBe(0);
    const page = readFileSync("other.html", "utf8");
    expect(page).toMatch(/"groups":\["digital clock[^\]]*"balloon/);
  });

  it("takes the name that the files of several layers share, with the layer, and no layer of images", async () => {
    const lines = ["a.png", "b.png"].map((path, i) => `${JSON.stringify({ path, feature: [i, 1] })}\n`);
    writeFileSync("shared.Mixed_5c.jsonl", lines.join(""));
    const args = ["map", "shared.jsonl", "--out", "shared.html", "--device", "cpu"];
    expect(await runMain(...args)).toMatchObject({ code: 2 });
    expect(await runMain(...args, "--layer", "Mixed_5c")).toMatchObject({ code: 0, out: "shared.html\n" });
    const images = await runMain("map", "photos", "--layer", "Mixed_5c");
    expect([images.code, images.err]).toEqual([2, expect.stringContaining("photos holds images: --layer")]);
  });

  it("says before images are extracted that the page cannot be written, or is one of them", async () => {
    const taken = await runMain("map", "photos", "--out", "photos", "--model", "mobilenet_v1_025");
    expect([taken.code, taken.err]).toEqual([7, expect.stringContaining("that is a folder")]);
    const photo = join("photos", "hills_01.jpg");
    const own = await runMain("map", photo, "--out", photo);
    expect([own.code, own.err]).toEqual([2, expect.stringContaining("would be lost")]);
  });

  it("says of images that have gone, and goes on", async () => {
    const lines = Array.from(
      { length: 5 },
      (_, i) => `${JSON.stringify({ path: `${i}.png`, feature: Array.from(seededUnits(`${i}`, 4)) })}\n`,
    );
    writeFileSync("gone.jsonl", lines.join(""));
    const { code, err } = await runMain("map", "gone.jsonl", "--out", "gone.html", "--device", "cpu");
    expect(code).toBe(0);
    expect(err).toContain(
      "5 images are not in the working folder, and have no picture: 0.png, 1.png, 2.png ...",
    );
  });

  it.each([
    [["nowhere"], /There is no file or folder nowhere/],
    [["photos", "gone.jsonl"], /gone\.jsonl is no image and no folder/],
    [["gone.jsonl", "--model", "inception_v1"], /holds features already/],
    [["gone.jsonl", "--clusters", "none"], /whole number/],
    [["gone.jsonl", "--seed", "-1"], /whole number from 0 on/],
    [["gone.jsonl", "--images", "nowhere"], /There is no folder or file nowhere/],
  ])("refuses %j", async (args, message) => {
    const { code, err } = await runMain("map", ...args);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });
});
