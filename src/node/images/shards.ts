/**
 * A folder's images: files of their own, or, where none has the name of an image that is read, the members of the tar
 * archives in it, as data sets are kept in shards.
 */
import { UsageError } from "../../errors.ts";
import { imageExtensions } from "../../images/kinds.ts";
import { listArchive } from "./archive.ts";
import { type ImageInput, type ListOptions, listFolder, matcher, sorted } from "./inputs.ts";
import type { NamedFiles } from "./list.ts";

/** Compressed ones too: `listArchive` says what to do with them. */
const isArchive = ({ key }: ImageInput) => /\.(?:tar|tar\.gz|tgz)$/i.test(key);

const isImage = ({ key }: ImageInput) => imageExtensions.some((e) => key.toLowerCase().endsWith(`.${e}`));

const some = (inputs: readonly ImageInput[]) =>
  `${inputs
    .slice(0, 3)
    .map(({ key }) => key)
    .join(", ")}${inputs.length > 3 ? " ..." : ""}`;

/**
 * What a folder holds, by paths relative to it. Members of an archive stand behind its name: `train-000.tar/0001.jpg`;
 * patterns hold for that. A pattern that excludes the archive itself leaves it unopened.
 * @throws UsageError where an archive is damaged or compressed.
 */
export async function listFolderOrShards(dir: string, options: ListOptions = {}): Promise<NamedFiles> {
  const files = await listFolder(dir, { excludes: options.excludes });
  const wanted = matcher(options);
  const loose = files.filter(({ key }) => wanted(key));
  const archives = files.filter(isArchive);
  if (archives.length === 0) return { inputs: loose };
  if (files.some(isImage)) {
    const note = `${dir} holds images, and archives that are not opened (${some(archives)}): name these to read them too.`;
    return { inputs: loose, note };
  }
  const inputs = loose.filter((file) => !isArchive(file));
  for (const { key, path } of archives) {
    const members = await listArchive(path).catch((error: unknown) => {
      if (!(error instanceof UsageError)) throw error;
      throw new UsageError(error.message, `Mend it, or leave it out with --exclude "${key}".`, {
        cause: error,
      });
    });
    for (const member of members) {
      const own = { ...member, key: `${key}/${member.key}` };
      if (wanted(own.key)) inputs.push(own);
    }
  }
  return { inputs: sorted(inputs) };
}
