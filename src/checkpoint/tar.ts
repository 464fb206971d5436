/**
 * Archives as they are published, read as a stream: gzip (several members too) around tar (ustar, GNU and pax names and
 * sizes). Only wanted members are written, those of each folder into one with a number for its name; links and devices are
 * passed over.
 */
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
import { CheckpointError } from "../errors.ts";
import {
  tarBlock as block,
  isTarSize,
  mostExtended,
  readPax,
  readTarHeader,
  sparseType,
  untilZero,
} from "../tar-header.ts";
import { damaged } from "./bytes.ts";
import type { Folder } from "./choose.ts";

/**
 * A published archive holds under a gigabyte, and weights hardly get smaller when they are packed. These stop a bomb
 * before it fills the disk: a size, and how many times its own size an archive may hold beyond a first piece.
 */
const mostBytes = 16 * 2 ** 30;
const mostExpansion = 100;
const unquestioned = 64 * 2 ** 20;

interface Member {
  readonly name: string;
  readonly size: number;
  readonly type: string;
}

/** What file systems allow, in bytes. */
const longestName = 255;

/** Hands out a stream's bytes in the pieces that are asked for. */
function createFeed(stream: AsyncIterable<Buffer>, path: string, packed: number) {
  const source = stream[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);
  let total = 0;

  /** The next bytes that are there, at most `most` of them; undefined at the end. */
  async function some(most: number): Promise<Buffer | undefined> {
    while (held.length === 0) {
      const next = await source.next();
      if (next.done) return undefined;
      held = next.value;
      total += held.length;
      if (total > mostBytes) throw damaged(path, `it unpacks to more than ${mostBytes / 2 ** 30} GiB`);
      if (total > unquestioned && total > mostExpansion * packed)
        throw damaged(path, `it unpacks to more than ${mostExpansion} times its size`);
    }
    const piece = held.subarray(0, most);
    held = held.subarray(piece.length);
    return piece;
  }

  /** Passes the next `length` bytes to `take`. */
  async function pass(length: number, take?: (piece: Buffer) => Promise<void>): Promise<void> {
    for (let left = length; left > 0; ) {
      const piece = await some(left);
      if (!piece)
        throw new CheckpointError(
          `${path} is truncated: the archive ends inside a file.`,
          "Download it again.",
        );
      await take?.(piece);
      left -= piece.length;
    }
  }

  async function exactly(length: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    await pass(length, async (piece) => void pieces.push(piece));
    return Buffer.concat(pieces);
  }

  /** The next header block; undefined at the end of the stream. */
  async function header(): Promise<Buffer | undefined> {
    const first = await some(block);
    if (!first) return undefined;
    return first.length === block ? first : Buffer.concat([first, await exactly(block - first.length)]);
  }

  /** Reads to the end, so that gzip's own checksum is verified. */
  async function drain(): Promise<void> {
    while (await some(2 ** 20));
  }

  return { pass, exactly, header, drain };
}

function checkSize(size: number, path: string): void {
  if (!isTarSize(size)) throw damaged(path, "an archived file has no valid size");
}

function parseHeader(block: Buffer, path: string): Member {
  const { name, size, type, sum, statedSum } = readTarHeader(block);
  checkSize(statedSum, path);
  if (sum !== statedSum) throw damaged(path, "the checksum of an archived file's header is wrong");
  checkSize(size, path);
  return { name: name.toString("utf8"), size, type };
}

/** What is told of a member before its own header. */
interface Announced {
  readonly name?: string;
  readonly size?: number;
  readonly sparse?: true;
}

/** The records of a pax header that matter here. */
function parsePax(bytes: Buffer, path: string): Announced {
  const found = readPax(bytes);
  if (!found) throw damaged(path, "an extended header of the archive cannot be read");
  const { name, ...rest } = found;
  if (rest.size !== undefined) checkSize(rest.size, path);
  return { ...rest, ...(name && { name: name.toString("utf8") }) };
}

/**
 * Writes the members that `wanted` takes (asked with their folder and the last part of their name) below `folder`; gives what they are called
 * in the archive, and where they are.
 * @throws CheckpointError when the archive is damaged, truncated, or has names that lead out of it.
 */
