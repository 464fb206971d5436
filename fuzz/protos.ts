/** Protocol buffers taken apart and put together again, so that damage inside keeps the lengths around it right. */
import { damage, type Material, numberFor, shuffle, varintOf, withAt } from "./damage.ts";
import type { Dice } from "./dice.ts";

type Node =
  | { readonly tag: bigint; readonly varint: bigint }
  | { readonly tag: bigint; readonly fixed: Buffer }
  | { readonly tag: bigint; readonly bytes: Buffer }
  | { readonly tag: bigint; readonly message: readonly Node[] };

function readVarint(bytes: Buffer, at: number): { value: bigint; next: number } | undefined {
  let value = 0n;
  for (let i = 0; i < 10 && at + i < bytes.length; i++) {
    value |= BigInt(bytes[at + i] & 127) << BigInt(7 * i);
    if (bytes[at + i] < 128) return { value, next: at + i + 1 };
  }
  return undefined;
}

/** The fields, with those that read as messages taken apart too; undefined for bytes that are none. */
function parse(bytes: Buffer, depth = 0): Node[] | undefined {
  const nodes: Node[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = readVarint(bytes, at);
    if (!tag || tag.value < 8n || tag.value > 1000n) return undefined;
    at = tag.next;
    const wire = Number(tag.value & 7n);
    if (wire === 0) {
      const number = readVarint(bytes, at);
      if (!number) return undefined;
      nodes.push({ tag: tag.value, varint: number.value });
      at = number.next;
    } else if (wire === 2) {
      const length = readVarint(bytes, at);
      if (!length || length.value > BigInt(bytes.length - length.next)) return undefined;
      const end = length.next + Number(length.value);
      const inner = bytes.subarray(length.next, end);
      const message = depth < 6 && inner.length < 4096 ? parse(inner, depth + 1) : undefined;
      nodes.push(message ? { tag: tag.value, message } : { tag: tag.value, bytes: inner });
      at = end;
    } else {
      const width = wire === 1 ? 8 : wire === 5 ? 4 : 0;
      if (width === 0 || at + width > bytes.length) return undefined;
      nodes.push({ tag: tag.value, fixed: bytes.subarray(at, at + width) });
      at += width;
    }
  }
  return nodes;
}

function encode(nodes: readonly Node[]): Buffer {
  const parts: Buffer[] = [];
  for (const node of nodes) {
    parts.push(varintOf(node.tag));
    if ("varint" in node) parts.push(varintOf(node.varint));
    else if ("fixed" in node) parts.push(node.fixed);
    else {
      const inner = "message" in node ? encode(node.message) : node.bytes;
      parts.push(varintOf(BigInt(inner.length)), inner);
    }
  }
  return Buffer.concat(parts);
}

function change(nodes: readonly Node[], dice: Dice, material: Material): Node[] {
  if (nodes.length === 0 || dice.chance(0.15)) {
    const made: Node = { tag: BigInt(8 * (1 + dice.below(17))), varint: numberFor(dice) };
    return [...nodes, made];
  }
  if (dice.chance(0.15)) return shuffle(nodes, dice);
  const at = dice.below(nodes.length);
  const node = nodes[at];
  if (dice.chance(0.1)) return withAt(nodes, at, { ...node, tag: BigInt(8 + dice.below(160)) });
  if ("message" in node)
    return withAt(nodes, at, { tag: node.tag, message: change(node.message, dice, material) });
  if ("varint" in node) return withAt(nodes, at, { tag: node.tag, varint: numberFor(dice) });
  if ("fixed" in node) return withAt(nodes, at, { tag: node.tag, fixed: dice.bytes(node.fixed.length) });
  return withAt(nodes, at, { tag: node.tag, bytes: damage(node.bytes, dice, material).bytes });
}

/** A message with one field, however deep, changed, added, moved, repeated or dropped. */
export function damageMessage(bytes: Buffer, dice: Dice, material: Material = {}): Buffer {
  const nodes = parse(bytes);
  return nodes ? encode(change(nodes, dice, material)) : damage(bytes, dice, material).bytes;
}

/** A message's number fields by their number, for those that stand once. */
export function numbersIn(bytes: Buffer): ReadonlyMap<number, number> {
  const found = new Map<number, number>();
  for (const node of parse(bytes) ?? []) {
    if ("varint" in node) found.set(Number(node.tag >> 3n), Number(node.varint));
  }
  return found;
}

/** The message with its four-byte field `number` set to `value`. */
export function withFixed32(bytes: Buffer, number: number, value: number): Buffer {
  const fixed = Buffer.alloc(4);
  fixed.writeUInt32LE(value);
  const tag = BigInt(8 * number + 5);
  const nodes = parse(bytes);
  return nodes ? encode(nodes.map((node) => (node.tag === tag ? { tag, fixed } : node))) : bytes;
}
