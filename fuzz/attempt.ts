/** One mutant: made from its seed and number, written, read, and judged. */
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { UserError } from "../src/errors.ts";
import { createDice } from "./dice.ts";
import type { Mutant, Reading, Seed, Target } from "./target.ts";

export interface Attempt {
  readonly index: number;
  readonly outcome: "accepted" | "refused" | "finding";
  /** What the typed error says with its names and numbers left out, or what was found. */
  readonly words: string;
  /** The file that was damaged, and how. */
  readonly how: string;
  /** Of the process, in milliseconds of all its threads: other programs on the machine do not count. */
  readonly cpu: number;
  /** What the process grew by at most, in bytes, above the size of the files; NaN where the system does not tell. */
  readonly memory: number;
}

export const limits = { cpu: 2000, memory: 256 * 2 ** 20 } as const;

/** A target with its seeds read, and what each of these gives unharmed, once that is asked for. */
export interface Prepared {
  readonly target: Target;
  readonly seeds: readonly Seed[];
  readonly expected: Map<string, Reading["values"]>;
}

export async function prepare(target: Target): Promise<Prepared> {
  return { target, seeds: await target.seeds(), expected: new Map() };
}

/** What the whole seed called `name` gives. @throws Error when it is refused */
async function expectedOf(
  { target, seeds, expected }: Prepared,
  name: string,
  folder: string,
): Promise<Reading["values"]> {
  const known = expected.get(name);
  if (known) return known;
  const seed = seeds.find((s) => s.name === name) as Seed;
  const { values, refusal } = await target.read(write(folder, seed));
  if (refusal) throw new Error(`the whole ${name} is refused: ${refusal.message}`);
  expected.set(name, values);
  return values;
}

/** The mutant that follows from the fuzzer's seed and a number. */
export async function mutantOf({ target, seeds }: Prepared, seed: string, index: number): Promise<Mutant> {
  const dice = createDice(`fuzz/${seed}/${target.name}/${index}`);
  let chosen = dice.pick(seeds);
  while (!dice.chance(chosen.weight ?? 1)) chosen = dice.pick(seeds);
  return { seed: chosen.name, ...(await target.mutate(chosen, dice, seeds)) };
}

/** Writes files into an emptied folder; gives the path to open. */
export function write(folder: string, { files, open }: Pick<Mutant, "files" | "open">): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of files) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
  return join(folder, open);
}

export async function attempt(
  prepared: Prepared,
  seed: string,
  index: number,
  folder: string,
): Promise<Attempt> {
  const mutant = await mutantOf(prepared, seed, index);
  const expected = await expectedOf(prepared, mutant.seed, folder);
  const path = write(folder, mutant);
  const size = [...mutant.files.values()].reduce((n, b) => n + b.length, 0);
  const before = startMeasuring();
  let outcome: Attempt["outcome"];
  let words: string;
  try {
    const reading = await prepared.target.read(path);
    const fault = faultOf(mutant, reading, expected);
    outcome = fault ? "finding" : reading.refusal ? "refused" : "accepted";
    words = fault ?? (reading.refusal ? kindOf(reading.refusal) : "");
  } catch (error) {
    outcome = "finding";
    words = error instanceof Error ? (error.stack ?? error.message) : `${error} was thrown`;
  }
  const { cpu, grown } = measured(before);
  const memory = grown - size;
  if (outcome !== "finding") {
    const over =
      cpu > (prepared.target.patience ?? limits.cpu)
        ? `${Math.round(cpu)} ms of processor time`
        : memory > limits.memory
          ? `${Math.round(memory / 2 ** 20)} MiB above the files' size`
          : (await leftOpen(folder))
            ? "a file is left open"
            : undefined;
    if (over) [outcome, words] = ["finding", over];
  }
  return { index, outcome, words, how: `${mutant.seed}: ${mutant.how}`, cpu, memory };
}

/** What is wrong with a reading, if anything is. */
function faultOf(
  mutant: Mutant,
  { values, refusal }: Reading,
  expected: Reading["values"],
): string | undefined {
  if (refusal) {
    if (!(refusal instanceof UserError) || !/\w{3}.*\w{3}/s.test(refusal.message))
      return `no typed error: ${refusal.stack}`;
    for (let cause: unknown = refusal.cause; cause instanceof Error; cause = cause.cause) {
      if (isOurBug(cause)) return `a bug of ours in the words of a typed error: ${cause.stack}`;
    }
  }
  if (mutant.promise === "any") return undefined;
  for (const [name, digest] of values) {
    if (expected.get(name) !== digest) return `${name} has other values, and no checksum was rewritten`;
  }
  if (!refusal && mutant.promise === "exact" && values.size !== expected.size) {
    return `${values.size} of ${expected.size} values are there, and no error`;
  }
  return undefined;
}

/** Whether an error of the language came out of the project's own code; what libraries throw is theirs. */
function isOurBug(error: Error): boolean {
  if (!(error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError))
    return false;
  const frames = (error.stack ?? "")
    .split("\n")
    .filter((line) => /^\s+at /.test(line) && !/node:|<anonymous>/.test(line));
  return frames.length > 0 && frames[0].includes(resolve(import.meta.dirname, "../src"));
}

/** A typed error's kind: its class, and its sentence without what changes from file to file. */
function kindOf(error: Error): string {
  const words = error.message
    .replace(/\/\S+/g, "FILE")
    .replace(/"[^"]*"/g, '"..."')
    .replace(/(tensor|entry of|names|holds the name|wants to use|opcode|called) \S+/g, "$1 ...")
    .replace(/-?\d[\d.x]*/g, "N");
  return `${error.name}: ${words.length > 90 ? `${words.slice(0, 90)}...` : words}`;
}

const self = "/proc/self";

/** How many files in `folder` this process has open. */
function openFiles(folder: string): number {
  try {
    return readdirSync(`${self}/fd`).filter((fd) => linkOf(fd).startsWith(folder)).length;
  } catch {
    return 0;
  }
}

/** A file that was closed meanwhile is none. */
function linkOf(fd: string): string {
  try {
    return readlinkSync(`${self}/fd/${fd}`);
  } catch {
    return "";
  }
}

/** Whether a file is still open after a moment for those that are being closed. */
async function leftOpen(folder: string): Promise<boolean> {
  for (let tries = 0; tries < 20 && openFiles(folder) > 0; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return openFiles(folder) > 0;
}

function residentSize(field: "VmRSS" | "VmHWM"): number {
  try {
    const kilobytes = new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`${self}/status`, "utf8"))?.[1];
    return Number(kilobytes) * 1024;
  } catch {
    return Number.NaN;
  }
}

/** Sets the system's high-water mark of memory back to what is in use (proc_pid_clear_refs(5)). */
function startMeasuring(): { cpu: NodeJS.CpuUsage; resident: number } {
  try {
    writeFileSync(`${self}/clear_refs`, "5");
  } catch {
    // The mark then is that of the whole process: no growth is missed, and one may be seen twice.
  }
  return { resident: residentSize("VmRSS"), cpu: process.cpuUsage() };
}

function measured(before: ReturnType<typeof startMeasuring>): { cpu: number; grown: number } {
  const { user, system } = process.cpuUsage(before.cpu);
  return { cpu: (user + system) / 1000, grown: residentSize("VmHWM") - before.resident };
}
