/** A folder that changes while it is read: every row belongs to a content that was there, and the manifest says which. */
import { createHash } from "node:crypto";
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { extract } from "../../src/extract/extract.ts";
import { ownRooms } from "../../src/extract/rooms.ts";
import { type FeatureRow, readFeatures } from "../../src/tables/readers/index.ts";
import { requestFor, temporaryFolder } from "../support/features.ts";
import { openNetwork } from "../support/node.ts";
import { drawJpeg } from "../support/runs.ts";

const count = 40;
const nameOf = (i: number) => `${String(i).padStart(2, "0")}.jpg`;
const sha256 = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

describe("a folder that changes during the run", () => {
  it("gives each file the feature of what was read of it, and names those that have gone", async () => {
    const folder = temporaryFolder();
    const images = join(folder, "in");
    mkdirSync(join(folder, "contents"));
    for (let i = 0; i < count; i++) await drawJpeg(join(images, nameOf(i)), `image ${i}`);
    await drawJpeg(join(folder, "other.jpg"), "another image");

    /** Changes every file that is not read yet, by turns, when the first batch is computed. */
    const change = () => {
      for (let i = 0; i < count; i++) {
        const path = join(images, nameOf(i));
        if (i % 4 === 0) rmSync(path);
        else if (i % 4 === 1) copyFileSync(join(folder, "other.jpg"), path);
        else if (i % 4 === 2) appendFileSync(path, "grown");
        else truncateSync(path, 200);
      }
    };
    let batches = 0;
    const run = async (out: string, during: () => void) => {
      await extract(
        requestFor(images, {
          ...{ model: "mobilenet_v1_025", imageSize: 32, device: "cpu", batchSize: 2, workers: 1 },
          ...{ out: join(folder, out), format: "npy" },
        }),
        {
          ...ownRooms,
          openNetwork: async (options) => {
            const network = await openNetwork(options);
            return {
              ...network,
              run: (images) => {
                if (batches++ === 0) during();
                return network.run(images);
              },
            };
          },
        },
      );
      const rows: FeatureRow[] = [];
      for await (const row of readFeatures(join(folder, out))) rows.push(row);
      const lines = readFileSync(`${join(folder, out)}.manifest.jsonl`, "utf8")
        .trimEnd()
        .split("\n");
      return { rows, manifest: lines.map((line) => JSON.parse(line)) };
    };

    // The feature of every whole content, by its hash, from runs in which nothing changed.
    const truth = new Map<string, Float32Array | ArrayLike<number>>();
    const learn = async (out: string) => {
      const { rows, manifest } = await run(out, () => {});
      for (const record of manifest)
        if (record.row !== undefined) truth.set(record.sha256, rows[record.row].data);
    };
    await learn("before.npy");
    const before = new Map(
      Array.from({ length: count }, (_, i) => [nameOf(i), sha256(join(images, nameOf(i)))]),
    );
    batches = 0;
    const changed = await run("changed.npy", change);
    await learn("after.npy");

    const statuses = { kept: 0, gone: 0, replaced: 0, cut: 0 };
    expect(changed.manifest.map((r) => r.path)).toEqual([...before.keys()]);
    for (const record of changed.manifest) {
      if (record.status === "failed") {
        expect(record.reason).toMatch(/cannot be read \(ENOENT\)|cannot be decoded|cut off/i);
        if (/ENOENT/.test(record.reason)) statuses.gone++;
        else statuses.cut++;
        continue;
      }
      expect(record.status).toBe("ok");
      expect(changed.rows[record.row].path).toBe(record.path);
      expect(truth.has(record.sha256), `${record.path}: a content that was never whole`).toBe(true);
      expect(changed.rows[record.row].data).toEqual(truth.get(record.sha256));
      if (record.sha256 === before.get(record.path)) statuses.kept++;
      else statuses.replaced++;
    }
    for (const [status, files] of Object.entries(statuses)) expect(files, status).toBeGreaterThan(0);
  });

  it("goes on when a file is replaced between two runs, and computes only that one", async () => {
    const folder = temporaryFolder();
    const images = join(folder, "in");
    for (let i = 0; i < 4; i++) await drawJpeg(join(images, nameOf(i)), `image ${i}`);
    const request = requestFor(images, {
      ...{ model: "mobilenet_v1_025", imageSize: 32, device: "cpu" },
      ...{ out: join(folder, "f.npy"), format: "npy" },
    });
    await extract(request, ownRooms);
    await drawJpeg(join(images, nameOf(2)), "something new");
    writeFileSync(join(images, nameOf(3)), "no image any more");
    const report = await extract(request, ownRooms);
    expect(report).toMatchObject({ computed: 1, known: 2 });
    expect(report.files[0].metadata.failures.map((f) => f.path)).toEqual([nameOf(3)]);
  });
});
