/** Plans, small enough for tests, and what is left of them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ownRooms } from "../../src/extract/rooms.ts";
import {
  makePlan,
  openStorage,
  type PlanWishes,
  type ShardPlan,
  type ShardSettings,
} from "../../src/shards/index.ts";

export const smallSettings: ShardSettings = {
  model: "mobilenet_v1_025",
  weights: "seeded",
  imageSize: 32,
  preprocess: "slim",
  exif: "auto",
  device: "cpu",
  jpeg: "fast",
};

/** Plans for the smallest network at its smallest, on seeded weights. */
export async function planSmall(
  out: string,
  wishes: Partial<Omit<PlanWishes, "out">>,
): Promise<{ readonly plan: ShardPlan; readonly out: Awaited<ReturnType<typeof openStorage>> }> {
  const storage = await openStorage(out);
  const plan = await makePlan(
    {
      inputs: [],
      lists: [],
      perShard: 10,
      layout: "parquet",
      settings: smallSettings,
      ...wishes,
      out: storage,
    },
    ownRooms,
  );
  return { plan, out: storage };
}

/** What a folder of results holds but for times and notes of what runs, by names. */
export function resultsIn(folder: string): Record<string, string> {
  const names = (readdirSync(folder, { recursive: true, withFileTypes: true }) as import("node:fs").Dirent[])
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  return Object.fromEntries(
    names.sort().map((name) => {
      const text = readFileSync(join(folder, name), "latin1");
      return [name, name.startsWith("_stats/") ? JSON.stringify(JSON.parse(text).objects) : text];
    }),
  );
}
