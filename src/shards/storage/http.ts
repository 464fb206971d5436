/**
 * Web servers, politely: few requests a second to one host, a few at once, each tried again where trying may help, and as
 * late as the server asks for; what broke off goes on where it broke. By Node's own fetch.
 */
import { open, rename, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../../errors.ts";
import { toolName, toolVersion } from "../../node/package.ts";
import { hashOfContent, type Storage } from "./storage.ts";

export interface HttpLimits {
  /** Requests a second to one host. */
  readonly perSecond: number;
  /** Attempts at one file. */
  readonly attempts: number;
  /** Milliseconds that a server may say nothing. */
  readonly patience: number;
  /** The largest file that is taken. */
  readonly mostBytes: number;
  /** Milliseconds before the second attempt; they double with each. */
  readonly wait: number;
  /** By which it is waited; for tests. */
  readonly clock: Clock;
}

interface Clock {
  /** Milliseconds since some moment. */
  now(): number;
  sleep(milliseconds: number): Promise<unknown>;
}

export const usualLimits: HttpLimits = {
  perSecond: 10,
  attempts: 4,
  patience: 30_000,
  mostBytes: 2 ** 40,
  wait: 500,
  clock: { now: () => performance.now(), sleep },
};

/** A file that a server does not give. `passing` where it may another time. */
export class HttpError extends UserError {
  readonly passing: boolean;

  constructor(url: string, reason: string, passing: boolean, options?: ErrorOptions) {
    super(`Cannot read ${url}: ${reason}.`, undefined, options);
    this.passing = passing;
    this.reason = reason;
  }

  /** Why, as a clause. */
  readonly reason: string;
}

/** Answers that mean another attempt may help. */
const passingStatuses: readonly number[] = [408, 425, 429, 500, 502, 503, 504];

/** No server is waited for longer between two attempts, in milliseconds. */
const longestWait = 60_000;

/** When each host may be asked next, by the clock that tells it. */
const turnsBy = new WeakMap<Clock, Map<string, number>>();

async function waitForTurn(url: string, { perSecond, clock }: HttpLimits): Promise<void> {
  const { host } = new URL(url);
  const turns = turnsBy.get(clock) ?? new Map<string, number>();
  turnsBy.set(clock, turns);
  const now = clock.now();
  const turn = Math.max(now, turns.get(host) ?? 0);
  turns.set(host, turn + 1000 / perSecond);
  if (turn > now) await clock.sleep(turn - now);
}

/** Milliseconds that an answer asks to wait: seconds, or a date. https://www.rfc-editor.org/rfc/rfc9110#field.retry-after */
function askedWait(headers: Headers): number {
  const value = headers.get("retry-after");
  if (value === null) return 0;
  const wait = /^\d+$/.test(value) ? 1000 * Number(value) : Date.parse(value) - Date.now();
  return Number.isFinite(wait) ? Math.max(0, wait) : 0;
}

/** An attempt's patience: it ends the request when the server says nothing for long; what comes is a sign of life. */
interface Patience {
  readonly signal: AbortSignal;
  heard(): void;
}

/** Tries until it is done, or nothing more helps. @throws HttpError */
async function trying<T>(
  url: string,
  limits: HttpLimits,
  work: (patience: Patience) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    await waitForTurn(url, limits);
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(silent), limits.patience);
    try {
      return await work({ signal: silence.signal, heard: () => void timer.refresh() });
    } catch (error) {
      const fault = error instanceof HttpError ? error : broken(url, error);
      if (!fault.passing || attempt >= limits.attempts) throw fault;
      const asked = fault.cause instanceof Response ? askedWait(fault.cause.headers) : 0;
      await limits.clock.sleep(Math.min(longestWait, Math.max(asked, limits.wait * 2 ** (attempt - 1))));
    } finally {
      clearTimeout(timer);
    }
  }
}

const silent = new Error("the server says nothing");

