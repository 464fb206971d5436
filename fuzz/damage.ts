/** Damage to bytes of any kind: what bad disks, cut downloads and people with intent do. */
import type { Dice } from "./dice.ts";

/** Another file to take pieces from, and words that mean something in the format. */
export interface Material {
  readonly donor?: Buffer;
  readonly tokens?: readonly Buffer[];
}

type Change = (bytes: Buffer, dice: Dice, material: Material) => Buffer;

/** Numbers at the borders of what fields hold. */
const numbers: readonly bigint[] = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** A varint of 64 bits, made longer than need be by `padding` bytes. */
export function varintOf(value: bigint, padding = 0): Buffer {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest >= 128n) {
    out.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  out.push(Number(rest));
  for (let i = 0; i < padding; i++) {
    out[out.length - 1] |= 128;
    out.push(0);
  }
  return Buffer.from(out);
}

/** A number worth trying: one at a border, or a small one. */
export const numberFor = (dice: Dice): bigint =>
  dice.chance(0.7) ? dice.pick(numbers) : BigInt(dice.below(300)) - 3n;

const replace = (bytes: Buffer, at: number, removed: number, put: Uint8Array): Buffer =>
  Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(Math.min(bytes.length, at + removed))]);

/** A stretch that is short more often than long. */
function stretch(length: number, dice: Dice): { at: number; count: number } {
  const at = dice.below(Math.max(1, length));
  const most = dice.chance(0.7) ? 16 : dice.chance(0.7) ? 512 : length;
  return { at, count: Math.min(length - at, 1 + dice.below(Math.max(1, most))) };
}

export const changes: Readonly<Record<string, Change>> = {
  flip(bytes, dice) {
    const out = Buffer.from(bytes);
    if (out.length > 0) out[dice.below(out.length)] ^= 1 << dice.below(8);
    return out;
  },
  set(bytes, dice) {
    const out = Buffer.from(bytes);
    if (out.length > 0) out[dice.below(out.length)] = dice.pick([0, 1, 0x7f, 0x80, 0xff, dice.below(256)]);
    return out;
  },
  number(bytes, dice) {
    const width = dice.pick([2, 4, 8]);
    if (bytes.length < width) return bytes;
    const put = Buffer.alloc(8);
    put.writeBigUInt64LE(BigInt.asUintN(64, numberFor(dice)));
    const field = put.subarray(0, width);
    if (dice.chance(0.5)) field.reverse();
    return replace(bytes, dice.below(bytes.length - width + 1), width, field);
  },
  varint(bytes, dice) {
    const put = varintOf(numberFor(dice), dice.chance(0.1) ? dice.below(6) : 0);
    return replace(bytes, dice.below(bytes.length + 1), dice.below(put.length + 1), put);
  },
  /** Numbers in text, such as shapes and sizes in octal. */
  digits(bytes, dice) {
    const runs = [...bytes.toString("latin1").matchAll(/\d+/g)];
    if (runs.length === 0) return bytes;
    const run = dice.pick(runs);
    const put = dice.pick(["0", "1", "-1", "9", "77777777777", "99999999", `${run[0]}0`, "1e9", "0.5"]);
    return replace(bytes, run.index, run[0].length, Buffer.from(put));
  },
  remove(bytes, dice) {
    const { at, count } = stretch(bytes.length, dice);
    return replace(bytes, at, count, Buffer.alloc(0));
  },
  insert(bytes, dice) {
    const put = dice.chance(0.5)
      ? dice.bytes(1 + dice.below(16))
      : Buffer.alloc(1 + dice.below(600), dice.pick([0, 0xff, 0x20]));
    return replace(bytes, dice.below(bytes.length + 1), 0, put);
  },
  repeat(bytes, dice) {
    const { at, count } = stretch(bytes.length, dice);
    const piece = bytes.subarray(at, at + count);
    const times = dice.chance(0.9)
      ? 1
      : 2 + dice.below(Math.max(1, Math.min(200, Math.floor(65536 / (count + 1)))));
    return replace(bytes, at, 0, Buffer.concat(Array<Buffer>(times).fill(piece)));
  },
  move(bytes, dice) {
    const { at, count } = stretch(bytes.length, dice);
    const piece = bytes.subarray(at, at + count);
    const rest = replace(bytes, at, count, Buffer.alloc(0));
    return replace(rest, dice.below(rest.length + 1), 0, piece);
  },
  overwrite(bytes, dice) {
    const { at, count } = stretch(bytes.length, dice);
    const out = Buffer.from(bytes);
    out.copyWithin(dice.below(Math.max(1, out.length)), at, at + count);
    return out;
  },
  fill(bytes, dice) {
    const { at, count } = stretch(bytes.length, dice);
    return Buffer.from(bytes).fill(dice.pick([0, 0xff, 0x80]), at, at + count);
  },
  splice(bytes, dice, { donor = bytes }) {
    const { at, count } = stretch(Math.floor(donor.length / 2), dice);
    return replace(
      bytes,
      dice.below(bytes.length + 1),
      dice.chance(0.5) ? count : 0,
      donor.subarray(at, at + count),
    );
  },
  token(bytes, dice, { tokens }) {
    if (!tokens) return changes.insert(bytes, dice, {});
    const put = dice.pick(tokens);
    return replace(bytes, dice.below(bytes.length + 1), dice.chance(0.5) ? put.length : 0, put);
  },
};

const names = Object.keys(changes);

/** One to four changes, mostly one; `how` says which. */
export function damage(
  bytes: Buffer,
  dice: Dice,
  material: Material = {},
): { readonly bytes: Buffer; readonly how: string } {
  const how: string[] = [];
  let out = bytes;
  for (let times = dice.chance(0.6) ? 1 : 2 + dice.below(3); times > 0; times--) {
    const name = dice.pick(names);
    out = changes[name](out, dice, material);
    how.push(name);
  }
  return { bytes: out, how: how.join("+") };
}

/** Only the first part of the bytes. */
export const cut = (bytes: Buffer, dice: Dice): Buffer =>
  Buffer.from(bytes.subarray(0, dice.below(bytes.length)));

/** A list with entries repeated, dropped or moved. */
export function shuffle<T>(list: readonly T[], dice: Dice): T[] {
  const out = [...list];
  if (out.length === 0) return out;
  const at = dice.below(out.length);
  const kind = dice.below(3);
  if (kind === 0) out.splice(dice.below(out.length + 1), 0, out[at]);
  else if (kind === 1) out.splice(at, 1);
  else out.splice(dice.below(out.length), 0, ...out.splice(at, 1));
  return out;
}

/** `list` with the entry at `at` replaced. */
export const withAt = <T>(list: readonly T[], at: number, value: T): T[] =>
  list.map((old, i) => (i === at ? value : old));
