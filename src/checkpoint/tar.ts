/**
 * Archives as they are published, read as a stream: gzip (several members too) around tar (ustar, GNU and pax names and
 * sizes). Only wanted members are written, those of each folder into one with a number for its name; links and devices are
 * passed over.
 */
import { bytesOfUtf8, concat, utf8 } from "../bytes.ts";
import { CheckpointError } from "../errors.ts";
import type { Files, Scratch } from "../platform/files.ts";
import {
  tarBlock as block,
  isTarSize,
  mostExtended,
  readPax,
  readTarHeader,
  sparseType,
  untilZero,
} from "../tar-header.ts";
import { damaged, openByteFile } from "./bytes.ts";
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
function createFeed(stream: AsyncIterable<Uint8Array>, path: string, packed: number) {
  const source = stream[Symbol.asyncIterator]();
  let held: Uint8Array = new Uint8Array(0);
  let total = 0;

  /** The next bytes that are there, at most `most` of them; undefined at the end. */
  async function some(most: number): Promise<Uint8Array | undefined> {
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
  async function pass(length: number, take?: (piece: Uint8Array) => Promise<void>): Promise<void> {
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

  async function exactly(length: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    await pass(length, async (piece) => void pieces.push(piece));
    return concat(pieces);
  }

  /** The next header block; undefined at the end of the stream. */
  async function header(): Promise<Uint8Array | undefined> {
    const first = await some(block);
    if (!first) return undefined;
    return first.length === block ? first : concat([first, await exactly(block - first.length)]);
  }

  /** Reads to the end, so that gzip's own checksum is verified. */
  async function drain(): Promise<void> {
    while (await some(2 ** 20));
  }

  /** Lets go of the stream. */
  const stop = async () => void (await source.return?.());

  return { pass, exactly, header, drain, stop };
}

function checkSize(size: number, path: string): void {
  if (!isTarSize(size)) throw damaged(path, "an archived file has no valid size");
}

function parseHeader(block: Uint8Array, path: string): Member {
  const { name, size, type, sum, statedSum } = readTarHeader(block);
  checkSize(statedSum, path);
  if (sum !== statedSum) throw damaged(path, "the checksum of an archived file's header is wrong");
  checkSize(size, path);
  return { name: utf8(name), size, type };
}

/** What is told of a member before its own header. */
interface Announced {
  readonly name?: string;
  readonly size?: number;
  readonly sparse?: true;
}

/** The records of a pax header that matter here. */
function parsePax(bytes: Uint8Array, path: string): Announced {
  const found = readPax(bytes);
  if (!found) throw damaged(path, "an extended header of the archive cannot be read");
  const { name, ...rest } = found;
  if (rest.size !== undefined) checkSize(rest.size, path);
  return { ...rest, ...(name && { name: utf8(name) }) };
}

/**
 * Writes the members that `wanted` takes (asked with their folder and the last part of their name) to `scratch`; gives what they are
 * called in the archive, and where they are.
 * @throws CheckpointError when the archive is damaged, truncated, or has names that lead out of it.
 */
export async function unpack(
  path: string,
  files: Files,
  scratch: Scratch,
  wanted: (folder: string, name: string) => boolean,
): Promise<Folder[]> {
  const file = await openByteFile(path, files);
  const stream = file.stream();
  const first = await file.read(0, Math.min(2, file.size));
  const zipped = first[0] === 0x1f && first[1] === 0x8b;
  const feed = createFeed(zipped ? unzipped(stream, files, path) : stream, path, file.size);
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
        if (plain.type === "L") override = { ...override, name: utf8(untilZero(bytes)) };
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
      if (base.includes("\0") || bytesOfUtf8(base).length > longestName)
        throw damaged(path, `it holds a name that no file can have (${JSON.stringify(base.slice(0, 40))})`);
      const inside = parts.slice(0, -1).filter((part) => part !== "" && part !== ".");
      const name = inside.join("/");
      if ((member.type !== "0" && member.type !== "7") || base === "" || !wanted(name, base)) {
        await feed.pass(member.size + padding);
        continue;
      }
      let into = folders.get(name);
      if (!into) {
        into = { name, path: scratch.files.join(scratch.path, String(folders.size)), files: [] };
        folders.set(name, into);
      }
      const whole = [...inside, base].join("/");
      if (taken.has(whole)) throw damaged(path, `it holds two files called ${whole}`);
      taken.add(whole);
      await writeMember(scratch, scratch.files.join(into.path, base), (take) => feed.pass(member.size, take));
      await feed.pass(padding);
      into.files.push(base);
    }
    await feed.drain();
  } catch (error) {
    throw whyNotUnpacked(error, path);
  } finally {
    await feed.stop();
    await file.close();
  }
  return [...folders.values()];
}

async function writeMember(
  scratch: Scratch,
  path: string,
  fill: (take: (piece: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  const file = await scratch.create(path);
  try {
    await fill((piece) => file.write(piece));
  } finally {
    await file.close();
  }
}

/** What zlib and browsers say of compressed data that end too early. */
const cutOff = /unexpected end of file|truncated|ended without reaching|incomplete/i;

/** What gzip packed, and in the words of this program why it cannot be unpacked. */
async function* unzipped(
  stream: AsyncIterable<Uint8Array>,
  files: Files,
  path: string,
): AsyncGenerator<Uint8Array> {
  try {
    yield* files.gunzip(stream);
  } catch (cause) {
    const { code, message } = cause as { code?: string; message: string };
    // The file itself could not be read on.
    if (code !== undefined && !code.startsWith("Z_")) throw cause;
    if (code === "Z_BUF_ERROR" || cutOff.test(message)) {
      throw new CheckpointError(
        `${path} is truncated: its compressed data ends too early.`,
        "Download it again.",
        { cause },
      );
    }
    const why = message.replace(/\.$/, "");
    throw new CheckpointError(`${path} is damaged: ${why}.`, "Download it again.", { cause });
  }
}

/** What keeps the archive `path` from being unpacked, in words where the user can mend it. */
export function whyNotUnpacked(error: unknown, path: string): unknown {
  if (error instanceof CheckpointError) return error;
  const { code } = error as { code?: string };
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
      { cause: error },
    );
  return error;
}
