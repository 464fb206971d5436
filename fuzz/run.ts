/** Hands mutants to processes, watches these, and counts what becomes of them. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { Attempt } from "./attempt.ts";
import type { Job, Said } from "./worker.ts";

export interface FuzzOptions {
  readonly targets: readonly string[];
  readonly seed: string;
  /** The first mutant's number, and how many are tried of all targets together; without it, until `until`. */
  readonly first?: number;
  readonly count?: number;
  /** A time of `Date.now()` after which no more are begun. */
  readonly until?: number;
  readonly workers: number;
  readonly keep?: string;
  /** Given the counts once, as they stand at any time: for whoever is stopped in the middle. */
  readonly watch?: (counts: Counts) => void;
  /** A module whose `targets` are tried; the fuzzer's own by default. */
  readonly module?: string;
  /** A mutant that takes longer on the clock has hung. */
  readonly patience?: number;
}

export interface Finding {
  readonly target: string;
  readonly index: number;
  readonly words: string;
  readonly how: string;
}

export interface Tally {
  readonly target: string;
  mutants: number;
  accepted: number;
  readonly refused: Map<string, number>;
  slowest: { index: number; cpu: number };
  largest: { index: number; memory: number };
}

export interface Counts {
  readonly tallies: readonly Tally[];
  readonly findings: readonly Finding[];
}

/** What a process may grow by in one mutant before it is stopped: a bomb does not take the machine with it. */
const mostGrowth = 2 ** 30;
/** Mutants that are handed over at once, and after how many a process is replaced. */
const piece = 40;
const life = 3000;

/** Tries mutants. Findings that are of time or memory are tried once more, alone in a fresh process, before they count. */
export async function fuzz(options: FuzzOptions): Promise<Counts> {
  const {
    targets,
    seed,
    first = 0,
    count = Number.POSITIVE_INFINITY,
    until = Number.POSITIVE_INFINITY,
    keep,
  } = options;
  const tallies = targets.map(
    (target): Tally => ({
      target,
      mutants: 0,
      accepted: 0,
      refused: new Map(),
      slowest: { index: 0, cpu: 0 },
      largest: { index: 0, memory: 0 },
    }),
  );
  const findings: Finding[] = [];
  options.watch?.({ tallies, findings });
  const next = new Map(targets.map((t) => [t, first]));
  let given = 0;

  /** Targets take turns. */
  function nextJob(): Job | undefined {
    const left = count - given;
    if (left <= 0 || Date.now() >= until) return undefined;
    const target = [...next].sort((a, b) => a[1] - b[1])[0][0];
    const from = next.get(target) as number;
    const share = Number.isFinite(count) ? Math.ceil(count / targets.length) : piece;
    const to = from + Math.min(piece, left, Math.max(1, share - (from - first)));
    next.set(target, to);
    given += to - from;
    return { target, seed, from, to, keep };
  }

  function take(target: string, a: Attempt): void {
    const tally = tallies.find((t) => t.target === target) as Tally;
    tally.mutants++;
    if (a.outcome === "accepted") tally.accepted++;
    else if (a.outcome === "refused") tally.refused.set(a.words, (tally.refused.get(a.words) ?? 0) + 1);
    else findings.push({ target, index: a.index, words: a.words, how: a.how });
    if (a.cpu > tally.slowest.cpu) tally.slowest = { index: a.index, cpu: a.cpu };
    if (a.memory > tally.largest.memory) tally.largest = { index: a.index, memory: a.memory };
  }

  /** Tries a job to its end, past whatever ends its processes; gives the process that is left. */
  async function tryJob(job: Job, worker: Worker): Promise<Worker> {
    let from = job.from;
    let current = worker;
    while (from < job.to) {
      const death = await current.run({ ...job, from }, (a) => {
        from = a.index + 1;
        if (a.outcome === "finding")
          suspects.push({ job: { ...job, from: a.index, to: a.index + 1 }, attempt: a });
        else take(job.target, a);
      });
      if (!death) break;
      if (death.index === undefined) throw new Error(`a process ended before its first mutant: ${death.why}`);
      const attempt: Attempt = {
        index: death.index,
        outcome: "finding",
        words: death.why,
        how: "",
        cpu: 0,
        memory: 0,
      };
      suspects.push({ job: { ...job, from: death.index, to: death.index + 1 }, attempt });
      from = death.index + 1;
      current = startWorker(options);
    }
    return current;
  }

  let suspects: { job: Job; attempt: Attempt }[] = [];
  async function judge(): Promise<void> {
    const mine = suspects;
    suspects = [];
    for (const { job, attempt } of mine) {
      const worker = startWorker(options);
      let again: Attempt | undefined;
      const death = await worker.run(job, (a) => {
        again = a;
      });
      worker.stop();
      take(job.target, again ?? { ...attempt, words: death?.why ?? attempt.words });
    }
  }

  async function slot(): Promise<void> {
    let worker = startWorker(options);
    let tried = 0;
    for (let job = nextJob(); job; job = nextJob()) {
      worker = await tryJob(job, worker);
      await judge();
      tried += job.to - job.from;
      if (tried >= life) {
        worker.stop();
        worker = startWorker(options);
        tried = 0;
      }
    }
    worker.stop();
  }
  await Promise.all(Array.from({ length: options.workers }, slot));
  return { tallies, findings };
}

