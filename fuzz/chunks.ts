/** PNG and ZIP files taken apart and put together again with checksums that hold. */
import { crc32, deflateSync, inflateSync } from "node:zlib";
import { damage, shuffle, withAt } from "./damage.ts";
import type { Dice } from "./dice.ts";

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
}

const pngStart = 8;

function chunksOf(png: Buffer): Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = pngStart; at + 12 <= png.length; ) {
    const length = png.readUInt32BE(at);
    chunks.push({
      type: png.toString("latin1", at + 4, at + 8),
      data: png.subarray(at + 8, at + 8 + length),
    });
    at += 12 + length;
  }
  return chunks;
}

function pngOf(start: Buffer, chunks: readonly Chunk[]): Buffer {
  const parts = chunks.map(({ type, data }) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const typed = Buffer.concat([Buffer.from(type, "latin1"), data]);
    const crc = Buffer.alloc(4);
    crc.writeUInt32BE(crc32(typed));
    return Buffer.concat([length, typed, crc]);
  });
  return Buffer.concat([start, ...parts]);
}

const types = [
  "IHDR",
  "IDAT",
  "IEND",
  "PLTE",
  "tRNS",
  "iCCP",
  "eXIf",
  "tEXt",
  "zTXt",
  "acTL",
  "fcTL",
  "fdAT",
  "CgBI",
  "sRGB",
];

/** A PNG whose chunks are damaged inside, repeated, moved or renamed, each with its right checksum. */
export function damagePng(png: Buffer, dice: Dice): Buffer {
  const start = png.subarray(0, pngStart);
  const chunks = chunksOf(png);
  if (dice.chance(0.2)) return pngOf(start, shuffle(chunks, dice));
  const at = dice.chance(0.3) ? 0 : dice.below(chunks.length);
  const chunk = chunks[at];
  if (dice.chance(0.1)) return pngOf(start, withAt(chunks, at, { ...chunk, type: dice.pick(types) }));
  if (dice.chance(0.1)) {
    const made = { type: dice.pick(types), data: dice.bytes(dice.below(40)) };
    return pngOf(start, chunks.toSpliced(at, 0, made));
  }
  if (chunk.type === "IDAT" && dice.chance(0.7) && chunks.filter((c) => c.type === "IDAT").length === 1) {
    const pixels = damage(inflateSync(chunk.data), dice).bytes;
    return pngOf(start, withAt(chunks, at, { ...chunk, data: deflateSync(pixels) }));
  }
  return pngOf(start, withAt(chunks, at, { ...chunk, data: damage(chunk.data, dice).bytes }));
}

/** A ZIP with a stored member damaged in place and its checksum, in both headers, made right; one that has none, damaged anywhere. */
export function damageZip(zip: Buffer, dice: Dice): Buffer {
  const out = Buffer.from(zip);
  const found: { central: number; offset: number; content: number; size: number }[] = [];
  for (let at = out.indexOf("PK\x01\x02", 0, "latin1"); at >= 0; ) {
    const extra = at + 46 + out.readUInt16LE(at + 28) + 4;
    const wide = out.readUInt32LE(at + 24) === 0xffffffff;
    const offset = wide ? Number(out.readBigUInt64LE(extra + 16)) : out.readUInt32LE(at + 42);
    const size = wide ? Number(out.readBigUInt64LE(extra)) : out.readUInt32LE(at + 24);
    const content = offset + 30 + out.readUInt16LE(offset + 26) + out.readUInt16LE(offset + 28);
    if (out.readUInt16LE(at + 10) === 0) found.push({ central: at, offset, content, size });
    at = out.indexOf("PK\x01\x02", at + 1, "latin1");
  }
  if (found.length === 0) return damage(out, dice).bytes;
  const { central, offset, content, size } = dice.pick(found);
  const inside = out.subarray(content, content + size);
  const bent = damage(dice.chance(0.5) ? inside.subarray(0, 128) : inside, dice).bytes;
  bent.copy(inside, 0, 0, Math.min(bent.length, inside.length));
  const crc = crc32(inside);
  out.writeUInt32LE(crc, central + 16);
  out.writeUInt32LE(crc, offset + 14);
  return out;
}
