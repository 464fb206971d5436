/** One network at one batch through all contenders: each proves itself, then they are timed run by run in turn. */
import { maxAbs, relativeError } from "../../src/verify/measure.ts";
import { type Spread, spread } from "../spread.ts";
import { type Child, startChild } from "./child.ts";
import type { Contender } from "./contenders.ts";
import type { Answer } from "./protocol.ts";

/** How far a contender's features may be from ours, of the largest feature. */
export const agreement = 1e-3;

export interface Timed {
  readonly contender: string;
  readonly about: string;
  readonly adapter?: string;
  /** Host to host: images in the host's memory to features there. */
  readonly milliseconds: Spread;
  /** What of that the GPU needs for the layers, where the engine can tell. */
  readonly gpu?: Spread;
  readonly runs: number;
  /** What other processes took of the machine during these runs, from 0 to 1; the median run's. */
  readonly others: number;
  /** max |theirs - ours| / max |ours|. */
  readonly error: number;
  readonly peakBytes: number;
}

/** Not timed, and why. */
export interface Untimed {
  readonly contender: string;
  readonly reason: string;
}

export type Outcome = Timed | Untimed;

export interface RoundOptions {
  readonly model: string;
  readonly batch: number;
  readonly runs: number;
  /** For one answer. */
  readonly timeoutMs: number;
  readonly environment: NodeJS.ProcessEnv;
  readonly notice: (sentence: string) => void;
}

interface Runner {
  readonly contender: Contender;
  readonly child: Child;
  readonly loaded: Extract<Answer, { kind: "loaded" }>;
  readonly error: number;
  readonly timed: Extract<Answer, { kind: "ran" }>[];
  readonly gpu: number[];
  failed?: string;
}

/** Runs of which the GPU's time is asked, after the others, so that it takes nothing of them. */
const gpuRuns = 3;

/** After a proof that took longer than this, no second warm-up run is made. */
const slowMs = 5000;

/** A GPU that was idle while networks were loaded slows its clock: contenders as fast as this take turns for so long first. */
const fastMs = 100;
const warmthMs = 1500;

async function timeOnce(runner: Runner, timeoutMs: number): Promise<Runner["timed"][number] | undefined> {
  const answer = await runner.child.ask({ ask: "run" }, timeoutMs);
  if (answer.kind === "ran") return answer;
  runner.failed = answer.kind === "failed" ? answer.reason : `answered ${answer.kind} to run`;
  return undefined;
}

async function timeGpu(runner: Runner, runs: number, timeoutMs: number): Promise<void> {
  for (let i = 0; i < runs && runner.loaded.gpu && !runner.failed; i++) {
    const answer = await runner.child.ask({ ask: "gpu" }, timeoutMs);
    if (answer.kind === "gpu") runner.gpu.push(answer.milliseconds);
    else runner.failed = answer.kind === "failed" ? answer.reason : `answered ${answer.kind} to gpu`;
  }
}

/**
 * The outcome of every contender, in their order. The features of the first one of ours are those that all others must
 * agree with.
 */
export async function playRounds(chosen: readonly Contender[], options: RoundOptions): Promise<Outcome[]> {
  const { model, batch, runs, timeoutMs, environment, notice } = options;
  const outcomes = new Map<string, Outcome>();
  const runners: Runner[] = [];
  let truth: Float32Array | undefined;
  try {
    for (const contender of chosen.toSorted((a, b) => Number(b.ours ?? 0) - Number(a.ours ?? 0))) {
      const name = contender.name;
      const fail = (reason: string) => {
        outcomes.set(name, { contender: name, reason });
        notice(`${model} x ${batch}: ${name} is not timed: ${reason}`);
      };
      if (!truth && !contender.ours) {
        fail("none of ours ran, so nothing says whether it is right");
        continue;
      }
      const child = startChild(environment);
      const answer = await child.ask({ ask: "load", contender: name, model, batch }, timeoutMs);
      if (answer.kind !== "loaded") {
        await child.stop();
        fail(answer.kind === "failed" ? answer.reason : `answered ${answer.kind} to load`);
        continue;
      }
      truth ??= answer.features;
      const error = relativeError(answer.features, truth, maxAbs(truth));
      if (!(error <= agreement)) {
        await child.stop();
        fail(`wrong: its features are ${error.toExponential(1)} away from ours`);
        continue;
      }
      runners.push({ contender, child, loaded: answer, error, timed: [], gpu: [] });
      notice(`${model} x ${batch}: ${name} agrees to ${error.toExponential(1)} (${answer.about})`);
    }
    await warmUp(runners, timeoutMs);
    for (let round = 0; round < runs; round++) {
      // Each follows another one in every round.
      for (let i = 0; i < runners.length; i++) {
        const runner = runners[(i + round) % runners.length];
        if (runner.failed || runner.timed.length >= (runner.contender.mostRuns ?? runs)) continue;
        const ran = await timeOnce(runner, timeoutMs);
        if (ran) runner.timed.push(ran);
      }
    }
    for (const runner of runners) await timeGpu(runner, Math.min(runs, gpuRuns), timeoutMs);
  } finally {
    await Promise.all(runners.map((r) => r.child.stop()));
  }
  for (const { contender, loaded, error, timed, gpu, failed } of runners) {
    const { name } = contender;
    if (failed !== undefined) {
      outcomes.set(name, { contender: name, reason: failed });
      continue;
    }
    outcomes.set(name, {
      contender: name,
      about: loaded.about,
      adapter: loaded.adapter,
      milliseconds: spread(timed.map((t) => t.milliseconds)),
      ...(gpu.length > 0 ? { gpu: spread(gpu) } : {}),
      runs: timed.length,
      others: spread(timed.map((t) => t.others)).median,
      error,
      peakBytes: Math.max(...timed.map((t) => t.peakBytes)),
    });
  }
  return chosen.flatMap((c) => outcomes.get(c.name) ?? []);
}

/** The proof was a first run; one more lets compilers settle, but for those where it would take minutes. */
async function warmUp(runners: readonly Runner[], timeoutMs: number): Promise<void> {
  const warm: Runner[] = [];
  for (const runner of runners) {
    const first = await timeOnce(runner, timeoutMs);
    const second = first && first.milliseconds < slowMs ? await timeOnce(runner, timeoutMs) : undefined;
    if (second && second.milliseconds < fastMs) warm.push(runner);
  }
  const began = performance.now();
  while (warm.length > 0 && performance.now() - began < warmthMs) {
    for (const runner of warm) await timeOnce(runner, timeoutMs);
  }
}
