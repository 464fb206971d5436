import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CheckpointError, NothingToDoError, OutputError, UsageError } from "../../src/errors.ts";
import { extract } from "../../src/extract/extract.ts";
import { openAtomic, outputError } from "../../src/node/atomic.ts";
import { inHand } from "../../src/node/images/index.ts";
import { samplesDirectory, weightsDirectory } from "../../src/node/package.ts";
import { Stopped } from "../../src/stopped.ts";
import { type FeatureRow, readFeatures } from "../../src/tables/readers/index.ts";
import { fakeRooms, requestFor, temporaryFolder, writeFiles } from "../support/features.ts";

const images = {
  "b.png": "2",
  "a/z.png": "1",
  "c.png": "3",
  "d.png": "4",
  "é.png": "5",
  "note.txt": "no image",
};
const sorted = ["a/z.png", "b.png", "c.png", "d.png", "é.png"];

function setting(files: Readonly<Record<string, string>> = images) {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "in"));
  writeFiles(join(folder, "in"), files);
  return { folder, dataDir: join(folder, "in"), out: join(folder, "new", "folder", "f.pkl") };
}

async function rowsOf(path: string): Promise<FeatureRow[]> {
  const rows: FeatureRow[] = [];
  for await (const row of readFeatures(path)) rows.push(row);
  return rows;
}
const firsts = async (path: string) => (await rowsOf(path)).map((row) => [row.path, row.data[0]]);

