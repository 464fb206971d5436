/** Sorted tables taken apart into blocks and records and put together again with checksums that hold. */
import { crc32c, maskCrc } from "../src/checkpoint/crc32c.ts";
import { footerSize, tableMagic } from "../src/checkpoint/sstable.ts";
import { changes, damage, type Material, numberFor, shuffle, varintOf, withAt } from "./damage.ts";
import type { Dice } from "./dice.ts";
import { damageMessage } from "./protos.ts";

export interface Record_ {
  readonly key: Buffer;
  readonly value: Buffer;
}

interface Block {
  /** The key that the index holds for it. */
  readonly separator: Buffer;
  /** As stored: compressed where `kind` is 1. */
  readonly content: Buffer;
  readonly kind: number;
}

const u32 = (value: number): Buffer => {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value >>> 0);
  return out;
};

/** Reads what is right; damage is made afterwards. */
function recordsOf(block: Buffer): Record_[] {
  const end = block.length - 4 * (block.readUInt32LE(block.length - 4) + 1);
  const records: Record_[] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = block[at++];
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < end) {
    const [shared, unshared, length] = [varint(), varint(), varint()];
    const key = Buffer.concat([
      (records.at(-1)?.key ?? Buffer.alloc(0)).subarray(0, shared),
      block.subarray(at, at + unshared),
    ]);
    at += unshared;
    records.push({ key, value: block.subarray(at, at + length) });
    at += length;
  }
  return records;
}

function blockOf(records: readonly Record_[], interval: number): Buffer {
  const parts: Buffer[] = [];
  const restarts: number[] = [];
  let length = 0;
  records.forEach(({ key, value }, i) => {
    const last = i % interval === 0 ? Buffer.alloc(0) : records[i - 1].key;
    if (i % interval === 0) restarts.push(length);
    let shared = 0;
    while (shared < Math.min(last.length, key.length) && last[shared] === key[shared]) shared++;
    const sizes = [shared, key.length - shared, value.length].map((n) => varintOf(BigInt(n)));
    const part = Buffer.concat([...sizes, key.subarray(shared), value]);
    parts.push(part);
    length += part.length;
  });
  if (restarts.length === 0) restarts.push(0);
  return Buffer.concat([...parts, ...restarts.map(u32), u32(restarts.length)]);
}

const handleAt = (bytes: Buffer, at: number): { offset: number; size: number; next: number } => {
  const read = (from: number) => {
    let value = 0;
    for (let scale = 1, i = from; ; i++, scale *= 128) {
      value += (bytes[i] & 127) * scale;
      if (bytes[i] < 128) return { value, next: i + 1 };
    }
  };
  const offset = read(at);
  const size = read(offset.next);
  return { offset: offset.value, size: size.value, next: size.next };
};

/** The blocks of a whole table, uncompressed as TensorFlow's own are. */
export function blocksOf(table: Buffer): Block[] {
  const footer = table.subarray(table.length - footerSize);
  const { offset, size } = handleAt(footer, handleAt(footer, 0).next);
  return recordsOf(table.subarray(offset, offset + size)).map(({ key, value }) => {
    const at = handleAt(value, 0);
    return {
      separator: key,
      content: table.subarray(at.offset, at.offset + at.size),
      kind: table[at.offset + at.size],
    };
  });
}

export const allRecords = (table: Buffer): Record_[] => blocksOf(table).flatMap((b) => recordsOf(b.content));

/** Blocks as a file. `bend` may change the content of the index block. */
function assemble(blocks: readonly Block[], bend: (index: Buffer) => Buffer = (b) => b): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  const add = (content: Buffer, kind: number): Buffer => {
    const typed = Buffer.concat([content, Buffer.from([kind])]);
    parts.push(typed, u32(maskCrc(crc32c(typed))));
    const handle = Buffer.concat([varintOf(BigInt(at)), varintOf(BigInt(content.length))]);
    at += typed.length + 4;
    return handle;
  };
  const index = blocks.map(({ separator, content, kind }) => ({ key: separator, value: add(content, kind) }));
  const meta = add(blockOf([], 1), 0);
  const handles = Buffer.concat([meta, add(bend(blockOf(index, 1)), 0)]);
  return Buffer.concat([...parts, handles, Buffer.alloc(Math.max(0, 40 - handles.length)), tableMagic]);
}

