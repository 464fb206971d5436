/** Downloads a published checkpoint: the only part of the project that uses the network. */
import { type FileHandle, mkdir, open, readFile, rename, stat, unlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { UserError } from "../errors.ts";
import { outputError } from "./atomic.ts";
import { Stopped } from "./stopped.ts";

export interface FetchRequest {
  readonly url: string;
  /** Where the file shall lie. What came so far lies beside it as `<path>.part` and is resumed by the next call. */
  readonly path: string;
  /** Bytes that are there and in all, where the server says so. */
  readonly progressed?: (received: number, total: number | undefined) => void;
  readonly notice?: (sentence: string) => void;
  readonly signal?: AbortSignal;
}

export interface FetchReport {
  readonly path: string;
  readonly bytes: number;
  readonly outcome: "downloaded" | "resumed" | "present";
}

/** @throws UserError with the address and the place of the file when it cannot be had; OutputError; Stopped. */
export async function fetchArchive(request: FetchRequest): Promise<FetchReport> {
  const { path } = request;
  if (await startsAsGzip(path)) {
    return { path, bytes: (await stat(path)).size, outcome: "present" };
  }
  const part = `${path}.part`;
  const validatorPath = `${part}.etag`;
  await mkdir(dirname(path), { recursive: true }).catch((error: unknown) => {
    throw outputError(path, error);
  });
  const validator = await readFile(validatorPath, "utf8").catch(() => undefined);
  const have = validator ? await sizeOfFile(part) : 0;

  let answer = await ask(request, have, validator);
  if (answer.status === 416) {
    // The rest that was asked for does not exist: what lies here is not the beginning of that file.
    await answer.body?.cancel();
    answer = await ask(request, 0, undefined);
  }
  const from = answer.status === 206 ? resumedAt(answer) : 0;
  if (!answer.ok || (answer.status === 206 && from !== have)) {
    await answer.body?.cancel();
    throw unreachable(request, `the server answered ${answer.status} ${answer.statusText}`.trim());
  }
  if (have > 0) {
    request.notice?.(
      from > 0
        ? `Resuming after ${have} bytes.`
        : "The server sends the whole file again: starting from its beginning.",
    );
  }
  await remember(validatorPath, validatorOf(answer));
  const bytes = await receive(request, answer, part, from);
  if (!(await startsAsGzip(part))) {
    await discard(part, validatorPath);
    throw unreachable(request, "what came is not a gzip archive but something else, such as a web page");
  }
  await rename(part, path).catch((error: unknown) => {
    throw outputError(path, error);
  });
  await discard(validatorPath);
  return { path, bytes, outcome: from > 0 ? "resumed" : "downloaded" };
}

async function ask(request: FetchRequest, from: number, validator: string | undefined): Promise<Response> {
  const headers: Record<string, string> = { "accept-encoding": "identity" };
  if (from > 0 && validator) {
    headers.range = `bytes=${from}-`;
    headers["if-range"] = validator;
  }
  return fetch(request.url, { headers, signal: request.signal }).catch((error: unknown) => {
    throw interrupted(request, error);
  });
}

/** Writes the answer's body behind the first `from` bytes of `part`. Gives the size of the whole. */
async function receive(request: FetchRequest, answer: Response, part: string, from: number): Promise<number> {
  const length = answer.headers.get("content-length");
  const total = length === null || answer.headers.has("content-encoding") ? undefined : from + Number(length);
  let received = from;
  const file = await openPart(part, from);
  try {
    if (answer.body) {
      for await (const chunk of answer.body) {
        const wrong = received === 0 && !isGzip(chunk);
        received += await put(file, part, chunk, received);
        // The caller looks at the first bytes of what was kept, and says so.
        if (wrong) return received;
        request.progressed?.(received, total);
      }
    }
  } catch (error) {
    throw error instanceof UserError ? error : interrupted(request, error, received);
  } finally {
    await file.sync().catch(() => {});
    await file.close();
  }
  if (total !== undefined && received !== total) throw interrupted(request, undefined, received);
  return received;
}

async function openPart(part: string, from: number): Promise<FileHandle> {
  return open(part, from > 0 ? "r+" : "w").catch((error: unknown) => {
    throw outputError(part, error);
  });
}

async function put(file: FileHandle, part: string, chunk: Uint8Array, position: number): Promise<number> {
  for (let done = 0; done < chunk.length; ) {
    const { bytesWritten } = await file
      .write(chunk, done, chunk.length - done, position + done)
      .catch((error: unknown) => {
        throw outputError(part, error);
      });
    done += bytesWritten;
  }
  return chunk.length;
}

/** What tells one version of the file from another; a weak tag does not serve for ranges. */
function validatorOf(answer: Response): string | undefined {
  const tag = answer.headers.get("etag");
  return tag && !tag.startsWith("W/") ? tag : (answer.headers.get("last-modified") ?? undefined);
}

function resumedAt(answer: Response): number {
  const match = /^bytes (\d+)-/.exec(answer.headers.get("content-range") ?? "");
  return match ? Number(match[1]) : -1;
}

/** Without a validator nothing is kept to resume from: the next call starts at the beginning. */
async function remember(validatorPath: string, validator: string | undefined): Promise<void> {
  if (validator === undefined) return discard(validatorPath);
  await writeFile(validatorPath, validator).catch((error: unknown) => {
    throw outputError(validatorPath, error);
  });
}

function interrupted(request: FetchRequest, error: unknown, received = 0): Error {
  if (request.signal?.aborted) return new Stopped(request.signal.reason);
  const { cause } = (error ?? {}) as { cause?: { code?: string; message?: string } };
  const reason =
    cause?.code ?? cause?.message ?? (error as Error | undefined)?.message ?? "the connection ended early";
  const got =
    received > 0
      ? ` after ${received} bytes (run the command again: it goes on from there if the server can)`
      : "";
  return unreachable(request, `${reason}${got}`, error);
}

function unreachable({ url, path }: FetchRequest, reason: string, cause?: unknown): UserError {
  return new UserError(
    `Cannot download ${url}: ${reason}.`,
    `Download that address by any other means and put the file at ${path}.`,
    { cause },
  );
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && (bytes.length < 2 || bytes[1] === 0x8b);
}

async function startsAsGzip(path: string): Promise<boolean> {
  const file = await open(path, "r").catch(() => undefined);
  if (!file) return false;
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && isGzip(buffer);
  } finally {
    await file.close();
  }
}

async function sizeOfFile(path: string): Promise<number> {
  return stat(path).then(
    (s) => s.size,
    () => 0,
  );
}

async function discard(...paths: string[]): Promise<void> {
  for (const path of paths) await unlink(path).catch(() => {});
}
