/** Disks that are full, read-only, or hold something else under the name: a message, nothing half, nothing lost. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ExitCode, OutputError } from "../../src/errors.ts";
import { extract } from "../../src/extract/extract.ts";
import { besidePlaces } from "../../src/tables/formats/index.ts";
import { fakeRooms, requestFor, temporaryFolder, writeFiles } from "../support/features.ts";
import { disk, setRoom } from "../support/quota.ts";
import { contentOf, leftovers } from "../support/runs.ts";

vi.mock("node:fs/promises", async (original) =>
  (await import("../support/quota.ts")).underQuota(await original()),
);

const images = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`${i}.png`, `${i}`]));
const features = { featureShape: [1, 1, 50] };

function setting() {
  const folder = temporaryFolder();
  writeFiles(join(folder, "in"), images);
  mkdirSync(join(folder, "out"));
  return { folder, dataDir: join(folder, "in"), out: join(folder, "out", "f.npy") };
}

afterEach(() => setRoom(Number.POSITIVE_INFINITY));

describe.each(["npy", "pkl", "csv", "parquet", "safetensors"])("a disk that fills up under %s", (format) => {
  it("at any byte gives a message, leaves the older file and no half one, and the run goes on from there", async () => {
    const { folder, dataDir } = setting();
    const runWith = (out: string) =>
      extract(requestFor(dataDir, { out, format, commitEvery: 0.000_001 }), fakeRooms(folder, features));
    const whole = join(folder, "out", "whole");
    setRoom(Number.POSITIVE_INFINITY);
    await runWith(whole);
    const needed = disk.written;
    expect(needed).toBeGreaterThan(2000);
    let faults = 0;
    for (let room = 0; room < needed; room += Math.ceil(needed / 23)) {
      const out = join(folder, "out", `f${room}`);
      writeFileSync(out, "older");
      setRoom(room);
      const error = await runWith(out).catch((e: unknown) => e);
      expect(error, `${room} of ${needed} bytes`).toBeInstanceOf(OutputError);
      expect((error as OutputError).message).toMatch(/the disk is full/);
      expect((error as OutputError).exitCode).toBe(ExitCode.output);
      expect(
        readFileSync(out, "utf8") === "older" || besidePlaces(out, ".json").some((path) => existsSync(path)),
      ).toBe(true);
      expect(leftovers(out)).toEqual([]);
      faults++;
      setRoom(Number.POSITIVE_INFINITY);
      await runWith(out);
      expect(contentOf(out)).toEqual(contentOf(whole));
    }
    expect(faults).toBeGreaterThanOrEqual(20);
  });
});

describe("an output that cannot be written", () => {
  it.each([
    ["EROFS", /read-only/],
    ["EACCES", /no permission/],
    ["EDQUOT", /quota is used up/],
  ])("is told before anything is computed: %s", async (code, said) => {
    const { folder, dataDir, out } = setting();
    const rooms = fakeRooms(folder);
    setRoom(0, code);
    await expect(extract(requestFor(dataDir, { out, format: "npy" }), rooms)).rejects.toThrow(said);
    expect(rooms.batches).toEqual([]);
    expect(rooms.open()).toBe(0);
    expect(readdirSync(join(folder, "out"))).toEqual([]);
  });

  it.each(["f.npy", "f.npy.json", "f.npy.manifest.jsonl", "f.npy.predictions.jsonl", "f.npy.pca.json"])(
    "since a folder has the name of %s, is told before anything is computed",
    async (name) => {
      const { folder, dataDir, out } = setting();
      mkdirSync(join(folder, "out", name));
      const rooms = fakeRooms(folder);
      const running = extract(requestFor(dataDir, { out, format: "npy", topk: 1, pca: 2 }), rooms);
      await expect(running).rejects.toThrow(/that is a folder/);
      expect(rooms.batches).toEqual([]);
      expect(readdirSync(join(folder, "out"))).toEqual([name]);
    },
  );

  it("since a file has the name of its folder of work, is told before anything is computed", async () => {
    const { folder, dataDir, out } = setting();
    writeFileSync(`${out}.run`, "a file");
    const rooms = fakeRooms(folder);
    await expect(extract(requestFor(dataDir, { out, format: "npy" }), rooms)).rejects.toThrow(OutputError);
    expect(rooms.batches).toEqual([]);
    expect(readFileSync(`${out}.run`, "utf8")).toBe("a file");
  });
});

describe("an output that is one of the images", () => {
  it("is refused before anything is computed, and stays", async () => {
    const { folder, dataDir } = setting();
    const [image] = readdirSync(dataDir);
    const out = join(dataDir, image);
    const before = readFileSync(out);
    const rooms = fakeRooms(folder);
    await expect(extract(requestFor(dataDir, { out, format: "npy" }), rooms)).rejects.toThrow(
      /would be lost/,
    );
    expect(rooms.batches).toEqual([]);
    expect(readFileSync(out)).toEqual(before);
  });
});

describe("what a killed process left", () => {
  it("is removed by the next run into the same output, and nothing else is", async () => {
    const { folder, dataDir, out } = setting();
    const request = requestFor(dataDir, { out, format: "npy" });
    const { openAtomic } = await import("../../src/node/atomic.ts");
    const leaveHalf = async (path: string) => {
      const file = await openAtomic(path);
      await file.append(Buffer.from("half"));
      await file.seal();
    };
    await extract(request, fakeRooms(folder));
    const [own, inWork, others] = [out, `${out}.run/00000.jsonl`, join(folder, "out", "other.npy")];
    // Opened and never finished, as by a process that was killed.
    for (const path of [own, inWork, others]) await leaveHalf(path);
    writeFileSync(`${out}.run/lock.0123456789ab`, "a draft");
    await extract(request, fakeRooms(folder));
    const names = [...readdirSync(join(folder, "out")), ...readdirSync(`${out}.run`)];
    expect(names.filter((n) => n.startsWith(".partial-"))).toHaveLength(1);
    expect(names.filter((n) => n.startsWith("lock"))).toEqual([]);
  });
});

describe("a folder of work that was damaged", () => {
  it.each([
    ["run.json", "{", /run\.json is damaged/],
    ["00000.jsonl", '{"row": 0, "ha', /00000\.jsonl is damaged/],
    ["00000.0.f32", "short", /00000\.0\.f32 is cut off/],
  ])("is refused with a message that names %s", async (name, content, said) => {
    const { folder, dataDir, out } = setting();
    const request = requestFor(dataDir, { out, format: "npy" });
    await extract(request, fakeRooms(folder, features));
    writeFileSync(join(`${out}.run`, name), content);
    const again = extract(request, fakeRooms(folder, features));
    await expect(again).rejects.toThrow(said);
    await expect(again).rejects.toHaveProperty("hint", expect.stringContaining("`overwrite: true`"));
    await extract({ ...request, overwrite: true }, fakeRooms(folder, features));
  });
});

describe("a clock that jumps", () => {
  it("neither keeps commits back nor hurries them", async () => {
    const { folder, dataDir, out } = setting();
    const hour = 3_600_000;
    let calls = 0;
    const now = vi.spyOn(Date, "now").mockImplementation(() => 1e12 + (calls++ % 2 === 0 ? -hour : hour));
    const rooms = fakeRooms(folder);
    const network = await rooms.openNetwork({ model: "inception_v1", device: "auto", weights: "seeded" });
    const committed: boolean[] = [];
    const openNetwork: typeof rooms.openNetwork = async () => ({
      ...network,
      run: (images) => {
        committed.push(existsSync(`${out}.run/00000.jsonl`));
        return network.run(images);
      },
    });
    const request = requestFor(dataDir, { out, format: "npy", batchSize: 1 });
    await extract({ ...request, commitEvery: 1000 }, { ...rooms, openNetwork });
    expect(committed).not.toContain(true);
    committed.length = 0;
    await extract({ ...request, commitEvery: 1e-6, overwrite: true }, { ...rooms, openNetwork });
    // A batch may begin while the results of two before it are still to come, and those of a third are being written.
    expect(committed.slice(4)).not.toContain(false);
    now.mockRestore();
  });
});
