/**
 * A process that tries mutants as it is told. It says each number before it begins, with a write that is done when the
 * call returns, so that whatever ends the process ends it under a known name.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Attempt, attempt, mutantOf, type Prepared, prepare, write } from "./attempt.ts";
import type { Target } from "./target.ts";

export interface Job {
  readonly target: string;
  readonly seed: string;
  readonly from: number;
  readonly to: number;
  /** A folder for the mutants that are accepted, each in one of its own. */
  readonly keep?: string;
}

export type Said =
  | { readonly ready: true }
  | { readonly begins: number }
  | { readonly done: Attempt }
  | { readonly ended: true };

// Nothing else may come between the lines: the reports go to a pipe of their own.
const reports = 3;
const say = (said: Said) => {
  const line = Buffer.from(`${JSON.stringify(said)}\n`);
  for (let at = 0; at < line.length; ) at += writeSync(reports, line, at);
};

const [, , module_] = process.argv;
const { targets } = (await import(module_)) as { targets: readonly Target[] };
// Readers unpack archives to the temporary folder: this one is looked through for what they leave.
const home = mkdtempSync(join(tmpdir(), "fuzz-"));
process.on("exit", () => rmSync(home, { recursive: true, force: true }));
process.env.TMPDIR = join(home, "tmp");
mkdirSync(process.env.TMPDIR);
const folder = join(home, "mutant");
const prepared = new Map<string, Prepared>();

async function preparedFor(name: string): Promise<Prepared> {
  const known = prepared.get(name);
  if (known) return known;
  const target = targets.find((t) => t.name === name);
  if (!target) throw new Error(`there is no target ${name}`);
  const made = await prepare(target);
  prepared.set(name, made);
  return made;
}

async function work({ target, seed, from, to, keep }: Job): Promise<void> {
  const one = await preparedFor(target);
  for (let index = from; index < to; index++) {
    say({ begins: index });
    const done = await attempt(one, seed, index, folder);
    say({ done });
    if (keep && done.outcome !== "refused") {
      const mutant = await mutantOf(one, seed, index);
      const place = join(keep, `${target}-${seed}-${index}`);
      const path = write(place, mutant);
      // Beside its files, what they gave: scripts/differential.py asks TensorFlow for the same.
      const values =
        done.outcome === "accepted" ? Object.fromEntries((await one.target.read(path)).values) : {};
      const { open, how, promise } = mutant;
      writeFileSync(`${place}.json`, JSON.stringify({ seed: mutant.seed, open, how, promise, values }));
    }
  }
  say({ ended: true });
}

// A rejection that nobody handles, or an error in a callback, is of the mutant that was begun: it ends the process.
process.on("message", (job: Job) => void work(job));
process.on("disconnect", () => process.exit(0));
say({ ready: true });