describe("extract", () => {
  it.each(["pkl", "npy", "jsonl"])(
    "writes every image's own feature under its sorted path, as %s",
    async (format) => {
      const { folder, dataDir } = setting();
      const out = join(folder, "new", "folder", `f.${format}`);
      const report = await extract(requestFor(dataDir, { out, format }), fakeRooms(folder));
      expect(report.files.map((f) => f.path)).toEqual([out]);
      expect(await firsts(out)).toEqual(sorted.map((path, i) => [path, i + 1]));
      expect((await rowsOf(out))[1].data).toEqual(Float32Array.of(2, 2.1, 2.2));
    },
  );

  it("fills every batch but the last, and gives the same file for every batch size", async () => {
    const { folder, dataDir } = setting();
    const files: Buffer[] = [];
    const batches: number[][] = [];
    for (const batchSize of [1, 2, 3, 8]) {
      const rooms = fakeRooms(folder);
      const out = join(folder, `${batchSize}.pkl`);
      await extract(requestFor(dataDir, { out, batchSize }), rooms);
      batches.push(rooms.batches);
      files.push(readFileSync(out));
    }
    expect(batches).toEqual([[1, 1, 1, 1, 1], [2, 2, 1], [3, 2], [5]]);
    for (const file of files) expect(file).toEqual(files[0]);
  });

  it.each([
    ["processors", { software: true }, [8, 8, 8, 8, 8]],
    ["a GPU", { software: false }, [32, 8]],
    ["a GPU of small limits", { software: false, largestBatch: 15 }, [15, 15, 10]],
  ])("takes batches that suit the device when none are asked for: %s", async (_name, device, batches) => {
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${100 + i}.png`, `${i}`]));
    const { folder, dataDir, out } = setting(many);
    const rooms = fakeRooms(folder, device);
    await extract(requestFor(dataDir, { out, batchSize: "auto" }), rooms);
    expect(rooms.batches).toEqual(batches);
  });

  it("names the files that cannot be decoded, gives them no row, and keeps all other rows right", async () => {
    const { folder, dataDir, out } = setting({ ...images, "a.png": "broken", "ca.png": "broken too" });
    const failed: string[] = [];
    const report = await extract(requestFor(dataDir, { out }), fakeRooms(folder), {
      failed: ({ path, reason }) => failed.push(`${path}: ${reason}`),
    });
    expect(failed).toHaveLength(2);
    expect(failed[0]).toMatch(/^a\.png: .*holds no number/);
    expect(report.files[0].metadata.images).toEqual({ found: 7, written: 5, failed: 2, skipped: 0 });
    expect(report.files[0].metadata.failures.map((f) => f.path)).toEqual(["a.png", "ca.png"]);
    expect(await firsts(out)).toEqual(sorted.map((path, i) => [path, i + 1]));
  });

  it("does not take a fault of a worker for a broken image", async () => {
    const { folder, dataDir, out } = setting();
    const rooms = fakeRooms(folder);
    const openDecodePool: typeof rooms.openDecodePool = (workers, recipe) => ({
      ...rooms.openDecodePool(workers, recipe),
      read: () => Promise.reject(new TypeError("a fault")),
    });
    await expect(extract(requestFor(dataDir, { out }), { ...rooms, openDecodePool })).rejects.toThrow(
      TypeError,
    );
    expect(rooms.open()).toBe(0);
  });

  it("describes the run in the file beside, and says UNTRAINED of seeded weights", async () => {
    const { folder, dataDir, out } = setting();
    await extract(requestFor(dataDir, { out }), fakeRooms(folder));
    const metadata = JSON.parse(readFileSync(`${out}.json`, "utf8"));
    expect(metadata).toMatchObject({
      model: "inception_v1",
      endPoint: "AvgPool_0a_7x7",
      featureShape: [3],
      format: "pkl",
      weights: { kind: "seeded", trained: false },
      preprocess: { mode: "slim", exif: "auto", description: "as it is" },
      backend: "cpu",
      adapter: "a fake processor",
      images: { found: 5, written: 5, failed: 0, skipped: 0 },
      dtype: { name: "float32" },
    });
    expect(metadata.weights.warning).toContain("UNTRAINED");
    expect(metadata.version).toMatch(/^\d+\.\d+\.\d+/);
  });

  it("ignores EXIF in the seed mode, whatever was asked", async () => {
    const { folder, dataDir, out } = setting();
    const rooms = fakeRooms(folder);
    await extract(requestFor(dataDir, { out, preprocess: "seed" }), rooms);
    expect(rooms.recipes).toMatchObject([{ decode: { exif: "ignore" }, preprocess: { mode: "seed" } }]);
  });

  it("keeps only a few decoded images ahead of the network, and decodes while it computes", async () => {
    const many = Object.fromEntries(
      Array.from({ length: 60 }, (_, i) => [`${String(i).padStart(3, "0")}.png`, `${i}`]),
    );
    const { folder, dataDir, out } = setting(many);
    let decoded = 0;
    let computed = 0;
    let most = 0;
    let during = 0;
    const rooms = fakeRooms(folder);
    const network = await rooms.openNetwork({ model: "inception_v1", device: "auto", weights: "seeded" });
    const openNetwork: typeof rooms.openNetwork = async () => ({
      ...network,
      run: async (images) => {
        const before = decoded;
        await new Promise((resolve) => setTimeout(resolve, 10));
        during += decoded - before;
        computed += images.length;
        return network.run(images);
      },
    });
    const openDecodePool: typeof rooms.openDecodePool = (workers, recipe) => {
      const pool = rooms.openDecodePool(workers, recipe);
      return {
        ...pool,
        read: async (image, wanted) => {
          const outcome = await pool.read(image, wanted);
          decoded++;
          most = Math.max(most, decoded - computed);
          return outcome;
        },
      };
    };
    const request = requestFor(dataDir, { out, batchSize: 4, workers: 2 });
    await extract(request, { ...rooms, openNetwork, openDecodePool });
    // A batch and what two workers have in hand ahead, and three batches under way.
    expect(most).toBeLessThanOrEqual(4 + (2 * inHand + 1) + 3 * 4);
    expect(during).toBeGreaterThan(0);
    expect(await firsts(out)).toHaveLength(60);
  });

  it.each([
    ["a folder without images", { "note.txt": "1" }, /no images in .*/],
    ["a folder of broken images only", { "a.png": "x", "b.png": "y" }, /all 2 images/],
  ])("says that there is nothing to do in %s, and leaves no file", async (_name, files, message) => {
    const { folder, dataDir, out } = setting(files);
    const rooms = fakeRooms(folder);
    const error = await extract(requestFor(dataDir, { out }), rooms).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(NothingToDoError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).toContain(dataDir);
    expect(existsSync(out)).toBe(false);
    expect(rooms.open()).toBe(0);
  });

  it("names the extensions that it looked for", async () => {
    const { folder, dataDir } = setting({});
    await expect(extract(requestFor(dataDir), fakeRooms(folder))).rejects.toMatchObject({
      hint: expect.stringMatching(/\.jpg.*\.png.*\.bmp/),
    });
  });

  it("tells what is to be known of pixels, in the manifest and in a sentence, of known images too", async () => {
    const { folder, dataDir, out } = setting();
    const fake = fakeRooms(folder);
    const openDecodePool: typeof fake.openDecodePool = (workers, recipe) => {
      const pool = fake.openDecodePool(workers, recipe);
      const read: typeof pool.read = async (input, wanted) => {
        const outcome = await pool.read(input, wanted);
        const dark = outcome.status === "ok" && input.key > "b";
        return dark ? { ...outcome, facts: { ...outcome.facts, note: "it is nearly black" } } : outcome;
      };
      return { ...pool, read };
    };
    for (let run = 0; run < 2; run++) {
      const said: string[] = [];
      const notice = (sentence: string) => void said.push(sentence);
      const report = await extract(requestFor(dataDir, { out }), { ...fake, openDecodePool }, { notice });
      expect(report.computed).toBe(run === 0 ? 5 : 0);
      expect(said).toEqual(["b.png: it is nearly black. The manifest has a note on 3 more."]);
      const lines = readFileSync(report.manifest, "utf8").trim().split("\n");
      expect(lines.map((line) => JSON.parse(line).note === undefined)).toEqual([
        true,
        false,
        false,
        false,
        false,
      ]);
    }
  });

  it("says in the metadata why the device computes, by the run that was begun on it", async () => {
    const { folder, dataDir } = setting();
    const out = join(folder, "f.npz");
    const request = requestFor(dataDir, { out, format: undefined });
    const first = await extract(request, fakeRooms(folder));
    expect(first.files[0].metadata.deviceChoice).toBe("a fake rule");
    const bytes = readFileSync(out);
    await extract(request, fakeRooms(folder, { choice: "auto: the run was begun on it" }));
    expect(readFileSync(out).equals(bytes)).toBe(true);
  });

  it("refuses a folder that is not there, a network and a format that do not exist", async () => {
    const { folder, dataDir } = setting();
    const rooms = fakeRooms(folder);
    for (const request of [
      requestFor(join(folder, "missing")),
      requestFor(join(dataDir, "note.txt")),
      requestFor(dataDir, { model: "inception_v9" }),
      requestFor(dataDir, { format: "doc" }),
    ]) {
      await expect(extract(request, rooms)).rejects.toThrow(UsageError);
    }
    expect(rooms.opened).toEqual([]);
  });

  it("stops when asked: what was computed is kept, the network closed, an older result untouched", async () => {
    const { folder, dataDir } = setting();
    const out = join(folder, "f.pkl");
    writeFileSync(out, "older");
    const controller = new AbortController();
    const rooms = fakeRooms(folder);
    const network = await rooms.openNetwork({ model: "inception_v1", device: "auto", weights: "seeded" });
    const openNetwork: typeof rooms.openNetwork = async () => ({
      ...network,
      run(images) {
        if (rooms.batches.length === 1) controller.abort("SIGTERM");
        return network.run(images);
      },
    });
    const stopped = extract(requestFor(dataDir, { out }), { ...rooms, openNetwork }, {}, controller.signal);
    const error = await stopped.catch((e) => e);
    expect(error).toBeInstanceOf(Stopped);
    expect(error.signal).toBe("SIGTERM");
    expect(rooms.open()).toBe(0);
    // It was stopped as the second batch began.
    expect(error.progress).toEqual({ done: 4, total: 5 });
    expect(readdirSync(folder).sort()).toEqual(["f.pkl", "f.pkl.run", "in"]);
    expect(readdirSync(join(folder, "f.pkl.run")).sort()).toEqual(["00000.0.f32", "00000.jsonl", "run.json"]);
    expect(readFileSync(out, "utf8")).toBe("older");
    const again = fakeRooms(folder);
    await extract(requestFor(dataDir, { out }), again);
    expect(again.batches).toEqual([1]);
    expect(await firsts(out)).toHaveLength(5);
  });

  it("keeps what was computed when the network fails later", async () => {
    const { folder, dataDir, out } = setting();
    let runs = 0;
    const whole = fakeRooms(folder);
    const network = await whole.openNetwork({ model: "inception_v1", device: "auto", weights: "seeded" });
    const openNetwork: typeof whole.openNetwork = async () => ({
      ...network,
      run: (images) => (runs++ === 0 ? network.run(images) : Promise.reject(new Error("lost"))),
    });
    await expect(extract(requestFor(dataDir, { out }), { ...whole, openNetwork })).rejects.toThrow("lost");
    const again = fakeRooms(folder);
    await extract(requestFor(dataDir, { out }), again);
    expect(again.batches).toEqual([2, 1]);
    expect(await firsts(out)).toHaveLength(5);
  });

  it("leaves no output behind when the network fails", async () => {
    const { folder, dataDir } = setting();
    const rooms = fakeRooms(folder, { run: () => Promise.reject(new Error("lost")) });
    await expect(extract(requestFor(dataDir, { out: join(folder, "f.pkl") }), rooms)).rejects.toThrow("lost");
    expect(rooms.open()).toBe(0);
    expect(readdirSync(folder).sort()).toEqual(["f.pkl.run", "in"]);
  });
});

describe("the weights", () => {
  const archive = "inception_v1_2016_08_28.tar.gz";

  it.each([
    ["the archive as it was downloaded", archive, archive],
    ["a checkpoint of one file", "inception_v1.ckpt", "inception_v1.ckpt"],
    ["a checkpoint of several files", "inception_v1.ckpt.index", "inception_v1.ckpt"],
  ])("are found in checkpoints/: %s", async (_name, file, opened) => {
    const { folder, dataDir, out } = setting();
    writeFiles(folder, { [`checkpoints/${file}`]: "" });
    const rooms = fakeRooms(folder);
    const report = await extract(requestFor(dataDir, { out, weights: undefined }), rooms);
    const path = join(folder, "checkpoints", opened);
    expect(rooms.opened).toMatchObject([{ weights: "checkpoint", checkpoint: path }]);
    expect(report.files[0].metadata.weights).toMatchObject({ kind: "checkpoint", trained: true, path });
  });

  it("are the included ones of mobilenet_v1, which is meant where no network is named", async () => {
    const { folder, dataDir, out } = setting();
    const rooms = fakeRooms(folder);
    const unnamed = requestFor(dataDir, { out, model: undefined, weights: undefined });
    await extract(unnamed, rooms);
    const checkpoint = join(weightsDirectory, "mobilenet_v1_1.0_224.ckpt");
    expect(rooms.opened).toMatchObject([{ model: "mobilenet_v1", weights: "checkpoint", checkpoint }]);

    writeFiles(folder, { "checkpoints/mobilenet_v1_1.0_224.tgz": "" });
    await extract({ ...unnamed, overwrite: true }, rooms);
    expect(rooms.opened[1]).toMatchObject({
      checkpoint: join(folder, "checkpoints/mobilenet_v1_1.0_224.tgz"),
    });

    await extract({ ...unnamed, overwrite: true, weights: "seeded" }, rooms);
    expect(rooms.opened[2]).toMatchObject({ model: "mobilenet_v1", weights: "seeded" });
  });

  it("tell the network where a checkpoint is named and no network", async () => {
    const { folder, dataDir, out } = setting();
    const rooms = fakeRooms(folder);
    await extract(requestFor(dataDir, { out, model: undefined, weights: undefined, checkpoint: "x" }), rooms);
    expect(rooms.opened).toMatchObject([{ model: "inception_v2", checkpoint: "x" }]);
  });

  it("are those of --checkpoint before any that are found", async () => {
    const { folder, dataDir, out } = setting();
    writeFiles(folder, { "checkpoints/inception_v1.ckpt": "" });
    const rooms = fakeRooms(folder);
    await extract(requestFor(dataDir, { out, weights: undefined, checkpoint: "mine.ckpt" }), rooms);
    expect(rooms.opened).toMatchObject([{ checkpoint: "mine.ckpt" }]);
  });

  it("are seeded when that was asked, even where a checkpoint lies", async () => {
    const { folder, dataDir, out } = setting();
    writeFiles(folder, { "checkpoints/inception_v1.ckpt": "" });
    const rooms = fakeRooms(folder);
    await extract(requestFor(dataDir, { out, weights: "seeded" }), rooms);
    expect(rooms.opened).toMatchObject([{ weights: "seeded" }]);
  });

  it("are seeded without asking only for the project's own samples", async () => {
    const { folder, dataDir, out } = setting();
    const fake = fakeRooms(folder);
    const key = "x.png";
    writeFiles(folder, { [key]: "1" });
    const inputs = [{ key, path: Buffer.from(join(folder, key)) }];
    const rooms = { ...fake, listSources: async () => ({ inputs }) };
    const report = await extract(requestFor(samplesDirectory, { out, weights: undefined }), rooms);
    expect(report.files[0].metadata.weights.trained).toBe(false);

    const error = await extract(requestFor(dataDir, { out, weights: undefined }), rooms).catch((e) => e);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toContain(archive);
    for (const choice of [
      "npx slimfeatures fetch inception_v1",
      "Leave `model` out for mobilenet_v1",
      "Name a file of your own with `checkpoint`.",
      '`weights: "seeded"`',
    ]) {
      expect(error.hint).toContain(choice);
    }
  });

  it("of --weights checkpoint are not replaced by seeded ones", async () => {
    const { folder } = setting();
    await expect(
      extract(requestFor(samplesDirectory, { weights: "checkpoint" }), fakeRooms(folder)),
    ).rejects.toThrow(CheckpointError);
  });

  it("cannot be both seeded and from a checkpoint", async () => {
    const { folder, dataDir } = setting();
    await expect(extract(requestFor(dataDir, { checkpoint: "x" }), fakeRooms(folder))).rejects.toThrow(
      UsageError,
    );
  });
});

describe("the output file", () => {
  it("cannot be a folder, a device, or lie below a file", async () => {
    const { folder, dataDir } = setting();
    for (const [out, message] of [
      [dataDir, /that is a folder/],
      ["/dev/null", /not an ordinary file/],
      [join(dataDir, "b.png", "f.pkl"), /is a file, not a folder/],
      [join(folder, "x".repeat(300)), /name is too long/],
    ] as const) {
      const error = await extract(requestFor(dataDir, { out }), fakeRooms(folder)).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(OutputError);
      expect((error as Error).message).toMatch(message);
    }
    expect(readdirSync(folder)).toEqual(["in"]);
  });

  it("is replaced through a symbolic link", async () => {
    const { folder } = setting();
    writeFileSync(join(folder, "real"), "older");
    symlinkSync("real", join(folder, "link"));
    const file = await openAtomic(join(folder, "link"));
    await file.append(Buffer.from("newer"));
    await file.commit();
    expect(readFileSync(join(folder, "real"), "utf8")).toBe("newer");
  });

  it.each([
    ["ENOSPC", /disk is full/],
    ["EACCES", /no permission/],
    ["EROFS", /read-only/],
    ["EWHATEVER", /^Cannot write f\.pkl: some reason/],
  ])("says in a sentence why it cannot be written: %s", (code, message) => {
    const error = outputError("f.pkl", Object.assign(new Error("some reason"), { code }));
    expect(error.message).toMatch(message);
  });
});
