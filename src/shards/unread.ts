/**
 * Images of which a worker had not one byte. A file that was removed since the plan, or may not be read, is a failed image. A
 * disk that is not mounted here, or went away in the middle, is the worker's fault: another finds everything there, and a
 * shard that is published without its images stays so.
 */
import { readdir, readlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { UserError } from "../errors.ts";
import type { ManifestRecord } from "../extract/manifest.ts";
import { type ImageInput, unreadCode } from "../node/images/index.ts";

/** What a file may have of itself, where the folder is there in which it should lie. */
const ownCodes: readonly string[] = ["ENOENT", "EACCES", "EPERM", "ENAMETOOLONG"];

/** Where a file should lie: for a link, where that leads. As latin1, so that names of any bytes are kept. */
async function folderOf(path: Uint8Array): Promise<string> {
  const place = Buffer.from(path).toString("latin1");
  const target = await readlink(path as Buffer, "latin1").catch(() => "");
  return dirname(resolve(dirname(place), target === "" ? place : target));
}

/** A mount point without its disk is an empty folder. */
const hasFiles = (folder: string): Promise<boolean> =>
  readdir(Buffer.from(folder, "latin1")).then(
    (names) => names.length > 0,
    () => false,
  );

export interface ReadShard {
  readonly inputs: readonly ImageInput[];
  /** What became of each. */
  readonly records: readonly ManifestRecord[];
  /** The worker's own folder: of what lies there, nothing goes by itself. */
  readonly scratch: string;
}

/** Looks why images of a shard were not read. @throws UserError where it is the worker that cannot have them */
export async function checkUnread(shard: number, { inputs, records, scratch }: ReadShard): Promise<void> {
  const folders = new Map<string, Promise<boolean>>();
  const isThere = (folder: string) => {
    const there = folders.get(folder) ?? hasFiles(folder);
    folders.set(folder, there);
    return there;
  };
  const lost: ManifestRecord[] = [];
  for (const [i, record] of records.entries()) {
    const code = unreadCode(record.reason);
    if (code === undefined) continue;
    const { path, part } = inputs[i];
    const isOne = !part && !Buffer.from(path).toString("utf8").startsWith(join(scratch, "/"));
    if (isOne && ownCodes.includes(code) && (await isThere(await folderOf(path)))) continue;
    lost.push(record);
  }
  if (lost.length === 0) return;
  const [first] = lost;
  throw new UserError(
    `Shard ${shard} is not published: ${lost.length} of its ${records.length} files cannot be had here. The first is ${first.path}: ${first.reason}.`,
    "A plan's files must lie at the same paths for every worker: is their disk there? For files that are gone for good, plan again, into another folder.",
  );
}
