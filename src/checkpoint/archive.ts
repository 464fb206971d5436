/** A checkpoint that is still in the archive that was downloaded. */
import { CheckpointError } from "../errors.ts";
import type { Files } from "../platform/files.ts";
import { posix } from "../posix.ts";
import { byName, choose, type Folder, savedModel } from "./choose.ts";
import { named } from "./locate.ts";
import { type Location, pathOf, type Single, savedModelFiles } from "./prefix.ts";
import { unpack, whyNotUnpacked } from "./tar.ts";
import type { Checkpoint } from "./tensor.ts";

/** Opens what lies among `files`, by the name that it is shown by and the one of the checkpoint. */
type OpenLocated = (location: Single, shown: string, name: string, files: Files) => Promise<Checkpoint>;

/** Members that are called as files of checkpoints are: graphs of training and texts stay in the archive. */
const isCheckpointFile = (name: string) =>
  name === "checkpoint" ||
  /\.(index|data-\d{5}-of-\d{5}|ckpt|pb)$|\.ckpt(-\d+)?(-\d{5}-of-\d{5})?$/.test(name);

/** A table is read from its end, so the archive's checkpoint is unpacked to a private folder until it is closed. */
export async function openArchive(
  archive: string,
  inside: string,
  shown: string,
  files: Files,
  openLocated: OpenLocated,
): Promise<Checkpoint> {
  const scratch = await files.scratch().catch((error: unknown) => {
    throw whyNotUnpacked(error, archive);
  });
  try {
    const near = posix.dirname(inside);
    const isWanted = (at: string, name: string) =>
      inside === "" || near === "." || at === near || at.startsWith(`${near}/`)
        ? isCheckpointFile(name) || (inside !== "" && posix.join(at, name).startsWith(inside))
        : false;
    let folders = await unpack(archive, files, scratch, isWanted);
    // Where nothing is called so, what it is tells.
    if (folders.length === 0 && inside === "") folders = await unpack(archive, files, scratch, () => true);
    const location = await inArchive(folders, inside, archive, scratch.files).catch((error: unknown) => {
      if (!(error instanceof CheckpointError)) throw error;
      const told = (text: string) =>
        folders.reduce((words, f) => words.replaceAll(f.path, posix.join(archive, f.name)), text);
      throw new CheckpointError(told(error.message), error.hint && told(error.hint));
    });
    if (location.kind === "archive")
      throw new CheckpointError(`The archive ${archive} holds another archive; unpack it first.`);
    const place = pathOf(location);
    const at = folders.find((f) => f.path === scratch.files.dirname(place));
    const name = posix.join(archive, at?.name ?? "", scratch.files.basename(place));
    const checkpoint = await openLocated(location, shown, name, scratch.files);
    return {
      ...checkpoint,
      async close() {
        await checkpoint.close();
        await scratch.remove();
      },
    };
  } catch (error) {
    await scratch.remove();
    throw error;
  }
}

/** What is meant of an archive's members: what the name `inside` says, or the one checkpoint in it. */
async function inArchive(
  unpacked: readonly Folder[],
  inside: string,
  archive: string,
  files: Files,
): Promise<Location> {
  const folders = byName(unpacked);
  if (inside === "") return choose([unpacked], archive, files, folders);
  const below = unpacked.filter((f) => f.name === inside || f.name.startsWith(`${inside}/`));
  if (below.length > 0) return choose([below], archive, files, folders);
  const base = posix.basename(inside);
  const folder = folders.get(inside.includes("/") ? posix.dirname(inside) : "");
  if (folder && savedModelFiles.includes(base)) return savedModel(folder, folders, folder.path, files);
  const found = folder && (await named(files.join(folder.path, base), files, folders));
  if (found) return found;
  throw new CheckpointError(
    `There is no checkpoint ${inside} in the archive ${archive}.`,
    `See what it holds with: tar tf ${archive}.`,
  );
}
