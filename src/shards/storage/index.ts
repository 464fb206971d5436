/** Places by their addresses: folders, s3:// and https://. */
import { dirname, resolve } from "node:path";
import { UsageError } from "../../errors.ts";
import { openDisk } from "./disk.ts";
import { openHttp } from "./http.ts";
import { openS3 } from "./s3.ts";
import type { Storage } from "./storage.ts";

export { downloadUrl, HttpError, type HttpLimits, usualLimits } from "./http.ts";
export { optional } from "./optional.ts";
export {
  type Content,
  hashOfContent,
  isCount,
  isRecord,
  jsonBytes,
  parseJson,
  readJson,
  type Storage,
  type StoredFile,
} from "./storage.ts";

/** Whether an address names something elsewhere than on a disk. */
export const isRemote = (address: string): boolean => /^[a-z][a-z0-9+.-]+:\/\//i.test(address);

/** The path in an address on the web, without what is asked of the server besides; anything else as it is. */
export const pathIn = (address: string): string =>
  /^https?:/i.test(address) && URL.canParse(address) ? new URL(address).pathname : address;

const openers: Readonly<Record<string, (place: string) => Storage | Promise<Storage>>> = {
  s3: openS3,
  https: (place) => openHttp(place),
  http: (place) => openHttp(place),
};

/** Opens a folder or an address. @throws UsageError for an address that is not known, or whose client is not installed */
export async function openStorage(place: string): Promise<Storage> {
  if (!isRemote(place)) return openDisk(resolve(place));
  const scheme = place.slice(0, place.indexOf(":")).toLowerCase();
  const opener = openers[scheme];
  if (opener) return opener(place);
  throw new UsageError(
    `${place} begins with ${scheme}://, which is not known.`,
    "Name a folder, an s3:// or an https:// address. Google's storage speaks S3, too: AWS_ENDPOINT_URL=https://storage.googleapis.com.",
  );
}

/** A file's storage, and its name there: that of the folder or prefix it lies in. */
export async function locate(address: string): Promise<{ readonly storage: Storage; readonly name: string }> {
  const slash = address.lastIndexOf("/");
  if (isRemote(address)) {
    return { storage: await openStorage(address.slice(0, slash)), name: address.slice(slash + 1) };
  }
  const path = resolve(address);
  const folder = dirname(path);
  return { storage: await openStorage(folder), name: path.slice(folder.length).replace(/^[\\/]/, "") };
}
