/** `extract` as a program calls it: with little, and with what is wrong said by name. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { UsageError } from "../../src/errors.ts";
import type { ExtractRooms } from "../../src/extract/rooms.ts";
import { type ExtractStart, extract, type Progress, readFeatures } from "../../src/index.ts";
import { fakeRooms, temporaryFolder, writeFiles } from "../support/features.ts";

const rooms: { ownRooms: ExtractRooms | undefined } = vi.hoisted(() => ({ ownRooms: undefined }));
vi.mock("../../src/extract/rooms.ts", () => rooms);

function setting() {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "in"));
  writeFiles(join(folder, "in"), { "a.png": "1", "b.png": "broken", "c.png": "3" });
  const fake = fakeRooms(folder);
  rooms.ownRooms = fake;
  return { folder, fake, request: { inputs: join(folder, "in"), out: join(folder, "f.npy") } };
}

describe("extract", () => {
  it("needs nothing but inputs and out, and tells how far it is", async () => {
    const { request, fake } = setting();
    const progress: Progress[] = [];
    const failures: string[] = [];
    const starts: ExtractStart[] = [];
    const report = await extract(request, {
      onStart: (start) => starts.push(start),
      onProgress: (p) => progress.push(p),
      onFailure: ({ path, reason }) => failures.push(`${path}: ${reason}`),
    });
    expect(starts).toEqual([
      { total: 3, known: 0, model: "mobilenet_v1", backend: "cpu", adapter: "a fake processor" },
    ]);
    expect(progress.at(-1)).toEqual({ done: 3, failed: 1, total: 3 });
    expect(failures).toEqual(["b.png: holds no number"]);
    expect(report.files.map(({ path }) => path)).toEqual([request.out]);
    expect(fake.opened).toMatchObject([{ model: "mobilenet_v1", device: "auto" }]);
    expect(JSON.parse(readFileSync(`${request.out}.json`, "utf8")).preprocess).toMatchObject({
      mode: "slim",
      exif: "auto",
    });
    const paths: string[] = [];
    for await (const { path } of readFeatures(request.out)) paths.push(path);
    expect(paths).toEqual(["a.png", "c.png"]);
  });

  it("takes what is undefined for left out", async () => {
    const { request, fake } = setting();
    await extract({
      ...request,
      device: undefined,
      batchSize: undefined,
      preprocess: undefined,
      layers: undefined,
    });
    expect(fake.opened).toMatchObject([{ device: "auto" }]);
  });

  it("ends with an AbortError when its signal fires, and goes on later", async () => {
    const { request } = setting();
    const controller = new AbortController();
    const stopped = extract(request, { signal: controller.signal, onProgress: () => controller.abort() });
    await expect(stopped).rejects.toMatchObject({ name: "AbortError", progress: { total: 3 } });
    expect((await extract(request)).files[0].metadata.images).toMatchObject({ written: 2, failed: 1 });
  });

  it.each<[object | undefined, object | undefined, string]>([
    [
      undefined,
      {},
      "extract: `inputs` must be the path of a folder, an archive or an image, or an array of them, not undefined.",
    ],
    [
      { out: "x.npy" },
      {},
      "extract: `inputs` must be the path of a folder, an archive or an image, or an array of them, not undefined.",
    ],
    [{ inputs: 3 }, {}, "extract: `inputs` must be a text, or an array of texts, not 3."],
    [{ inputs: [] }, {}, "extract: `inputs` must be a text, or an array of texts, not an array of 0."],
    [{ inputs: "in", dataDir: "in" }, {}, "extract: there is no argument `dataDir`."],
    [{ inputs: "in", list: "a.jpg" }, {}, 'extract: `list` must be bytes (a Uint8Array), not "a.jpg".'],
    [
      { inputs: "in", dtype: "f16" },
      {},
      'extract: `dtype` must be one of "float32", "float16", "int8", not "f16".',
    ],
    [{ inputs: "in", pickleProtocol: 4 }, {}, "extract: `pickleProtocol` must be one of 2, 3, not 4."],
    [{ inputs: "in", commitEvery: 0 }, {}, "extract: `commitEvery` must be a number above 0, not 0."],
    [{ inputs: "in" }, { progressed: () => {} }, "extract: there is no argument `progressed`."],
    [{ inputs: "in" }, { onProgress: 1 }, "extract: `onProgress` must be a function, not 1."],
    [{ inputs: "no/such/folder", out: "x.npy" }, {}, "There is no folder or file no/such/folder."],
    [
      { inputs: "in", out: "x.npy", order: "list" },
      {},
      '`order: "list"` keeps the order of a list, and there is none.',
    ],
  ])("says by name what is wrong of %j, %j", async (request, options, words) => {
    setting();
    const refused = await extract(request as never, options as never).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(UsageError);
    expect((refused as Error).message).toBe(words);
  });
});
