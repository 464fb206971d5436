/**
 * Images in a tar archive (a webdataset shard is one), read where they lie. Names of ustar, GNU and pax; links and devices
 * are passed over. https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
 */
import { type FileHandle, open } from "node:fs/promises";
import { UsageError } from "../errors.ts";
import { type ImageInput, type ListOptions, matcher, nameOf, sorted } from "./inputs.ts";

const block = 512;

const untilZero = (bytes: Buffer): Buffer => {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
};

/** Octal digits, or GNU's base 256 where the top bit is set. NaN for anything else. */
function numberIn(field: Buffer): number {
  if (field[0] & 0x80) return field.subarray(1).reduce((n, b) => n * 256 + b, field[0] & 0x7f);
  const digits = untilZero(field).toString("latin1").trim();
  return digits === "" ? 0 : /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}

/** The records of a pax header, "length key=value\n" each, by key. */
function paxRecords(bytes: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(bytes.toString("latin1", at, space));
    if (space < 0 || !Number.isInteger(length) || length <= space - at) break;
    const record = bytes.subarray(space + 1, at + length - 1);
    const equals = record.indexOf(0x3d);
    if (equals > 0) records.set(record.toString("latin1", 0, equals), record.subarray(equals + 1));
    at += length;
  }
  return records;
}

/** What is told of a member before its own header. */
interface Announced {
  name?: Buffer;
  size?: number;
}

/** Headers that say something of the next member are small. */
const mostAnnounced = 2 ** 20;

/**
 * The files in the archive `path` by their names, sorted by the bytes of these. Of two of one name the later counts, as
 * it would when unpacked.
 * @throws UsageError when it is no tar archive, is compressed, or was cut off.
 */
export async function listArchive(path: string, options: ListOptions = {}): Promise<ImageInput[]> {
  const refuse = (what: string, hint = "Name a folder of images, or a tar archive of them.") =>
    new UsageError(`${path} ${what}.`, hint);
  const wanted = matcher(options);
  const found = new Map<string, ImageInput>();
  const file = await open(path).catch((cause: unknown) => {
    throw refuse(`cannot be read (${(cause as NodeJS.ErrnoException).code})`);
  });
  try {
    const { size: whole } = await file.stat();
    let announced: Announced = {};
    let ended = false;
    for (let at = 0; at < whole; ) {
      const header = await read(file, at, block);
      if (at === 0 && header[0] === 0x1f && header[1] === 0x8b) {
        throw refuse("is compressed", "Images are read where they lie in an archive: gunzip it first.");
      }
      if (header.length === block && header.every((b) => b === 0)) {
        ended = true;
        break;
      }
      const sum = header.reduce((n, b, i) => n + (i >= 148 && i < 156 ? 0x20 : b), 0);
      if (header.length < block || sum !== numberIn(header.subarray(148, 156))) {
        throw refuse(at === 0 ? "is no tar archive" : "is damaged: a header's checksum is wrong");
      }
      const size = announced.size ?? numberIn(header.subarray(124, 136));
      const start = at + block;
      if (!Number.isSafeInteger(size) || start + size > whole) throw refuse("was cut off, or is damaged");
      at = start + Math.ceil(size / block) * block;
      const type = header[156] === 0 ? "0" : String.fromCharCode(header[156]);
      if ("xLg".includes(type) && size > mostAnnounced) throw refuse("is damaged: a name is too long");
      if (type === "L") {
        announced = { ...announced, name: untilZero(await read(file, start, size)) };
        continue;
      }
      if (type === "x") {
        const records = paxRecords(await read(file, start, size));
        const told = records.get("size");
        announced = {
          name: records.get("path") ?? announced.name,
          size: told ? Number(told.toString("latin1")) : announced.size,
        };
        continue;
      }
      if (type === "g") continue;
      const ustar = header.toString("latin1", 257, 262) === "ustar" && header[263] === 0x30;
      const prefix = ustar ? untilZero(header.subarray(345, 500)) : Buffer.alloc(0);
      const own = untilZero(header.subarray(0, 100));
      const plain = prefix.length > 0 ? Buffer.concat([prefix, Buffer.from("/"), own]) : own;
      const key = nameOf(announced.name ?? plain).replace(/^(\.\/)+/, "");
      announced = {};
      const hidden = key.split("/").some((part) => part.startsWith("."));
      if ((type === "0" || type === "7") && !hidden && wanted(key)) {
        found.set(key, { key, path: Buffer.from(path), part: { offset: start, size } });
      }
    }
    if (!ended) throw refuse("was cut off: its end is missing", "Copy or download it again.");
  } finally {
    await file.close();
  }
  return sorted([...found.values()]);
}

async function read(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, position);
  return bytes.subarray(0, bytesRead);
}
