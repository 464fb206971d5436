/**
 * Memory by lifetimes: values that are never alive together share a slot, greedily by size (Pisarchyk and Lee,
 * "Efficient memory management for deep neural net inference", 2020). Slots are whole buffers, because WebGPU does not
 * let one buffer be read and written in one dispatch, even in different places.
 */
import { outputsOf, type Program } from "./program.ts";

export interface Plan {
  /** Floats of each slot. */
  readonly slots: readonly number[];
  /** The slot of every value that the program makes or is given. */
  readonly slotOf: ReadonlyMap<number, number>;
  /** The slots of each step's scratch memory. */
  readonly scratchSlots: readonly (readonly number[])[];
}

interface Lifetime {
  /** A value, or a piece of a step's scratch memory. */
  readonly value: number | { readonly step: number; readonly piece: number };
  readonly size: number;
  /** The step that makes it; -1 for an input. */
  readonly from: number;
  /** The last step that reads it; past the last step for an output. */
  to: number;
}

/** When each step runs: one after the other. */
const inTurn = ({ steps }: Program): readonly number[] => steps.map((_, i) => i);

/** From when to when each value is alive. `times` say when each step runs, earlier ones never later. */
export function lifetimes(
  program: Program,
  times: readonly number[] = inTurn(program),
): (Lifetime & { readonly value: number })[] {
  const lives = new Map<number, Lifetime & { readonly value: number }>();
  const size = (value: number) => program.sizes.get(value) ?? 0;
  for (const { value } of program.inputs) lives.set(value, { value, size: size(value), from: -1, to: -1 });
  program.steps.forEach((step, i) => {
    const time = times[i];
    for (const o of step.operands) {
      const life = o.kind === "value" ? lives.get(o.value) : undefined;
      if (life) life.to = time;
    }
    // Of a joint value every part is written by a step of its own; it lives from the first on.
    for (const value of outputsOf(step)) {
      const begun = lives.get(value);
      if (begun) begun.to = time;
      else lives.set(value, { value, size: size(value), from: time, to: time });
    }
  });
  for (const { value } of program.outputs) {
    const life = lives.get(value);
    if (life) life.to = program.steps.length;
  }
  return [...lives.values()];
}

/**
 * Assigns every value a slot so that no two values alive at one step share it. `scratch` are the floats of each piece of
 * memory that a step needs while it runs. Steps to which `times` give one time may run side by side.
 */
export function planMemory(
  program: Program,
  scratch: readonly (readonly number[])[] = [],
  times: readonly number[] = inTurn(program),
): Plan {
  const slots: { size: number; taken: Lifetime[] }[] = [];
  const slotOf = new Map<number, number>();
  const scratchSlots = program.steps.map((): number[] => []);
  const pieces = scratch.flatMap((sizes, step) =>
    sizes.map(
      (size, piece): Lifetime => ({ value: { step, piece }, size, from: times[step], to: times[step] }),
    ),
  );
  const lives: Lifetime[] = [...lifetimes(program, times), ...pieces];
  for (const life of lives.toSorted((a, b) => b.size - a.size || a.from - b.from)) {
    const free = (taken: readonly Lifetime[]) => taken.every((t) => life.from > t.to || life.to < t.from);
    let slot = slots.findIndex((s) => free(s.taken));
    if (slot < 0) slot = slots.push({ size: life.size, taken: [] }) - 1;
    slots[slot].taken.push(life);
    if (typeof life.value === "number") slotOf.set(life.value, slot);
    else scratchSlots[life.value.step][life.value.piece] = slot;
  }
  return { slots: slots.map((s) => s.size), slotOf, scratchSlots };
}
