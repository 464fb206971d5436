/** What is fuzzed: a reader, files that it reads, and ways to damage them. */
import { createHash } from "node:crypto";
import type { Dice } from "./dice.ts";

/** Files that a reader is given, by their names in one folder. */
export type Files = ReadonlyMap<string, Buffer>;

export interface Mutant {
  readonly files: Files;
  /** The name that the reader is given; "" is the folder itself. */
  readonly open: string;
  /** The file that was damaged, and how. */
  readonly seed: string;
  readonly how: string;
  /**
   * What may come besides a typed error: the values of the seed where its checksums still stand for them (`exact`); its
   * first values where it was only cut off and the format counts nothing (`prefix`); anything that is well formed.
   */
  readonly promise: "exact" | "prefix" | "any";
}

/** What a reader gave: a digest of each value by name, and the error that stood in place of others. */
export interface Reading {
  readonly values: ReadonlyMap<string, string>;
  readonly refusal?: Error;
}

export interface Target {
  readonly name: string;
  /** In milliseconds of processor time, where it is not the limit of all. */
  readonly patience?: number;
  /** The whole files, each with what it must give; read once, before anything is damaged. */
  readonly seeds: () => Promise<readonly Seed[]>;
  mutate(
    seed: Seed,
    dice: Dice,
    seeds: readonly Seed[],
  ): Omit<Mutant, "seed"> | Promise<Omit<Mutant, "seed">>;
  /** Reads everything. @throws only what is a finding: typed errors belong into the reading */
  read(path: string): Promise<Reading>;
}

export interface Seed {
  readonly name: string;
  readonly files: Files;
  readonly open: string;
  /** How often it is taken, against 1. */
  readonly weight?: number;
}

/** Bytes in a name of their own. */
export const digestOf = (...parts: readonly (string | Uint8Array)[]): string => {
  const hash = createHash("sha1");
  for (const part of parts) hash.update(part).update("\0");
  return hash.digest("base64");
};

/** The only file of a seed that has one, or the one whose name ends so. */
export function fileOf(files: Files, ending = ""): Buffer {
  const found = [...files].find(([name]) => name.endsWith(ending));
  if (!found) throw new Error(`no file ends with ${ending}`);
  return found[1];
}
