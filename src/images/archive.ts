/**
 * Images in a tar archive (a webdataset shard is one), read where they lie. Names of ustar, GNU and pax; links and devices
 * are passed over.
 */
import { type FileHandle, open } from "node:fs/promises";
import { UsageError } from "../errors.ts";
import {
  tarBlock as block,
  isTarSize,
  mostExtended,
  type PaxRecords,
  readPax,
  readTarHeader,
  sparseType,
  untilZero,
} from "../tar-header.ts";
import { type ImageInput, type ListOptions, matcher, nameOf, sorted } from "./inputs.ts";

/**
 * The files in the archive `path` by their names, sorted by the bytes of these. Of two of one name the later counts, as
 * it would when unpacked.
 * @throws UsageError when it is no tar archive, is compressed, or was cut off.
 */
export async function listArchive(
  path: string | Uint8Array,
  options: ListOptions = {},
): Promise<ImageInput[]> {
  const bytes = Buffer.from(path as string);
  const shown = nameOf(bytes);
  const refuse = (what: string, hint = "Name a folder of images, or a tar archive of them.") =>
    new UsageError(`${shown} ${what}.`, hint);
  const wanted = matcher(options);
  const found = new Map<string, ImageInput>();
  const file = await open(bytes).catch((cause: unknown) => {
    throw refuse(`cannot be read (${(cause as NodeJS.ErrnoException).code})`);
  });
  try {
    const { size: whole } = await file.stat();
    let announced: PaxRecords = {};
    let ended = false;
    for (let at = 0; at < whole; ) {
      const header = await read(file, at, block);
      if (at === 0 && header[0] === 0x1f && header[1] === 0x8b) {
        throw refuse(
          "is compressed",
          `Images are read where they lie in an archive. Unpack it first: gunzip -k ${shown}`,
        );
      }
      if (header.length === block && header.every((b) => b === 0)) {
        ended = true;
        break;
      }
      const { name, size: ownSize, type, sum, statedSum } = readTarHeader(header);
      if (header.length < block || sum !== statedSum) {
        throw refuse(at === 0 ? "is no tar archive" : "is damaged: a header's checksum is wrong");
      }
      const size = announced.size ?? ownSize;
      const start = at + block;
      if (!isTarSize(size) || start + size > whole) throw refuse("was cut off, or is damaged");
      at = start + Math.ceil(size / block) * block;
      if ("xLg".includes(type) && size > mostExtended) throw refuse("is damaged: a name is too long");
      if (type === "L") {
        announced = { ...announced, name: untilZero(await read(file, start, size)) };
        continue;
      }
      if (type === "x") {
        const told = readPax(await read(file, start, size));
        if (!told) throw refuse("is damaged: an extended header cannot be read");
        announced = { ...announced, ...told };
        continue;
      }
      if (type === "g") continue;
      if (announced.sparse || type === sparseType)
        throw refuse("holds a sparse file", "Pack it again without --sparse, or name a folder of images.");
      const key = nameOf(announced.name ?? name).replace(/^(\.\/)+/, "");
      announced = {};
      const hidden = key.split("/").some((part) => part.startsWith("."));
      if ((type === "0" || type === "7") && !hidden && wanted(key)) {
        found.set(key, { key, path: bytes, part: { offset: start, size } });
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
