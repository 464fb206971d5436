/**
 * One thread against many on the CPU path: what is measured, layer by layer and as a whole, and what the cut into tasks
 * allows. The latter is worked out from the times that one thread takes for the tasks that are cut for many, so that
 * it tells on any machine what many cores would do if nothing but the tasks and their order stood in the way.
 */
import { type Column, textTable } from "../src/cli/table.ts";
import { openCpu } from "../src/engine/cpu/device.ts";
import type { StepTiming } from "../src/engine/device.ts";
import type { Model } from "../src/nets/index.ts";
import { nodePlatform } from "../src/node/platform.ts";
import { nameOf, prepare } from "./layers.ts";
import { threadsGflops, waitMicroseconds } from "./micro-kernel.ts";
import { type Spread, spread } from "./spread.ts";

/** A step as `makespan` takes it: all its tasks are taken to be of one length. */
export interface TimedStep {
  readonly milliseconds: number;
  readonly tasks: number;
  /** The earlier steps that it waits for. */
  readonly after: readonly number[];
}

/** Milliseconds until `threads` have done all `steps`, each going through them in order and taking task after task. */
export function makespan(steps: readonly TimedStep[], threads: number): number {
  const at = Array.from({ length: threads }, () => ({ time: 0, step: 0 }));
  const left = steps.map((s) => s.tasks);
  const finished = steps.map(() => 0);
  for (;;) {
    const busy = at.filter((t) => t.step < steps.length);
    if (busy.length === 0) return Math.max(0, ...finished);
    // Who is first takes next; whoever gets to a step knows that all tasks of those before are taken.
    const thread = busy.reduce((first, t) => (t.time < first.time ? t : first));
    const { milliseconds, tasks, after } = steps[thread.step];
    if (left[thread.step] === 0) {
      thread.step += 1;
      continue;
    }
    left[thread.step] -= 1;
    thread.time = Math.max(thread.time, ...after.map((i) => finished[i])) + milliseconds / tasks;
    finished[thread.step] = Math.max(finished[thread.step], thread.time);
  }
}

export interface LayerSpeedUp {
  readonly layer: string;
  readonly kernel: string;
  readonly shape: string;
  /** Tasks that it is cut into for `many`. */
  readonly tasks: number;
  /** By itself, on one thread and on many. */
  readonly one: number;
  readonly many: number;
  /** One thread's time over that of many, by measurement and by the tasks alone. */
  readonly measured: number;
  readonly allowed: number;
}

export interface SpeedUp {
  readonly model: string;
  readonly batch: number;
  readonly adapter: string;
  readonly threads: readonly [few: number, many: number];
  readonly layers: readonly LayerSpeedUp[];
  /** Input written to features read back, on few threads and on many. */
  readonly run: readonly [few: Spread, many: Spread];
  /** What the tasks cost that are cut for many, on one thread, over those that are cut for few. */
  readonly cutting: number;
  readonly measured: number;
  readonly allowed: number;
  /** By the processor alone: the inner kernel on many threads, which share nothing, over that on few. */
  readonly processor: number;
  /** Microseconds of a step without work on many threads. */
  readonly wait: number;
}

/** Each step's times over the runs. */
const spreads = (runs: readonly StepTiming[][]): Spread[] =>
  runs[0].map((_, i) => spread(runs.map((r) => r[i].milliseconds)));

const timed = (steps: readonly StepTiming[]): TimedStep[] => {
  const ordered: TimedStep[] = [];
  for (const { milliseconds, tasks = 1, order } of steps) {
    if (order) ordered[order.place] = { milliseconds, tasks, after: order.after };
  }
  return ordered;
};

