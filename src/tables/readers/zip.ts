/**
 * ZIP archives: the directory at the end, and members stored or deflated, with ZIP64 where sizes need it. Whoever reads a
 * member to its end has its checksum verified. https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
import { type FileHandle, open } from "node:fs/promises";
import { pipeline } from "node:stream";
import { crc32, createInflateRaw } from "node:zlib";

export interface ZipMember {
  readonly name: string;
  /** In bytes, unpacked. */
  readonly size: number;
  /** As many bytes at once are held in memory, at most: deflate can make a thousand of one. */
  readonly most: number;
}

export interface MemberReader {
  /** The next `length` bytes. */
  take(length: number): Promise<Buffer>;
  /** Verifies that this was all, and its checksum. */
  end(): Promise<void>;
}

export interface ZipFile {
  readonly members: readonly ZipMember[];
  read(member: ZipMember): Promise<MemberReader>;
  close(): Promise<void>;
}

/** What is wrong with an archive, as a clause. */
export class ZipFault extends Error {}

interface Entry extends ZipMember {
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly offset: number;
}

const signature = {
  local: 0x04034b50,
  central: 0x02014b50,
  end: 0x06054b50,
  end64: 0x06064b50,
  locator: 0x07064b50,
};
const methods = { stored: 0, deflated: 8 };
const full = 0xffffffff;
const endBytes = 22;
const mostComment = 0xffff;
const mostDirectory = 2 ** 20;
const encrypted = 1;

/** Opens an archive and reads its directory. @throws ZipFault, and what the system throws */
export async function openZip(path: string): Promise<ZipFile> {
  const file = await open(path);
  try {
    const { size: whole } = await file.stat();
    const read = async (position: number, length: number): Promise<Buffer> => {
      const bytes = Buffer.alloc(position >= 0 && position + length <= whole ? length : 0);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, position);
      if (bytesRead !== length) throw new ZipFault("it ends too early");
      return bytes;
    };
    const { start, length } = await directoryOf(whole, read);
    const entries = entriesIn(await read(start, length));
    const readers: Bytes[] = [];
    return {
      members: entries,
      async read({ name }) {
        const entry = entries.find((e) => e.name === name);
        if (!entry) throw new ZipFault(`it has no member ${name}`);
        const at = await contentOf(entry, read);
        const bytes = entry.method === methods.stored ? stored(read, at, entry) : inflated(file, at, entry);
        readers.push(bytes);
        return checked(entry, bytes);
      },
      async close() {
        for (const bytes of readers) await bytes.stop();
        await file.close();
      },
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

type Read = (position: number, length: number) => Promise<Buffer>;

/** Where the directory lies: said at the end of the archive, before a comment, and for ZIP64 by a record before that. */
async function directoryOf(whole: number, read: Read): Promise<{ start: number; length: number }> {
  const tailBytes = Math.min(whole, endBytes + mostComment);
  const tail = await read(whole - tailBytes, tailBytes);
  let at = tail.length - endBytes;
  const isEnd = () =>
    tail.readUInt32LE(at) === signature.end && tail.readUInt16LE(at + 20) === tail.length - at - endBytes;
  while (at >= 0 && !isEnd()) at--;
  if (at < 0) throw new ZipFault("the end of a ZIP archive is missing");
  const end = whole - tailBytes + at;
  let [length, start, until] = [tail.readUInt32LE(at + 12), tail.readUInt32LE(at + 16), end];
  if (start === full || length === full || tail.readUInt16LE(at + 10) === 0xffff) {
    const locator = await read(end - 20, 20);
    until = Number(locator.readBigUInt64LE(8));
    const end64 = await read(until, 56);
    if (locator.readUInt32LE() !== signature.locator || end64.readUInt32LE() !== signature.end64)
      throw new ZipFault("the end of a ZIP archive is damaged");
    [length, start] = [Number(end64.readBigUInt64LE(40)), Number(end64.readBigUInt64LE(48))];
  }
  if (start + length !== until) throw new ZipFault("its directory is not where it should be");
  if (length > mostDirectory) throw new ZipFault("its directory is too long");
  return { start, length };
}

function entriesIn(directory: Buffer): Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at < directory.length; ) {
    const damaged = new ZipFault("its directory is damaged");
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== signature.central) throw damaged;
    const nameEnd = at + 46 + directory.readUInt16LE(at + 28);
    const extraEnd = nameEnd + directory.readUInt16LE(at + 30);
    const next = extraEnd + directory.readUInt16LE(at + 32);
    if (next > directory.length) throw damaged;
    const wide = wideFields(directory.subarray(nameEnd, extraEnd));
    /** A field of 32 bits, or the next one of the 64 that stand in for those that are full. */
    const field = (position: number): number => {
      const narrow = directory.readUInt32LE(at + position);
      if (narrow !== full) return narrow;
      const value = wide.shift();
      if (value === undefined) throw damaged;
      return value;
    };
    const [size, packed, offset] = [field(24), field(20), field(42)];
    const method = directory.readUInt16LE(at + 10);
    const name = directory.toString("utf8", at + 46, nameEnd);
    if (entries.some((entry) => entry.name === name)) throw new ZipFault(`it has two members ${name}`);
    entries.push({
      name,
      size,
      packed,
      offset,
      method,
      crc: directory.readUInt32LE(at + 16),
      most: method === methods.stored ? size : Math.max(2 ** 26, 100 * packed),
    });
    at = next;
  }
  return entries;
}

