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

async function ask(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
  // A body that the server packs would have other lengths and ranges than the file.
  const answer = await fetch(url, {
    headers: { "user-agent": userAgent, "accept-encoding": "identity", ...headers },
    signal,
  });
  if (answer.ok || answer.status === 416) return answer;
  await answer.body?.cancel();
  throw new HttpError(url, `HTTP ${answer.status}`, passingStatuses.includes(answer.status), {
    cause: answer,
  });
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
    const goesOn = answer.status === 206 && answer.headers.get("content-range")?.startsWith(`bytes ${have}-`);
    if (ranged && !goesOn && answer.status !== 200) {
      await answer.body?.cancel();
      validator = undefined;
      throw new HttpError(url, "what came is not the rest of the file", true);
    }
    const tag = answer.headers.get("etag");
    validator = tag && !tag.startsWith("W/") ? tag : (answer.headers.get("last-modified") ?? undefined);
    const length = answer.headers.get("content-length");
    const from = goesOn ? have : 0;
    const tooLarge = () => new HttpError(url, `it is larger than ${limits.mostBytes} bytes`, false);
    if (from + Number(length ?? 0) > limits.mostBytes) {
      await answer.body?.cancel();
      throw tooLarge();
    }
    const file = await open(part, goesOn ? "a" : "w");
    let came = 0;
    try {
      for await (const piece of answer.body ?? []) {
        heard();
        came += piece.length;
        if (from + came > limits.mostBytes) throw tooLarge();
        await file.write(piece);
      }
    } finally {
      await file.close();
    }
    if (length !== null && came !== Number(length))
      throw new HttpError(url, "the connection ended early", true);
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
      trying(urlOf(name), limits, async ({ signal }) => {
        const answer = await ask(urlOf(name), headers, signal);
        const bytes = Buffer.from(await answer.arrayBuffer());
        // A server that knows no ranges sends all.
        return !whole && answer.status === 200 ? bytes.subarray(start, end) : bytes;
      }),
    );
  };

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
        trying(urlOf(name), limits, async ({ signal }) => {
          const answer = await fetch(urlOf(name), {
            method: "HEAD",
            headers: { "user-agent": userAgent },
            signal,
          });
          const { status, headers } = answer;
          if (!answer.ok)
            throw new HttpError(urlOf(name), `HTTP ${status}`, passingStatuses.includes(status));
          return { name, bytes: Number(headers.get("content-length") ?? 0) };
        }),
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