export async function unpack(
  path: string,
  folder: string,
  wanted: (folder: string, name: string) => boolean,
): Promise<Folder[]> {
  const raw = createReadStream(path, { highWaterMark: 2 ** 20 });
  const { first, size } = await readStart(path);
  const zipped = first[0] === 0x1f && first[1] === 0x8b;
  const feed = createFeed(zipped ? raw.pipe(createGunzip({ chunkSize: 2 ** 20 })) : raw, path, size);
  const folders = new Map<string, Folder & { readonly files: string[] }>();
  const taken = new Set<string>();
  try {
    let override: Announced = {};
    for (;;) {
      const h = await feed.header();
      if (!h || h.every((b) => b === 0)) break;
      const plain = parseHeader(h, path);
      const member = { ...plain, size: override.size ?? plain.size, name: override.name ?? plain.name };
      const padding = (block - (member.size % block)) % block;
      if (["x", "L", "g", "K"].includes(plain.type)) {
        if (plain.size > mostExtended) throw damaged(path, "an extended header of the archive is too long");
        const bytes = await feed.exactly(plain.size);
        await feed.pass((block - (plain.size % block)) % block);
        if (plain.type === "x") override = { ...override, ...parsePax(bytes, path) };
        if (plain.type === "L") override = { ...override, name: untilZero(bytes).toString("utf8") };
        continue;
      }
      if (override.sparse || member.type === sparseType) {
        throw new CheckpointError(
          `${path} holds ${member.name} as a sparse file.`,
          "Unpack it with tar, or pack it again without --sparse.",
        );
      }
      override = {};
      const parts = member.name.split("/");
      if (member.name.startsWith("/") || parts.includes("..")) {
        throw new CheckpointError(`${path} holds the name ${member.name}, which leads out of the archive.`);
      }
      const base = parts.at(-1) ?? "";
      if (base.includes("\0") || Buffer.byteLength(base) > longestName)
        throw damaged(path, `it holds a name that no file can have (${JSON.stringify(base.slice(0, 40))})`);
      const inside = parts.slice(0, -1).filter((part) => part !== "" && part !== ".");
      const name = inside.join("/");
      if ((member.type !== "0" && member.type !== "7") || base === "" || !wanted(name, base)) {
        await feed.pass(member.size + padding);
        continue;
      }
      let into = folders.get(name);
      if (!into) {
        into = { name, path: join(folder, String(folders.size)), files: [] };
        await mkdir(into.path);
        folders.set(name, into);
      }
      const whole = [...inside, base].join("/");
      if (taken.has(whole)) throw damaged(path, `it holds two files called ${whole}`);
      taken.add(whole);
      await writeMember(join(into.path, base), (take) => feed.pass(member.size, take));
      await feed.pass(padding);
      into.files.push(base);
    }
    await feed.drain();
  } catch (error) {
    throw explain(error, path);
  } finally {
    raw.destroy();
  }
  return [...folders.values()];
}

async function readStart(path: string): Promise<{ first: Buffer; size: number }> {
  const handle = await open(path, "r");
  try {
    const { buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return { first: buffer, size: (await handle.stat()).size };
  } finally {
    await handle.close();
  }
}

async function writeMember(
  path: string,
  fill: (take: (piece: Buffer) => Promise<void>) => Promise<void>,
): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, "wx");
    const file = handle;
    await fill(async (piece) => {
      for (let at = 0; at < piece.length; ) at += (await file.write(piece, at)).bytesWritten;
    });
  } finally {
    await handle?.close();
  }
}

function explain(error: unknown, path: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof CheckpointError) return error;
  if (code === "Z_BUF_ERROR" || /unexpected end of file/.test(message)) {
    return new CheckpointError(
      `${path} is truncated: its compressed data ends too early.`,
      "Download it again.",
      { cause: error },
    );
  }
  if (code?.startsWith("Z_"))
    return new CheckpointError(`${path} is damaged: ${message}.`, "Download it again.", { cause: error });
  if (code === "ENOSPC")
    return new CheckpointError(
      `There is no room to unpack ${path}.`,
      "Free some space, or set TMPDIR to a larger disk.",
      { cause: error },
    );
  if (code !== undefined)
    return new CheckpointError(
      `${path} cannot be unpacked (${code}).`,
      "Set TMPDIR to a folder that can be written.",
      {
        cause: error,
      },
    );
  return error;
}
