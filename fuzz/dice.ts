/** Chance that can be repeated: every throw follows from a name. */
import { seededUnits } from "../src/seeded.ts";

export interface Dice {
  /** A whole number from 0 to `count` - 1. */
  below(count: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly T[]): T;
  bytes(count: number): Buffer;
}

/** The dice called `name`. */
export function createDice(name: string): Dice {
  let units = seededUnits(name, 32);
  let at = 0;
  let page = 0;
  const unit = (): number => {
    if (at === units.length) {
      units = seededUnits(`${name}/${++page}`, 256);
      at = 0;
    }
    return (units[at++] + 1) / 2;
  };
  const below = (count: number) => Math.floor(unit() * count);
  return {
    below,
    chance: (probability) => unit() < probability,
    pick: (list) => list[below(list.length)],
    bytes: (count) => Buffer.from(Uint8Array.from({ length: count }, () => below(256))),
  };
}