/** Times a network on `few` threads and on `many`, in turn. */
export async function benchSpeedUp(
  model: Model,
  batch: number,
  runs: number,
  [few, many]: readonly [number, number],
): Promise<SpeedUp> {
  const { program, weights, input } = await prepare(model, batch);
  // The third one's tasks are those of many threads, one after the other.
  const devices = [
    openCpu(nodePlatform, { threads: few }),
    openCpu(nodePlatform, { threads: many }),
    openCpu(nodePlatform, { threads: few, sharesFor: many }),
  ];
  try {
    const sessions = [];
    for (const device of devices) sessions.push(await device.load(program, weights));
    const whole: number[][] = sessions.map(() => []);
    const times: StepTiming[][][] = sessions.map(() => []);
    for (const session of sessions) await session.run([input]);
    for (let i = 0; i < runs; i++) {
      for (const [k, session] of sessions.entries()) {
        const start = performance.now();
        if (k < 2) await session.run([input]);
        whole[k].push(performance.now() - start);
        times[k].push(await session.time([input]));
      }
    }
    const [gflopsOfFew, gflopsOfMany] = [await threadsGflops(few), await threadsGflops(many)];
    const [one, all, cut] = times.map(spreads);
    const facts = times[2][0];
    // What is worked out is worked out from the best times: those that the machine's other work lengthened least.
    const best = cut.map((s, i) => ({ ...facts[i], milliseconds: s.min }));
    const sum = (steps: readonly Spread[]) => steps.reduce((ms, s) => ms + s.min, 0);
    const alone = (s: StepTiming) => makespan([{ ...s, tasks: s.tasks ?? 1, after: [] }], many);
    const [onFew, onMany] = [spread(whole[0]), spread(whole[1])];
    return {
      model: model.name,
      batch,
      adapter: devices[0].adapter,
      threads: [few, many],
      layers: facts.map((fact, i) => ({
        layer: nameOf(fact.step),
        kernel: `${fact.step.op}/${fact.variant}`,
        shape: fact.step.shape.join("x"),
        tasks: fact.tasks ?? 1,
        one: one[i].median,
        many: all[i].median,
        measured: one[i].median / all[i].median,
        allowed: one[i].min / alone(best[i]),
      })),
      run: [onFew, onMany],
      cutting: sum(cut) / sum(one),
      measured: onFew.median / onMany.median,
      allowed: sum(one) / makespan(timed(best), many),
      processor: gflopsOfMany / gflopsOfFew,
      wait: await waitMicroseconds(many),
    };
  } finally {
    for (const device of devices) await device.close();
  }
}

/** The result as a table and a few lines. */
export function describeSpeedUp(result: SpeedUp): string {
  const [few, many] = result.threads;
  const told = (n: number) => n.toFixed(2);
  const columns: Column<LayerSpeedUp>[] = [
    { title: "layer", cell: (r) => r.layer },
    { title: "kernel", cell: (r) => r.kernel },
    { title: "output", cell: (r) => r.shape },
    { title: "tasks", right: true, cell: (r) => String(r.tasks) },
    { title: `ms on ${few}`, right: true, cell: (r) => r.one.toFixed(3) },
    { title: `ms on ${many}`, right: true, cell: (r) => r.many.toFixed(3) },
    { title: "times as fast", right: true, cell: (r) => told(r.measured) },
    { title: "tasks allow", right: true, cell: (r) => told(r.allowed) },
  ];
  const total = (of: (r: LayerSpeedUp) => number) => result.layers.reduce((sum, r) => sum + of(r), 0);
  const [one, all] = [total((r) => r.one), total((r) => r.many)];
  const [onFew, onMany] = result.run.map((s) => `${s.median.toFixed(1)} ms (${s.min.toFixed(1)} at best)`);
  return [
    `${result.model}, batch ${result.batch}, ${result.adapter}`,
    "",
    textTable(columns, result.layers),
    "",
    `layers one after the other: ${one.toFixed(1)} ms on ${few}, ${all.toFixed(1)} on ${many}: ${told(one / all)} times as fast`,
    `whole runs: ${onFew} on ${few}, ${onMany} on ${many}: ${told(result.measured)} times as fast; tasks and their order allow ${told(result.allowed)}`,
    `the processor gives ${many} threads that share nothing ${told(result.processor)} times the arithmetic of ${few}; a step without work takes them ${result.wait.toFixed(1)} µs`,
    `tasks as ${many} threads share them take ${told(result.cutting)} times what those for ${few} take`,
  ].join("\n");
}