/** Records as a file of blocks of about `size` bytes. */
export function tableOf(records: readonly Record_[], size = 4096): Buffer {
  const blocks: Block[] = [];
  let open: Record_[] = [];
  let length = 0;
  const close = () => {
    const last = open.at(-1);
    if (last) blocks.push({ separator: last.key, content: blockOf(open, 16), kind: 0 });
    open = [];
    length = 0;
  };
  for (const record of records) {
    open.push(record);
    length += record.key.length + record.value.length;
    if (length >= size) close();
  }
  close();
  return assemble(blocks);
}

/** Snappy, plainly: literals, and copies of what stood 1 to 64 bytes before. */
export function snappy(bytes: Buffer): Buffer {
  const parts: Buffer[] = [varintOf(BigInt(bytes.length))];
  let literal = 0;
  const flush = (end: number) => {
    for (let at = literal; at < end; at += 60) {
      const piece = bytes.subarray(at, Math.min(end, at + 60));
      parts.push(Buffer.from([(piece.length - 1) << 2]), piece);
    }
  };
  for (let at = 1; at < bytes.length; ) {
    let best = 0;
    let from = 0;
    for (let offset = 1; offset <= Math.min(at, 64); offset++) {
      let n = 0;
      while (n < 64 && at + n < bytes.length && bytes[at + n] === bytes[at + n - offset]) n++;
      if (n > best) [best, from] = [n, offset];
    }
    if (best < 4) at++;
    else {
      flush(at);
      parts.push(Buffer.from([((best - 1) << 2) | 2, from, 0]));
      at += best;
      literal = at;
    }
  }
  flush(bytes.length);
  return Buffer.concat(parts);
}

const damageBlock = (block: Block, dice: Dice, material: Material): Block => {
  const kind = dice.below(10);
  if (kind === 0) return { ...block, kind: dice.below(3) };
  if (kind === 1) return { ...block, separator: damage(block.separator, dice).bytes };
  if (kind <= 4 && block.kind === 0 && block.content.length < 20_000) {
    const packed = snappy(block.content);
    return { ...block, content: kind === 2 ? packed : damage(packed, dice).bytes, kind: 1 };
  }
  return { ...block, content: damage(block.content, dice, material).bytes };
};

/** One record changed, or records repeated, dropped and moved. */
function damageRecords(records: readonly Record_[], dice: Dice, material: Material): Record_[] {
  if (records.length === 0 || dice.chance(0.1)) return shuffle(records, dice);
  const at = dice.below(Math.min(records.length, dice.chance(0.4) ? 2 : records.length));
  const { key, value } = records[at];
  if (dice.chance(0.15)) return withAt(records, at, { key: damage(key, dice, material).bytes, value });
  if (dice.chance(0.1)) return withAt(records, at, { key, value: dice.pick(records).value });
  return withAt(records, at, { key, value: damageMessage(value, dice, material) });
}

/** A table that is damaged inside, with every block's checksum right. */
export function damageTable(
  table: Buffer,
  dice: Dice,
  material: Material = {},
): { bytes: Buffer; how: string } {
  const kind = dice.below(10);
  if (kind <= 4) {
    const records = damageRecords(allRecords(table), dice, material);
    if (dice.chance(0.5)) records.sort((a, b) => Buffer.compare(a.key, b.key));
    return { bytes: tableOf(records, dice.pick([64, 4096, 262144])), how: "records" };
  }
  const blocks = blocksOf(table);
  if (kind === 5) return { bytes: assemble(shuffle(blocks, dice)), how: "order of blocks" };
  if (kind === 6)
    return { bytes: assemble(blocks, (index) => damage(index, dice).bytes), how: "index block" };
  if (kind === 7) {
    const bytes = Buffer.from(table);
    const footer = Buffer.concat([0, 1, 2, 3].map(() => varintOf(numberFor(dice)))).subarray(0, 40);
    footer.copy(bytes, bytes.length - footerSize);
    return { bytes: dice.chance(0.5) ? bytes : changes.flip(table, dice, {}), how: "footer" };
  }
  const at = dice.below(blocks.length);
  return { bytes: assemble(withAt(blocks, at, damageBlock(blocks[at], dice, material))), how: "block" };
}
