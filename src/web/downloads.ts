/** Files that are fetched whole. Where a server gives parts of files, one that broke off goes on where it stopped. */
import { CheckpointError } from "../errors.ts";
import type { BytesProgress } from "./calls.ts";

export interface DownloadOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: BytesProgress) => void;
}

/** Takes what comes, in order. */
export type Take = (bytes: Uint8Array) => void | Promise<void>;

/** How often a connection that broke is tried again without a byte in between. */
const mostTries = 4;
const pause = (tries: number) => new Promise((resolve) => setTimeout(resolve, 250 * 2 ** tries));

/** The last part of an address. */
export const nameOfAddress = (address: string): string =>
  decodeURIComponent(new URL(address).pathname.split("/").at(-1) ?? "") || "checkpoint";

/** The version that a server tells of a file: parts of two versions must not be put together. */
const versionOf = ({ headers }: Response): string | undefined => {
  const tag = headers.get("etag");
  return tag && !tag.startsWith("W/") ? tag : (headers.get("last-modified") ?? undefined);
};

/** The whole size and the first byte of a part, as its server tells them. */
function placeOf({ status, headers }: Response): { readonly from: number; readonly total?: number } {
  const length = Number(headers.get("content-length") ?? Number.NaN);
  const part = status === 206 ? /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("content-range") ?? "") : null;
  if (part) return { from: Number(part[1]), ...(part[2] !== "*" && { total: Number(part[2]) }) };
  // What was packed on its way has another length when it is here.
  return { from: 0, ...(Number.isFinite(length) && !headers.get("content-encoding") && { total: length }) };
}

/**
 * Fetches a file and hands its bytes to `take`.
 * @throws CheckpointError where the server does not give it, or the connection breaks for good.
 */
export async function download(
  address: string,
  take: Take,
  { signal, onProgress }: DownloadOptions,
): Promise<void> {
  const file = nameOfAddress(address);
  let done = 0;
  let version: string | undefined;
  let packed = false;
  for (let tries = 0; ; tries++) {
    const goesOn = done > 0;
    let total: number | undefined;
    try {
      // Parts of what is packed on its way are counted otherwise than what is here: it is sent again.
      const headers: Record<string, string> =
        goesOn && !packed
          ? { range: `bytes=${done}-`, ...(version !== undefined && { "if-range": version }) }
          : {};
      const answer = await fetch(address, { signal, headers });
      if (!answer.ok) {
        await answer.body?.cancel();
        throw new CheckpointError(
          `${address} cannot be fetched: the server answered ${answer.status} ${answer.statusText}`.trimEnd() +
            ".",
          answer.status >= 500 ? "Try again later." : "Look whether the address is right.",
        );
      }
      const place = placeOf(answer);
      total = place.total;
      version ??= versionOf(answer);
      packed = answer.headers.has("content-encoding");
      if (packed && answer.status === 206) {
        await answer.body?.cancel();
        throw new CheckpointError(
          `${address} cannot be fetched: its server packs parts of files.`,
          "Download it by other means, and give the file.",
        );
      }
      // A server that gives no parts begins again, and what is here already is passed over.
      let skip = done - place.from;
      if (skip < 0 || (goesOn && version !== versionOf(answer))) {
        await answer.body?.cancel();
        throw new CheckpointError(`${address} changed while it was fetched.`, "Try again.");
      }
      const reader = answer.body?.getReader();
      for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
        const bytes = part.value.subarray(Math.min(skip, part.value.length));
        skip -= part.value.length - bytes.length;
        if (bytes.length === 0) continue;
        await take(bytes);
        done += bytes.length;
        tries = 0;
        onProgress({ file, done, total });
      }
      if (total !== undefined && done < total) throw new TypeError("the connection ended too early");
      return;
    } catch (error) {
      if (signal.aborted || error instanceof CheckpointError) throw error;
      if (tries < mostTries) {
        await pause(tries);
        continue;
      }
      const { message } = error as Error;
      throw new CheckpointError(
        `${address} cannot be fetched: ${message.replace(/\.$/, "")}.`,
        "Look whether you are online, and whether the server lets pages of this site read it (CORS).",
        { cause: error },
      );
    }
  }
}

/** A file in the browser's memory, or on its disk, as the browser likes. */
export async function downloadBlob(address: string, options: DownloadOptions): Promise<Blob> {
  let pieces: BlobPart[] = [];
  let waiting = 0;
  await download(
    address,
    (bytes) => {
      pieces.push(new Uint8Array(bytes));
      waiting += bytes.length;
      if (waiting < blobBytes) return;
      // What is in a Blob the browser may put on its disk.
      pieces = [new Blob(pieces)];
      waiting = 0;
    },
    options,
  );
  return new Blob(pieces);
}

const blobBytes = 2 ** 25;
type BlobPart = Blob | Uint8Array<ArrayBuffer>;
