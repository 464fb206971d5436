/** Checkpoints in tar archives, zipped or not: what is around them is damaged, and what is in them. */
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { deflateRawSync, gzipSync } from "node:zlib";
import { type TarMember, tar } from "../../test/checkpoint/support.ts";
import { changes, cut, damage, shuffle, withAt } from "../damage.ts";
import type { Dice } from "../dice.ts";
import { fileOf, type Seed, type Target } from "../target.ts";
import { damageCheckpoint, readCheckpoint, smallSeeds } from "./checkpoint.ts";

const members = (seed: Seed): TarMember[] =>
  [...seed.files].map(([name, data]) => ({ name: `./${name}`, data }));

const pax = (key: string, value: string): Buffer => {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (`${length}${rest}`.length !== length) length = `${length}${rest}`.length;
  return Buffer.from(`${length}${rest}`);
};

const longName = "d/".repeat(80);
const variants: readonly (readonly [string, (seed: Seed) => Buffer])[] = [
  ["plain", (seed) => tar(members(seed))],
  ["zipped", (seed) => gzipSync(tar(members(seed)))],
  [
    "with long names",
    (seed) =>
      gzipSync(
        tar(
          members(seed).flatMap((m) => [
            { name: "././@LongLink", type: "L", data: Buffer.from(`${longName}${m.name}\0`) },
            { ...m, name: "cut" },
          ]),
        ),
      ),
  ],
  [
    "with pax names",
    (seed) =>
      tar(
        members(seed).flatMap((m) => [
          {
            name: "pax",
            type: "x",
            data: Buffer.concat([pax("path", m.name), pax("size", String(m.data?.length))]),
          },
          { ...m, name: "cut" },
        ]),
      ),
  ],
  [
    "in two parts",
    (seed) => {
      const bytes = tar(members(seed));
      return Buffer.concat([gzipSync(bytes.subarray(0, 700)), gzipSync(bytes.subarray(700))]);
    },
  ],
];

const seeds: readonly Seed[] = smallSeeds.flatMap((seed) =>
  variants.map(([how, make]) => ({
    name: `${seed.name} ${how}`,
    files: new Map([["a.tar.gz", make(seed)]]),
    open: "a.tar.gz",
    weight: seed.weight,
  })),
);

const names = [
  "../x.ckpt",
  "/tmp/x.ckpt",
  "a/../../x.ckpt",
  "x.ckpt",
  "x.ckpt.index",
  "checkpoint",
  ".",
  "",
  "x.ckpt-00000-of-00001",
  "a\0b.ckpt",
  "\u{1f512}.ckpt",
  "\\..\\x.ckpt",
];

/** Headers, sizes, types and names of members changed, with sums that hold. */
function bendMembers(list: readonly TarMember[], dice: Dice): TarMember[] {
  const at = dice.below(list.length);
  const member = list[at];
  switch (dice.below(9)) {
    case 0:
      return withAt(list, at, { ...member, type: dice.pick([..."01234567SxgLKVMN\0"]) });
    case 1:
      return withAt(list, at, { ...member, name: dice.pick(names) });
    case 2:
      return shuffle(list, dice);
    case 3: {
      const told = pax(
        dice.pick(["path", "size", "GNU.sparse.major", "GNU.sparse.realsize", "x"]),
        dice.pick([...names, "0", "99999999999999999999", "-5", "1e9"]),
      );
      const data = dice.chance(0.5) ? told : damage(told, dice).bytes;
      return list.toSpliced(at, 0, { name: "pax", type: dice.pick(["x", "g"]), data });
    }
    case 4:
      return list.toSpliced(at, 0, {
        name: "long",
        type: dice.pick(["L", "K"]),
        data: Buffer.from(dice.pick(names)),
      });
    case 5:
      return withAt(list, at, { ...member, data: gzipSync(member.data ?? Buffer.alloc(0)) });
    case 6:
      return withAt(list, at, { ...member, data: tar(list) });
    case 7:
      return [...list, { name: `${dice.below(3)}.ckpt`, data: fileOf(dice.pick(smallSeeds).files) }];
    default:
      return withAt(list, at, { ...member, data: damage(member.data ?? Buffer.alloc(0), dice).bytes });
  }
}

