/**
 * Memory by lifetimes: values that are never alive together share a slot, greedily by size (Pisarchyk and Lee,
 * "Efficient memory management for deep neural net inference", 2020). Slots are whole buffers, because WebGPU does not
 * let one buffer be read and written in one dispatch, even in different places.
 */
import type { Program } from "./program.ts";

export interface Plan {
  /** Floats of each slot. */
  readonly slots: readonly number[];
  /** The slot of every value that the program makes or is given. */
  readonly slotOf: ReadonlyMap<number, number>;
}

interface Lifetime {
  readonly value: number;
  readonly size: number;
  /** The step that makes it; -1 for an input. */
  readonly from: number;
  /** The last step that reads it; past the last step for an output. */
  to: number;
}

export function lifetimes(program: Program): Lifetime[] {
  const lives = new Map<number, Lifetime>();
  const size = (value: number) => program.sizes.get(value) ?? 0;
  for (const { value } of program.inputs) lives.set(value, { value, size: size(value), from: -1, to: -1 });
  program.steps.forEach((step, i) => {
    for (const o of step.operands) {
      const life = o.kind === "value" ? lives.get(o.value) : undefined;
      if (life) life.to = i;
    }
    lives.set(step.output, { value: step.output, size: size(step.output), from: i, to: i });
  });
  for (const { value } of program.outputs) {
    const life = lives.get(value);
    if (life) life.to = program.steps.length;
  }
  return [...lives.values()];
}

/** Assigns every value a slot so that no two values alive at one step share it. */
export function planMemory(program: Program): Plan {
  const slots: { size: number; taken: Lifetime[] }[] = [];
  const slotOf = new Map<number, number>();
  for (const life of lifetimes(program).toSorted((a, b) => b.size - a.size || a.from - b.from)) {
    const free = (taken: readonly Lifetime[]) => taken.every((t) => life.from > t.to || life.to < t.from);
    let slot = slots.findIndex((s) => free(s.taken));
    if (slot < 0) slot = slots.push({ size: life.size, taken: [] }) - 1;
    slots[slot].taken.push(life);
    slotOf.set(life.value, slot);
  }
  return { slots: slots.map((s) => s.size), slotOf };
}
