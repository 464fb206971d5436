/**
 * The order in which the threads go through a program, and what each step has to wait for. Threads that find no task left in
 * a step go on to the next one whose inputs are ready: the branches of a module run side by side, so that a step
 * of few tasks, or the last tasks of a step, leave nobody idle.
 */
import { type Plan, planMemory } from "../plan.ts";
import type { Program, Step } from "../program.ts";

export interface Schedule {
  /** The program with its steps by level: those of one level do not depend on each other. */
  readonly program: Program;
  /** The place of each of its steps in the program that was given. */
  readonly placeOf: readonly number[];
  readonly plan: Plan;
  /** The earlier steps that have to be finished before a step may begin; those that they imply are left out. */
  readonly after: readonly (readonly number[])[];
}

const valuesOf = (step: Step): number[] =>
  step.operands.flatMap((o) => (o.kind === "value" ? [o.value] : []));

/** The numbers of the steps that write each value: of a joint one, several. */
function writersOf(steps: readonly Step[]): Map<number, number[]> {
  const writers = new Map<number, number[]>();
  for (const [i, { output }] of steps.entries()) writers.set(output, [...(writers.get(output) ?? []), i]);
  return writers;
}

/**
 * The latest level at which each step can run without making the program longer; the first is 0. As early as possible would
 * keep values of NASNet's cells waiting in memory, twice as many.
 */
function levelsOf(steps: readonly Step[]): number[] {
  const writers = writersOf(steps);
  /** How many steps at least come behind each. */
  const behind: number[] = steps.map(() => 0);
  for (let i = steps.length - 1; i >= 0; i--) {
    for (const before of valuesOf(steps[i]).flatMap((v) => writers.get(v) ?? []))
      behind[before] = Math.max(behind[before], behind[i] + 1);
  }
  const last = Math.max(0, ...behind);
  return behind.map((n) => last - n);
}

/** By level, in a level the longest first: what is short fills the gaps that they leave at the end. */
const byLevel = ({ steps }: Program, levels: readonly number[]): number[] =>
  steps
    .map((_, i) => i)
    .sort((a, b) => levels[a] - levels[b] || steps[b].cost.macs - steps[a].cost.macs || a - b);

/** What each step waits for: the writers of what it reads, and all that used the memory that it writes. */
function waitsOf(steps: readonly Step[], { slotOf }: Plan): number[][] {
  const writers = writersOf(steps);
  /** Steps that read or write values of a slot, by slot and value. */
  const users = new Map<number, Map<number, number[]>>();
  /** For each step, a 1 for every earlier step that is finished when it may begin. */
  const implied: Uint8Array[] = [];
  return steps.map((step, i) => {
    const slot = slotOf.get(step.output) as number;
    const earlier = [...(users.get(slot) ?? [])].flatMap(([value, by]) => (value === step.output ? [] : by));
    const wanted = [...valuesOf(step).flatMap((v) => writers.get(v) ?? []), ...earlier];
    const known = new Uint8Array(steps.length);
    const kept: number[] = [];
    for (const before of [...new Set(wanted)].sort((a, b) => b - a)) {
      if (known[before]) continue;
      kept.push(before);
      known[before] = 1;
      for (const [k, is] of implied[before].entries()) known[k] |= is;
    }
    implied.push(known);
    for (const value of [step.output, ...valuesOf(step)]) {
      const at = slotOf.get(value) as number;
      const inSlot = users.get(at) ?? new Map<number, number[]>();
      users.set(at, inSlot.set(value, [...(inSlot.get(value) ?? []), i]));
    }
    return kept;
  });
}

/** Orders a program's steps, plans their memory, and finds what each waits for. */
export function scheduleOf(given: Program): Schedule {
  const levels = levelsOf(given.steps);
  const placeOf = byLevel(given, levels);
  const program = { ...given, steps: placeOf.map((i) => given.steps[i]) };
  // By levels: steps of one level are alive together, whoever of them comes first.
  const plan = planMemory(
    program,
    [],
    placeOf.map((i) => levels[i]),
  );
  return { program, placeOf, plan, after: waitsOf(program.steps, plan) };
}