/** What ended a connection. */
function broken(url: string, error: unknown): HttpError {
  const { message, cause } = error as Error & { cause?: NodeJS.ErrnoException };
  return new HttpError(url, cause?.code ?? cause?.message ?? message, true, { cause: error });
}

const userAgent = `${toolName}/${toolVersion}`;

const request = (url: string, method: string, headers: Record<string, string>, signal: AbortSignal) =>
  // A body that the server packs would have other lengths and ranges than the file.
  fetch(url, {
    method,
    headers: { "user-agent": userAgent, "accept-encoding": "identity", ...headers },
    signal,
  });

/** The length of a body as it is read; undefined where that is not said: a server may pack what it was asked not to. */
function lengthOf({ headers }: Response): number | undefined {
  const length = headers.get("content-length");
  return length === null || isPacked(headers) ? undefined : Number(length);
}

const isPacked = (headers: Headers): boolean =>
  (headers.get("content-encoding") ?? "identity") !== "identity";

/** Where the part of a file that an answer has begins, and how long the file is: `bytes 0-99/1000`, or `bytes *\/1000`. */
function rangeOf({ headers }: Response): { readonly start?: number; readonly total?: number } {
  const [, start, total] =
    /^bytes (?:(\d+)-\d+|\*)\/(?:(\d+)|\*)$/.exec(headers.get("content-range") ?? "") ?? [];
  return {
    ...(start !== undefined && { start: Number(start) }),
    ...(total !== undefined && { total: Number(total) }),
  };
}

/** Gives an answer that has a file, or of one that was asked for by `range` a part, or (416) says that there is none. */
async function ask(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
  const answer = await request(url, "GET", headers, signal);
  const { status } = answer;
  if (headers.range === undefined ? answer.ok && status !== 206 : answer.ok || status === 416) return answer;
  await answer.body?.cancel();
  throw new HttpError(url, `HTTP ${answer.status}`, passingStatuses.includes(answer.status), {
    cause: answer,
  });
}

/** The pieces of an answer's body, each a sign of life. */
async function* piecesOf({ body }: Response, heard: () => void): AsyncGenerator<Uint8Array> {
  for await (const piece of body ?? []) {
    heard();
    yield piece;
  }
}

/** Writes the file at `url` to the local path `to`, which appears whole. @throws HttpError */
export async function downloadUrl(url: string, to: string, limits: HttpLimits = usualLimits): Promise<void> {
  const part = `${to}.part`;
  let validator: string | undefined;
  let fresh = true;
  await trying(url, limits, async ({ signal, heard }) => {
    const have =
      fresh || !validator
        ? 0
        : await stat(part).then(
            (s) => s.size,
            () => 0,
          );
    fresh = false;
    const ranged = have > 0 && validator !== undefined;
    const answer = await ask(
      url,
      ranged ? { range: `bytes=${have}-`, "if-range": validator ?? "" } : {},
      signal,
    );
    const packed = isPacked(answer.headers);
    const goesOn = answer.status === 206 && rangeOf(answer).start === have && !packed;
    if (ranged && !goesOn && answer.status !== 200) {
      await answer.body?.cancel();
      validator = undefined;
      throw new HttpError(url, "what came is not the rest of the file", true);
    }
    const tag = answer.headers.get("etag");
    validator = tag && !tag.startsWith("W/") ? tag : (answer.headers.get("last-modified") ?? undefined);
    // What was unpacked has no place from which a server could go on.
    if (packed) validator = undefined;
    const length = lengthOf(answer);
    const from = goesOn ? have : 0;
    const tooLarge = () => new HttpError(url, `it is larger than ${limits.mostBytes} bytes`, false);
    if (from + (length ?? 0) > limits.mostBytes) {
      await answer.body?.cancel();
      throw tooLarge();
    }
    const file = await open(part, goesOn ? "a" : "w");
    let came = 0;
    try {
      for await (const piece of piecesOf(answer, heard)) {
        came += piece.length;
        if (from + came > limits.mostBytes) throw tooLarge();
        await file.write(piece);
      }
    } finally {
      await file.close();
    }
    if (length !== undefined && came !== length) throw new HttpError(url, "the connection ended early", true);
  });
  await rename(part, to);
}

