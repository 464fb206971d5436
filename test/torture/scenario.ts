/** What the torture's scenarios are made of. */

/** Numbers from 0 to 1 that a seed decides. */
export type Random = () => number;

/** What was done to the tool, and what came of it. */
export interface Figures {
  kills: number;
  signals: number;
  suspensions: number;
  fullDisks: number;
  deviceFaults: number;
  exits: number;
  /** The longest that a process lived after the last that it printed, in milliseconds. */
  slowestExit: number;
}

export interface Setting {
  readonly random: Random;
  readonly figures: Figures;
  /** A fresh folder for this round. */
  readonly folder: string;
}

/** Does something to the tool; gives what it found wrong, in sentences. */
export type Scenario = (setting: Setting) => Promise<string[]>;

export const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)];

/** mulberry32, by Tommy Ettinger: small, and good enough to choose moments. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
