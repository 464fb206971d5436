/** The end point that tells classes apart best, by features that are known. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { conclusion } from "../../src/cli/layers.ts";
import { UserError } from "../../src/errors.ts";
import { compared, findLayer, type LayerTrial } from "../../src/extract/find-layer.ts";
import { seededUnits } from "../../src/seeded.ts";
import { fakeRooms, temporaryFolder, writeFiles } from "../support/features.ts";

const layers = ["Mixed_3b", "Mixed_4b", "features"];

/** 40 images of two classes: even numbers and odd ones. Of the end points only Mixed_4b knows which is which. */
function images(): string {
  const folder = join(temporaryFolder(), "images");
  writeFiles(
    folder,
    Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [`${i % 2 ? "odd" : "even"}/${i}.png`, String(i)]),
    ),
  );
  return folder;
}

function roomsOf(folder: string, told: (images: number) => void = () => {}) {
  const names = ["Mixed_3b", "Mixed_4b", "AvgPool_0a_7x7"];
  return fakeRooms(folder, {
    endPoints: names.map((name) => ({ name, shape: [1, 1, 3] })),
    run: async (inputs) => {
      told(inputs.length);
      return {
        outputs: names.map((name) =>
          Float32Array.from(
            inputs.flatMap(([n]) => {
              const noise = [...seededUnits(`${name} ${n}`, 3)];
              return name === "Mixed_4b" ? [noise[0], noise[1], 5 * (n % 2) + noise[2]] : noise;
            }),
          ),
        ),
        device: "cpu a fake processor",
      };
    },
  });
}

const request = (inputs: string) =>
  ({ inputs, labels: "folders", model: "inception_v1", weights: "seeded", layers }) as const;

describe("the layer finder", () => {
  it("names the end point that knows the classes, against the usual one", async () => {
    const folder = images();
    const tried: string[] = [];
    const found = await findLayer(
      request(folder),
      { onTried: (done, total) => tried.push(`${done}/${total}`) },
      roomsOf(folder),
    );
    expect(found).toMatchObject({ model: "inception_v1", images: 40, classes: 2, better: true });
    expect(found.trials.map(({ name }) => name)).toEqual(["Mixed_3b", "Mixed_4b", "AvgPool_0a_7x7"]);
    expect(found.best).toMatchObject({ name: "Mixed_4b", accuracy: 1, length: 3 });
    expect(found.best.nearestAccuracy).toBeGreaterThan(0.8);
    expect(found.usual?.name).toBe("AvgPool_0a_7x7");
    expect(found.usual?.accuracy).toBeLessThan(0.8);
    expect(found.trials[0].macs).toBeLessThan(found.trials[1].macs);
    expect(tried).toEqual(["1/3", "2/3", "3/3"]);
  });

  it("looks at no more images than it is asked to, of each class as many", async () => {
    const folder = images();
    let computed = 0;
    const rooms = roomsOf(folder, (images) => {
      computed += images;
    });
    const found = await findLayer({ ...request(folder), images: 12 }, {}, rooms);
    expect(found.images).toBe(12);
    expect(computed).toBe(12);
    expect(rooms.open()).toBe(0);
  });

  it("says that weights are untrained", async () => {
    const folder = images();
    const notices: string[] = [];
    await findLayer(request(folder), { onNotice: (s) => notices.push(s) }, roomsOf(folder));
    expect(notices.join()).toContain("UNTRAINED");
  });

  it("refuses labels that tell nothing apart", async () => {
    const folder = temporaryFolder();
    writeFiles(folder, { "a/1.png": "1", "a/2.png": "2" });
    await expect(findLayer(request(folder), {}, roomsOf(folder))).rejects.toThrow(UserError);
    const single = temporaryFolder();
    writeFiles(single, { "a/1.png": "1", "b/2.png": "2" });
    await expect(findLayer(request(single), {}, roomsOf(single))).rejects.toThrow(
      "two classes of two images each",
    );
  });
});

describe("the verdict", () => {
  const trial = (name: string, macs: number, ...foldAccuracies: number[]): LayerTrial => ({
    name,
    length: 8,
    macs,
    foldAccuracies,
    accuracy: foldAccuracies.reduce((a, b) => a + b, 0) / foldAccuracies.length,
    nearestAccuracy: 0.5,
  });
  const verdict = (...trials: LayerTrial[]) => {
    const found = compared(trials, "usual");
    return { ...found, said: conclusion({ ...found, trials, model: "", images: 0, classes: 0 }) };
  };

  it("is that one is better where its lead is steady", () => {
    const { better, said } = verdict(trial("a", 1, 0.8, 0.9, 0.85), trial("usual", 2, 0.7, 0.8, 0.76));
    expect(better).toBe(true);
    expect(said).toBe(
      "a tells these classes better than the usual one: 9.7 points more than usual, and from fold to fold that differs by 0.6.",
    );
  });

  it("is that none surely is where the lead comes from one fold", () => {
    const { better, said } = verdict(trial("a", 1, 0.8, 0.8, 0.95), trial("usual", 2, 0.8, 0.82, 0.8));
    expect(better).toBe(false);
    expect(said).toContain("No end point is surely better");
  });

  it("is the cheaper one of equals", () => {
    const { best, said } = verdict(
      trial("a", 5, 0.8, 0.8),
      trial("b", 1, 0.8, 0.8),
      trial("usual", 2, 0.8, 0.8),
    );
    expect(best.name).toBe("b");
    expect(said).toBe(
      "b tells these classes as well as the usual one, usual, for 50 % of its multiply-adds.",
    );
  });

  it("is the usual one where it is the best", () => {
    expect(verdict(trial("a", 1, 0.5), trial("usual", 2, 0.8)).said).toBe(
      "No end point tells these classes better than the usual one, usual.",
    );
  });
});
