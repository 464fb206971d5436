/**
 * `npm run fuzz -- --minutes N --seed S`: tries damaged files on every reader of the project. Prints what became of them,
 * and ends with 1 when one ended otherwise than in right values or in a typed error, within the limits.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { limits } from "./attempt.ts";
import { type Counts, type FuzzOptions, fuzz, type Tally } from "./run.ts";
import { targets } from "./targets/index.ts";

const usage = `npm run fuzz -- [options]
  --minutes N       how long (default 1)
  --count N         how many mutants instead, of all targets together
  --seed S          which mutants (default 1); the same seed gives the same ones
  --first N         the number of the first (default 0)
  --target NAME     one of ${targets.map((t) => t.name).join(", ")} (default: all in turn but library, which is slow)
  --workers N       processes (default: one a core)
  --replay S:INDEX  one mutant again, with --target
  --keep DIR        keeps the mutants that are accepted, and the findings, in this folder`;

const text = { type: "string" } as const;
const { values, tokens } = parseArgs({
  tokens: true,
  options: {
    minutes: text,
    count: text,
    seed: text,
    first: text,
    target: text,
    workers: text,
    replay: text,
    keep: text,
    help: { type: "boolean" },
  },
});

function refuse(words: string): never {
  console.error(`${words}\n${usage}`);
  process.exit(2);
}

function number(name: "minutes" | "count" | "first" | "workers", least: number): number | undefined {
  const given = values[name];
  if (given !== undefined && !(Number(given) >= least))
    refuse(`--${name} takes a number from ${least}, not ${given}.`);
  return given === undefined ? undefined : Number(given);
}

const given = tokens.flatMap((token) =>
  token.kind === "option" && token.value !== undefined ? [token.rawName] : [],
);
const twice = given.find((name, i) => given.indexOf(name) < i);
if (twice !== undefined) refuse(`${twice} is given twice; it takes one value.`);
if (values.help) {
  console.log(usage);
  process.exit(0);
}
const chosen = targets.filter((t) =>
  values.target === undefined ? t.patience === undefined : t.name === values.target,
);
if (chosen.length === 0) refuse(`There is no target ${values.target}.`);
const names = chosen.map((t) => t.name);
const { keep } = values;
const workers = number("workers", 1) ?? availableParallelism();
const replay = /^(.+):(\d+)$/.exec(values.replay ?? "");
if (values.replay !== undefined && (!replay || names.length !== 1))
  refuse("--replay takes SEED:INDEX, and one --target.");
const count = number("count", 1);
const seed = replay ? replay[1] : (values.seed ?? "1");
const until = count === undefined ? Date.now() + 60_000 * (number("minutes", 0) ?? 1) : undefined;
const options: FuzzOptions = replay
  ? { targets: names, seed, first: Number(replay[2]), count: 1, workers: 1, keep }
  : { targets: names, seed, first: number("first", 0), count, until, workers, keep };

const began = Date.now();

/** Prints the counts; whether there were findings. */
function conclude({ tallies, findings }: Counts): boolean {
  const total = tallies.reduce((n, t) => n + t.mutants, 0);
  for (const tally of tallies.filter((t) => t.mutants > 0)) report(tally);
  console.log(
    `${total} mutants in ${Math.round((Date.now() - began) / 1000)} s, seed ${seed}: ${findings.length} findings. ` +
      `Limits: ${limits.cpu / 1000} s of processor time, ${limits.memory / 2 ** 20} MiB above the files' size.`,
  );
  for (const { target, index, words, how } of findings) {
    console.log(
      `\nFINDING in ${target}, ${how}\n${words}\n  npm run fuzz -- --target ${target} --replay ${seed}:${index} --keep DIR`,
    );
  }
  return findings.length > 0;
}

function report({ target, mutants, accepted, refused, slowest, largest }: Tally): void {
  const refusals = [...refused.values()].reduce((a, b) => a + b, 0);
  console.log(
    `${target}: ${mutants} mutants, ${accepted} accepted, ${refusals} refused in ${refused.size} ways; ` +
      `slowest ${Math.round(slowest.cpu)} ms (${slowest.index}), largest ${Math.round(largest.memory / 2 ** 20)} MiB (${largest.index})`,
  );
  const common = [...refused].sort((a, b) => b[1] - a[1]).slice(0, 8);
  for (const [words, times] of common) console.log(`  ${String(times).padStart(6)}  ${words}`);
}

/** What is stopped by a signal still says what it found. */
const watch = (counts: Counts) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      conclude(counts);
      process.exit(130);
    });
  }
};
process.exitCode = conclude(await fuzz({ ...options, watch })) ? 1 : 0;
