/**
 * Images in a tar archive (a webdataset shard is one), read where they lie. Names of ustar, GNU and pax; links are
 * followed to members of the same archive, and never out of it.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { posix } from "node:path";
import { UsageError } from "../../errors.ts";
import {
  tarBlock as block,
  isTarSize,
  mostExtended,
  type PaxRecords,
  readPax,
  readTarHeader,
  sparseType,
  untilZero,
} from "../../tar-header.ts";
import { type ImageInput, type ListOptions, matcher, nameOf, sorted } from "./inputs.ts";

/** A member that is no folder: a file by its place, or a link, or what is neither. */
type Member =
  | { readonly kind: "file"; readonly part: { readonly offset: number; readonly size: number } }
  | { readonly kind: "link"; readonly to: string }
  | { readonly kind: "fault"; readonly fault: string };

const faults: Readonly<Record<string, string>> = {
  3: "it is a device, not a file",
  4: "it is a device, not a file",
  6: "it is a pipe (FIFO), not a file",
};

/** A member's name without dots that lead nowhere. */
const keyOf = (name: Uint8Array) => nameOf(name).replace(/^(\.\/)+/, "");

/** As many links as an operating system follows. */
const mostLinks = 40;

/** What an archive's member is, links followed. */
function resolved(key: string, members: ReadonlyMap<string, Member>): Exclude<Member, { kind: "link" }> {
  let member = members.get(key);
  const first = member;
  for (let i = 0; member?.kind === "link" && i < mostLinks; i++) member = members.get(member.to);
  if (member && member.kind !== "link") return member;
  const to = first?.kind === "link" ? first.to : key;
  return {
    kind: "fault",
    fault: member
      ? "it is a link that leads in a circle"
      : `it is a link to ${to}, which is no file of the archive`,
  };
}

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
  const members = new Map<string, Member>();
  // A pipe of an archive's name would be waited for.
  const file = await open(bytes, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch((cause: unknown) => {
    throw refuse(`cannot be read (${(cause as NodeJS.ErrnoException).code})`);
  });
  try {
    const there = await file.stat();
    if (!there.isFile()) throw refuse("is no file");
    const whole = there.size;
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
      const { name, link, size: ownSize, type, sum, statedSum } = readTarHeader(header);
      if (header.length < block || sum !== statedSum) {
        throw refuse(at === 0 ? "is no tar archive" : "is damaged: a header's checksum is wrong");
      }
      const size = announced.size ?? ownSize;
      const start = at + block;
      if (!isTarSize(size) || start + size > whole) throw refuse("was cut off, or is damaged");
      at = start + Math.ceil(size / block) * block;
      if ("xLKg".includes(type) && size > mostExtended) throw refuse("is damaged: a name is too long");
      if (type === "L" || type === "K") {
        const text = untilZero(await read(file, start, size));
        announced = { ...announced, ...(type === "L" ? { name: text } : { link: text }) };
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
      const key = keyOf(announced.name ?? name);
      const to = keyOf(announced.link ?? link);
      announced = {};
      // Old programs write folders as files with a slash at the end.
      if ((type === "0" || type === "7") && !key.endsWith("/")) {
        members.set(key, { kind: "file", part: { offset: start, size } });
      } else if (type === "1") members.set(key, { kind: "link", to });
      else if (type === "2") {
        const target = posix.isAbsolute(to) ? to : posix.join(posix.dirname(key), to);
        members.set(key, { kind: "link", to: target });
      } else if (faults[type] !== undefined) members.set(key, { kind: "fault", fault: faults[type] });
    }
    if (!ended) throw refuse("was cut off: its end is missing", "Copy or download it again.");
  } finally {
    await file.close();
  }
  const isHidden = (key: string) => key.split("/").some((part) => part.startsWith("."));
  const inputs = [...members.keys()].filter((key) => !isHidden(key) && wanted(key));
  return sorted(
    inputs.map((key): ImageInput => {
      const { kind, ...found } = resolved(key, members);
      return { key, path: bytes, ...found };
    }),
  );
}

async function read(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, position);
  return bytes.subarray(0, bytesRead);
}
