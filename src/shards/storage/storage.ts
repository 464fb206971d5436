/** What a place must be able to do to give inputs and to take results: a folder, a bucket, or (to read) a web server. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

/** A file in a place, by its POSIX path there. */
export interface StoredFile {
  readonly name: string;
  readonly bytes: number;
}

/** Bytes to be put: in hand, or a file's. */
export type Content = Uint8Array | { readonly file: string };

export interface Storage {
  /** The folder or address that names count from. */
  readonly place: string;
  /** Whether nothing can be put there. */
  readonly readOnly?: true;
  /** The files whose names begin with `prefix`, in no order that is promised. */
  list(prefix: string): AsyncIterable<StoredFile>;
  /** What is there by that name; undefined where nothing is. */
  find(name: string): Promise<StoredFile | undefined>;
  /** A file's bytes from `start` up to `end`, or all; undefined where there is none. */
  read(name: string, start?: number, end?: number): Promise<Buffer | undefined>;
  /** Copies a file to the local path `to`, which appears whole. @throws UserError where there is none */
  download(name: string, to: string): Promise<void>;
  /** The hash of what is there, in hexadecimal; undefined where nothing is. */
  hashOf(name: string): Promise<string | undefined>;
  /**
   * Puts a file, whole or not at all. With `ifAbsent` one that is there stays: false then. Of several that put one name at
   * once, one gets true. @throws OutputError
   */
  put(name: string, content: Content, how: { readonly ifAbsent: boolean }): Promise<boolean>;
  /** Removes a file, if it is there. @throws OutputError */
  remove(name: string): Promise<void>;
  /** Removes what writers left unfinished that were killed. Only where nobody writes. */
  sweep(): Promise<void>;
}

/** The SHA-256 of bytes or of a local file, in hexadecimal. */
export async function hashOfContent(content: Content): Promise<string> {
  const hash = createHash("sha256");
  if (content instanceof Uint8Array) return hash.update(content).digest("hex");
  for await (const piece of createReadStream(content.file)) hash.update(piece as Buffer);
  return hash.digest("hex");
}

/** A JSON file of a place; undefined where there is none, or where it is damaged. */
export async function readJson<T>(storage: Storage, name: string): Promise<T | undefined> {
  const bytes = await storage.read(name);
  return bytes && (parseJson(bytes) as T | undefined);
}

/** What a file of JSON holds; undefined where it is damaged. */
export function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}

/** Whether a value out of JSON has members by names. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether a value out of JSON counts something. */
export const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;

/** An object as a file of JSON. */
export const jsonBytes = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
