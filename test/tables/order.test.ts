/** The order of a list, and its repeats, in the files that are written. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { extract } from "../../src/extract/extract.ts";
import { formats } from "../../src/tables/formats/index.ts";
import { readFeatures } from "../../src/tables/readers/index.ts";
import { fakeRooms, requestFor, temporaryFolder, writeFiles } from "../support/features.ts";

const listed = ["c.png", "a.png", "b.png", "a.png"];

function listOf(names: readonly string[]) {
  const folder = temporaryFolder();
  writeFiles(folder, { "photos/a.png": "1", "photos/b.png": "2", "photos/c.png": "3" });
  const change = { list: Buffer.from(`# mine\n${names.join("\n")}\n`), order: "list" as const };
  return { folder, request: requestFor(join(folder, "photos"), change), rooms: fakeRooms(folder) };
}

describe("--order list", () => {
  it.each(formats.filter((f) => !f.byKey).map((f) => f.name))(
    "keeps a list's order and its repeats in %s",
    async (format) => {
      const { folder, request, rooms } = listOf(listed);
      const out = join(folder, `f.${format}`);
      const notices: string[] = [];
      const report = await extract({ ...request, format, out, topk: 1 }, rooms, {
        notice: (sentence) => notices.push(sentence),
      });
      const rows: [string, number][] = [];
      for await (const { path, data } of readFeatures(out)) rows.push([path, data[0]]);
      expect(rows).toEqual([
        ["c.png", 3],
        ["a.png", 1],
        ["b.png", 2],
        ["a.png", 1],
      ]);
      const lines = (path: string) =>
        readFileSync(path, "utf8")
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line));
      expect(lines(report.manifest).map(({ path, row }) => [path, row])).toEqual(
        listed.map((p, i) => [p, i]),
      );
      expect(lines(report.predictions as string).map(({ path }) => path)).toEqual(listed);
      // What stands twice is computed once.
      expect(report.computed + report.known).toBe(4);
      expect(rooms.batches.reduce((a, b) => a + b)).toBe(3);
      expect(notices.join()).toMatch(/left out the line "# mine"/);
    },
  );

  it("is refused for a map, which has each path once, and where there is no list", async () => {
    const { folder, request, rooms } = listOf(listed);
    const out = join(folder, "f.pkl");
    await expect(extract({ ...request, format: "pkl", out }, rooms)).rejects.toThrow(/does not go with pkl/);
    await expect(
      extract({ ...request, list: undefined, format: "npy", out: join(folder, "f.npy") }, rooms),
    ).rejects.toThrow(/there is none/);
  });
});
