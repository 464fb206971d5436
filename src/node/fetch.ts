/** Downloads a published checkpoint: the only part of the project that uses the network. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readFile, rename, stat, unlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { UserError } from "../errors.ts";
import { Stopped } from "../stopped.ts";
import { outputError } from "./atomic.ts";
import { type Answer, type GetOptions, get } from "./https.ts";

export interface FetchRequest {
  readonly url: string;
  /** Where the file shall lie. What came so far lies beside it as `<path>.part` and is resumed by the next call. */
  readonly path: string;
  /** Bytes that are there and in all, where the server says so. */
  readonly progressed?: (received: number, total: number | undefined) => void;
  readonly notice?: (sentence: string) => void;
  readonly signal?: AbortSignal;
  /** What the file's hash is to be, such as "sha256:7a62...", where that is known. */
  readonly hash?: string;
  readonly ca?: GetOptions["ca"];
  readonly env?: GetOptions["env"];
}

export interface FetchReport {
  readonly path: string;
  readonly bytes: number;
  readonly outcome: "downloaded" | "resumed" | "present";
  readonly sha256: string;
}

/**
 * @throws UserError with the address and the place of the file when it cannot be had, or is another than `hash` says;
 * UsageError where the address is not one of https; OutputError; Stopped.
 */
export async function fetchArchive(request: FetchRequest): Promise<FetchReport> {
  const { path } = request;
  if (await startsAsGzip(path)) {
    const { sha256, fault } = await examine(path, request.hash);
    if (fault) {
      throw new UserError(
        `${path} is there already, and it is not the published archive: ${fault}.`,
        "Remove it to download the published one, or name it with --checkpoint.",
      );
    }
    return { path, bytes: (await stat(path)).size, outcome: "present", sha256 };
  }
  const part = `${path}.part`;
  const validatorPath = `${part}.etag`;
  await mkdir(dirname(path), { recursive: true }).catch((error: unknown) => {
    throw outputError(path, error);
  });
  const validator = await readFile(validatorPath, "utf8").catch(() => undefined);
  const have = validator ? await sizeOfFile(part) : 0;

  let answer = await ask(request, have, validator);
  if (answer.statusCode === 416) {
    // The rest that was asked for does not exist: what lies here is not the beginning of that file.
    answer.destroy();
    answer = await ask(request, 0, undefined);
  }
  const { statusCode: status = 0, statusMessage } = answer;
  const from = status === 206 ? resumedAt(answer) : 0;
  if (status < 200 || status > 299 || (status === 206 && from !== have)) {
    answer.destroy();
    throw unreachable(request, `the server answered ${status} ${statusMessage}`.trim());
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
  const { sha256, fault } = await examine(part, request.hash);
  if (fault) {
    await discard(part, validatorPath);
    throw unreachable(request, `what came is not the published archive: ${fault}`);
  }
  await rename(part, path).catch((error: unknown) => {
    throw outputError(path, error);
  });
  await discard(validatorPath);
  return { path, bytes, outcome: from > 0 ? "resumed" : "downloaded", sha256 };
}

/** A file's hash, and how it differs from the one that is known. */
async function examine(path: string, known?: string): Promise<{ sha256: string; fault?: string }> {
  const [kind, wanted] = known?.split(":") ?? [];
  const [own, other] = [createHash("sha256"), createHash(kind ?? "sha256")];
  for await (const piece of createReadStream(path)) {
    own.update(piece as Buffer);
    other.update(piece as Buffer);
  }
  const [sha256, found] = [own.digest("hex"), other.digest("hex")];
  return wanted === undefined || found === wanted
    ? { sha256 }
    : { sha256, fault: `its ${kind} is ${found}, and not ${wanted}` };
}

async function ask(request: FetchRequest, from: number, validator: string | undefined): Promise<Answer> {
  const headers: Record<string, string> = { "accept-encoding": "identity" };
  if (from > 0 && validator) {
    headers.range = `bytes=${from}-`;
    headers["if-range"] = validator;
  }
  const { signal, ca, env, notice } = request;
  return get(request.url, { headers, signal, ca, env, notice }).catch((error: unknown) => {
    throw error instanceof UserError ? error : interrupted(request, error);
  });
}

/** Writes the answer's body behind the first `from` bytes of `part`. Gives the size of the whole. */
async function receive(request: FetchRequest, answer: Answer, part: string, from: number): Promise<number> {
  const { "content-length": length, "content-encoding": encoding } = answer.headers;
  const total = length === undefined || encoding !== undefined ? undefined : from + Number(length);
  let received = from;
  const file = await openPart(part, from);
  try {
    for await (const chunk of answer as AsyncIterable<Uint8Array>) {
      const wrong = received === 0 && !isGzip(chunk);
      received += await put(file, part, chunk, received);
      // The caller looks at the first bytes of what was kept, and says so.
      if (wrong) return received;
      request.progressed?.(received, total);
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
function validatorOf({ headers }: Answer): string | undefined {
  const tag = headers.etag;
  return tag && !tag.startsWith("W/") ? tag : headers["last-modified"];
}

function resumedAt(answer: Answer): number {
  const match = /^bytes (\d+)-/.exec(answer.headers["content-range"] ?? "");
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
  const { code, message } = (error ?? {}) as Partial<NodeJS.ErrnoException>;
  const reason = code ?? message ?? "the connection ended early";
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