/** The files below an address, to be read only. A server has no list of them. */
export function openHttp(place: string, limits: HttpLimits = usualLimits): Storage {
  const urlOf = (name: string) => (name === "" ? place : `${place.replace(/\/$/, "")}/${name}`);
  const readOnly = async (): Promise<never> => {
    throw new UserError(`Nothing can be written to ${place}.`, "Write to a folder, or to an s3:// address.");
  };
  const orNothing = async <T>(work: Promise<T>): Promise<T | undefined> =>
    work.catch((error: unknown) => {
      if (error instanceof HttpError && /HTTP (404|410)/.test(error.reason)) return undefined;
      throw error;
    });

  const read = (name: string, start = 0, end?: number): Promise<Buffer | undefined> => {
    const whole = start === 0 && end === undefined;
    if (end !== undefined && end <= start) return Promise.resolve(Buffer.alloc(0));
    const headers: Record<string, string> = whole
      ? {}
      : { range: `bytes=${start}-${end === undefined ? "" : end - 1}` };
    return orNothing(
      trying(urlOf(name), limits, async ({ signal, heard }) => {
        const answer = await ask(urlOf(name), headers, signal);
        if (answer.status === 416) {
          await answer.body?.cancel();
          return Buffer.alloc(0);
        }
        if (answer.status === 206 && rangeOf(answer).start !== start) {
          await answer.body?.cancel();
          throw new HttpError(urlOf(name), "other bytes came than were asked for", false);
        }
        const pieces: Uint8Array[] = [];
        for await (const piece of piecesOf(answer, heard)) pieces.push(piece);
        const bytes = Buffer.concat(pieces);
        // A server that knows no ranges sends all.
        return !whole && answer.status === 200 ? bytes.subarray(start, end) : bytes;
      }),
    );
  };

  /** How long a file is, where a server does not say so to HEAD (or says 0 to it, as some do): by asking for its first byte. */
  const sizeByAsking = (name: string): Promise<number> =>
    trying(urlOf(name), limits, async ({ signal, heard }) => {
      const answer = await ask(urlOf(name), { range: "bytes=0-0" }, signal);
      const told = answer.status === 200 ? lengthOf(answer) : rangeOf(answer).total;
      if (told !== undefined) {
        await answer.body?.cancel();
        return told;
      }
      if (answer.status !== 200) {
        await answer.body?.cancel();
        throw new HttpError(urlOf(name), "the server does not say how long it is", false);
      }
      let bytes = 0;
      for await (const piece of piecesOf(answer, heard)) bytes += piece.length;
      return bytes;
    });

  return {
    place,
    readOnly: true,
    // biome-ignore lint/correctness/useYield: it says why it has nothing to give
    async *list() {
      throw new UserError(
        `The files below ${place} cannot be listed: a web server has no list of them.`,
        "Name them, such as https://host/{000..099}.tar, or in a table with --list.",
      );
    },
    find: (name) =>
      orNothing(
        (async () => {
          const told = await trying(urlOf(name), limits, async ({ signal }) => {
            const answer = await request(urlOf(name), "HEAD", {}, signal);
            const { status } = answer;
            if (passingStatuses.includes(status))
              throw new HttpError(urlOf(name), `HTTP ${status}`, true, { cause: answer });
            return answer.ok ? lengthOf(answer) : undefined;
          });
          return { name, bytes: told || (await sizeByAsking(name)) };
        })(),
      ),
    read,
    download: (name, to) => downloadUrl(urlOf(name), to, limits),
    async hashOf(name) {
      const bytes = await read(name);
      return bytes && hashOfContent(bytes);
    },
    put: readOnly,
    remove: readOnly,
    sweep: readOnly,
  };
}
