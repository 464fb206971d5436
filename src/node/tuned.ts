/** What `tune` measured, in a file of the user's cache folder for each adapter, driver and version of the program. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Tuning } from "../platform/index.ts";
import { openAtomic } from "./atomic.ts";
import { toolVersion } from "./package.ts";

/** The user's cache folder, as its platform has it. */
function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, "slimfeatures");
  if (process.platform === "darwin") return join(homedir(), "Library/Caches/slimfeatures");
  if (process.platform === "win32" && env.LOCALAPPDATA) return join(env.LOCALAPPDATA, "slimfeatures");
  return join(homedir(), ".cache/slimfeatures");
}

/** Where the measurements of an adapter lie. */
export function tuningPath(adapter: string, env?: NodeJS.ProcessEnv): string {
  const name = adapter.replace(/[^\w.]+/g, "-").slice(0, 60);
  const mark = createHash("sha256").update(`${adapter} ${toolVersion}`).digest("hex").slice(0, 8);
  return join(cacheFolder(env), `tuned-${name}-${mark}.json`);
}

const isNames = (value: unknown): value is Record<string, string> =>
  typeof value === "object" && value !== null && Object.values(value).every((v) => typeof v === "string");

/** What was measured on an adapter; nothing where there is no file, or one that says something else. */
export async function readTuning(adapter: string): Promise<Tuning | undefined> {
  try {
    const { variants, tiles, ...rest } = JSON.parse(await readFile(tuningPath(adapter), "utf8")) as Tuning;
    if (rest.adapter !== adapter || !isNames(variants) || !isNames(tiles)) return undefined;
    return { adapter, variants, tiles };
  } catch {
    return undefined;
  }
}

/** Keeps what was measured, and gives the file's path. @throws OutputError */
export async function writeTuning(tuning: Tuning): Promise<string> {
  const path = tuningPath(tuning.adapter);
  const file = await openAtomic(path);
  try {
    await file.append(Buffer.from(`${JSON.stringify(tuning, null, 1)}\n`));
    await file.commit();
  } catch (error) {
    await file.abandon();
    throw error;
  }
  return path;
}