/** The sizes and places of 64 bits among a member's extra fields. */
function wideFields(extra: Buffer): number[] {
  for (let at = 0; at + 4 <= extra.length; ) {
    const length = extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === 1 && at + 4 + length <= extra.length)
      return Array.from({ length: length >> 3 }, (_, i) => Number(extra.readBigUInt64LE(at + 4 + 8 * i)));
    at += 4 + length;
  }
  return [];
}

/** Where a member's bytes begin, behind the header that repeats what the directory says of it. */
async function contentOf({ name, offset, method }: Entry, read: Read): Promise<number> {
  const local = await read(offset, 30);
  const nameBytes = local.readUInt16LE(26);
  const own = (await read(offset + 30, nameBytes)).toString("utf8");
  if (local.readUInt32LE() !== signature.local || own !== name || local.readUInt16LE(8) !== method)
    throw new ZipFault(`the member ${name} is not where the directory says`);
  if (local.readUInt16LE(6) & encrypted) throw new ZipFault(`the member ${name} is encrypted`);
  if (method !== methods.stored && method !== methods.deflated)
    throw new ZipFault(`the member ${name} is packed by a method that is not read (${method})`);
  return offset + 30 + nameBytes + local.readUInt16LE(28);
}

/** A member's bytes, unpacked. */
interface Bytes {
  /** As many as are asked for; fewer at the end. */
  next(length: number): Promise<Buffer>;
  stop(): Promise<void>;
}

function stored(read: Read, start: number, { packed }: Entry): Bytes {
  let at = 0;
  return {
    async next(length) {
      const bytes = await read(start + at, Math.min(length, packed - at));
      at += bytes.length;
      return bytes;
    },
    async stop() {},
  };
}

function inflated(file: FileHandle, start: number, { packed, name }: Entry): Bytes {
  const source = file.createReadStream({ start, end: start + Math.max(1, packed) - 1, autoClose: false });
  // What goes wrong in the pipe comes to whoever reads from it.
  const pipe = pipeline(source, createInflateRaw(), () => {});
  const chunks: AsyncIterator<Buffer> = pipe[Symbol.asyncIterator]();
  let ready: Buffer = Buffer.alloc(0);
  return {
    async next(length) {
      const parts = [ready];
      for (let have = ready.length; have < length; ) {
        const chunk = await chunks.next().catch(() => {
          throw new ZipFault(`the member ${name} cannot be unpacked`);
        });
        if (chunk.done) break;
        parts.push(chunk.value);
        have += chunk.value.length;
      }
      const all = Buffer.concat(parts);
      ready = all.subarray(length);
      return all.subarray(0, length);
    },
    async stop() {
      await chunks.return?.();
    },
  };
}

function checked({ name, size, crc }: Entry, bytes: Bytes): MemberReader {
  let taken = 0;
  let sum = 0;
  return {
    async take(length) {
      const part = taken + length <= size ? await bytes.next(length) : undefined;
      if (part?.length !== length) throw new ZipFault(`the member ${name} ends too early`);
      taken += length;
      sum = crc32(part, sum);
      return part;
    },
    async end() {
      if (taken !== size || (await bytes.next(1)).length > 0)
        throw new ZipFault(`the member ${name} is longer than it says`);
      if (sum !== crc) throw new ZipFault(`the checksum of ${name} is wrong`);
    },
  };
}