/** The header at `at` changed, and its sum made right. */
function bendHeader(archive: Buffer, dice: Dice): Buffer {
  const out = Buffer.from(archive);
  const at = 512 * dice.below(Math.min(4, Math.floor(out.length / 512)));
  const header = out.subarray(at, at + 512);
  const field = dice.pick([
    [0, 100],
    [124, 12],
    [156, 1],
    [257, 8],
    [345, 155],
    [0, 512],
  ] as const);
  const part = header.subarray(field[0], field[0] + field[1]);
  damage(part, dice, { tokens: names.map((n) => Buffer.from(n)) }).bytes.copy(part, 0, 0, part.length);
  header.fill(" ", 148, 156);
  const sum = header.reduce((n, b) => n + b, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return out;
}

/** A zip of gzip around bytes that deflate a thousandfold. */
const bomb = (dice: Dice): Buffer => {
  const size = 2 ** 20 * (1 + dice.below(100));
  return gzipSync(tar([{ name: dice.pick(["m.ckpt", "other"]), data: Buffer.alloc(size) }]), { level: 9 });
};

export const archive: Target = {
  name: "archive",
  seeds: async () => seeds,
  mutate(seed, dice) {
    const whole = fileOf(seed.files);
    const inner = smallSeeds.find((s) => seed.name.startsWith(s.name)) as Seed;
    const files = (bytes: Buffer) => new Map([["a.tar.gz", bytes]]);
    const zip = (bytes: Buffer) => (dice.chance(0.5) ? gzipSync(bytes, { level: 1 }) : bytes);
    const open = "a.tar.gz";
    switch (dice.below(8)) {
      case 0:
        return { files: files(cut(whole, dice)), open, how: "cut", promise: "exact" };
      case 1: {
        const { bytes, how } = damage(whole, dice, { donor: fileOf(dice.pick(seeds).files) });
        return { files: files(bytes), open, how, promise: "exact" };
      }
      case 2:
        return {
          files: files(zip(bendHeader(tar(members(inner)), dice))),
          open,
          how: "header",
          promise: "any",
        };
      case 3:
      case 4: {
        const list = bendMembers(members(inner), dice);
        return { files: files(zip(tar(list, dice.chance(0.8)))), open, how: "members", promise: "any" };
      }
      case 5: {
        if (dice.chance(0.97)) {
          const harmed = damageCheckpoint(inner, dice, smallSeeds);
          const list = [...harmed.files].map(([name, data]) => ({ name, data }));
          return { files: files(zip(tar(list))), open, how: harmed.how, promise: harmed.promise };
        }
        return { files: files(bomb(dice)), open, how: "bomb", promise: "any" };
      }
      case 6: {
        const packed = gzipSync(tar(members(inner)), { level: 1 });
        const header = packed.subarray(0, 10);
        const bent = damage(deflateRawSync(tar(members(inner)), { level: dice.below(10) }), dice).bytes;
        return {
          files: files(Buffer.concat([header, bent, packed.subarray(-8)])),
          open,
          how: "deflate",
          promise: "exact",
        };
      }
      default: {
        const bent = changes.flip(gzipSync(damage(tar(members(inner)), dice).bytes, { level: 1 }), dice, {});
        return { files: files(bent), open, how: "tar, zipped, flipped", promise: "any" };
      }
    }
  },
  async read(path) {
    const reading = await readCheckpoint(path);
    const left = readdirSync(tmpdir()).filter((name) => name.startsWith("checkpoint-"));
    if (left.length > 0) throw new Error(`${left.join(", ")} was left in the temporary folder`);
    return reading;
  },
};