interface Death {
  /** The mutant that was begun. */
  readonly index?: number;
  readonly why: string;
}

interface Worker {
  /** Settles when the job is done, or with how the process ended in its midst. */
  run(job: Job, take: (attempt: Attempt) => void): Promise<Death | undefined>;
  stop(): void;
}

function startWorker({
  module = join(import.meta.dirname, "targets/index.ts"),
  patience = 15_000,
}: FuzzOptions): Worker {
  const child: ChildProcess = spawn(
    process.execPath,
    ["--import", "tsx", join(import.meta.dirname, "worker.ts"), module],
    {
      cwd: join(import.meta.dirname, ".."),
      stdio: ["ignore", "ignore", "pipe", "pipe", "ipc"],
    },
  );
  let complaints = "";
  child.stderr?.on("data", (text: Buffer) => {
    complaints = `${complaints}${text}`.slice(-4000);
  });
  let hear: (said: Said) => void = () => {};
  let lost: (why: string) => void = () => {};
  let killed = "";
  const kill = (why: string) => {
    killed ||= why;
    child.kill("SIGKILL");
  };
  let rest = "";
  (child.stdio[3] as Readable).on("data", (text: Buffer) => {
    const lines = `${rest}${text}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) hear(JSON.parse(line) as Said);
  });
  child.on("close", (code, signal) =>
    lost(killed || `the process ended (${signal ?? code}) ${complaints}`.trim()),
  );
  child.on("error", (error) => lost(error.message));

  return {
    run: (job, take) =>
      new Promise((resolve) => {
        let index: number | undefined;
        let since = Date.now();
        let resident = 0;
        const watch = setInterval(() => {
          if (index !== undefined && Date.now() - since > patience)
            kill(`it hung: no end in ${patience / 1000} s`);
          if (index !== undefined && residentOf(child.pid) > resident + mostGrowth)
            kill("it took more than 1 GiB of memory");
        }, 100);
        const settle = (death?: Death) => {
          clearInterval(watch);
          resolve(death);
        };
        lost = (why) => settle({ index, why });
        hear = (said) => {
          if ("begins" in said)
            [index, since, resident] = [said.begins, Date.now(), Math.max(resident, residentOf(child.pid))];
          else if ("done" in said) {
            index = undefined;
            take(said.done);
          } else if ("ended" in said) settle();
        };
        if (child.exitCode !== null) lost(`the process ended (${child.exitCode}) ${complaints}`);
        else child.send(job);
      }),
    stop() {
      lost = () => {};
      if (child.connected) child.disconnect();
    },
  };
}

function residentOf(pid: number | undefined): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * 4096;
  } catch {
    return 0;
  }
}
